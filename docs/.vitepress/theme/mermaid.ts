import { useData } from 'vitepress'
import { defineComponent, h, onMounted, ref, useId, watch } from 'vue'

/** Its own, so that its words can be read: a wide diagram scrolls. */
const SIZE = { useMaxWidth: false }

/** A diagram in the colours of the page. Before it is drawn, and without JavaScript, its source is shown. */
export const Mermaid = defineComponent({
  props: { code: { type: String, required: true } },
  setup(props) {
    const { isDark } = useData()
    const id = `mermaid-${useId()}`
    const source = decodeURIComponent(props.code)
    const svg = ref('')

    const draw = async (): Promise<void> => {
      const { default: mermaid } = await import('mermaid')
      mermaid.initialize({
        startOnLoad: false,
        theme: isDark.value ? 'dark' : 'default',
        flowchart: SIZE,
        sequence: { ...SIZE, wrap: true },
        state: SIZE,
      })
      svg.value = (await mermaid.render(id, source)).svg
    }
    onMounted(draw)
    watch(isDark, draw)

    return () => (svg.value === '' ? h('pre', source) : h('div', { class: 'diagram', innerHTML: svg.value }))
  },
})
