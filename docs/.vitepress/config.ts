import { readFileSync } from 'node:fs'
import { type DefaultTheme, defineConfig, type MarkdownRenderer } from 'vitepress'
import { checkLinks } from './links.js'
import { writeTexts } from './llms.js'
import { SECTIONS } from './pages.js'
import { slug } from './slug.js'

const REPOSITORY = 'https://github.com/write-behind/write-behind'
/** Files outside of docs/ are read in the repository. test/docs.test.ts checks that they are there. */
const OUTSIDE = `${REPOSITORY}/blob/main/`
/** `typedoc` writes it. */
const API = JSON.parse(readFileSync(new URL('../api/typedoc-sidebar.json', import.meta.url), 'utf8')) as DefaultTheme.SidebarItem[]

const title = 'write-behind'
const description = 'Write-behind caching for Prisma: Redis answers your writes, and batches bring them into PostgreSQL'
const sidebar = [
  ...SECTIONS.map(({ text, pages }) => ({ text, items: pages.map(([name, page]) => ({ text: page, link: `/${name}` })) })),
  { text: 'API', collapsed: true, items: API },
]

export default defineConfig({
  title,
  description,
  lang: 'en',
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  themeConfig: {
    nav: [
      { text: 'Quick start', link: '/quick-start' },
      { text: 'Concepts', link: '/concepts' },
      { text: 'Operating', link: '/operations' },
      { text: 'API', link: '/api/write-behind/' },
    ],
    sidebar,
    outline: [2, 3],
    search: { provider: 'local', options: { miniSearch: { searchOptions: { boostDocument: guidesFirst } } } },
    socialLinks: [{ icon: 'github', link: REPOSITORY }],
  },
  markdown: {
    anchor: { slugify: slug },
    config: (markdown) => {
      // Vue drops a line break between two elements, and the space with it.
      markdown.renderer.rules.softbreak = () => ' '
      linkToRepository(markdown)
      drawMermaid(markdown)
    },
  },
  buildEnd: ({ srcDir, outDir, site: { base } }) => {
    writeTexts(srcDir, outDir, { title, description, base, sidebar }, (text, page) =>
      isGenerated(page) ? text : text.replaceAll('](../', `](${OUTSIDE}`),
    )
    checkLinks(outDir, base)
  },
})

/** VitePress sends its text to the browser, so it must use nothing outside of itself. */
function guidesFirst(page: string): number {
  return page.includes('/api/') ? 0.2 : 1
}

function linkToRepository(markdown: MarkdownRenderer): void {
  markdown.core.ruler.push('link to repository', ({ tokens, env }) => {
    if (isGenerated(env.relativePath)) return
    for (const token of tokens.flatMap(({ children }) => children ?? [])) {
      const href = token.attrGet('href')
      if (href?.startsWith('../')) token.attrSet('href', href.replace('../', OUTSIDE))
    }
  })
}

/** The pages of the API are in folders of docs/, all others in docs/ itself. */
function isGenerated(page: string): boolean {
  return page.includes('/')
}

/** GitHub draws the blocks of the language `mermaid`, too. */
function drawMermaid(markdown: MarkdownRenderer): void {
  const fence = markdown.renderer.rules.fence
  markdown.renderer.rules.fence = (tokens, index, ...rest) => {
    const token = tokens[index]
    if (token?.info === 'mermaid') return `<Mermaid code="${encodeURIComponent(token.content)}" />`
    return fence?.(tokens, index, ...rest) ?? ''
  }
}
