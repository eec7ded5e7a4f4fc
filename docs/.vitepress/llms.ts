import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** An entry of the sidebar. */
export interface Item {
  readonly text?: string
  readonly link?: string
  readonly items?: readonly Item[]
}

export interface Site {
  readonly title: string
  readonly description: string
  /** The path under which the site is served, with a slash at both ends. */
  readonly base: string
  readonly sidebar: readonly Item[]
}

/**
 * Writes for programs that read Markdown: each page beside its built form, `llms.txt`, which lists the pages, and `llms-full.txt`, which has the text
 * of all of them (https://llmstxt.org).
 * @param source the folder of the pages
 * @param target the folder of the built site
 * @param transform changes the text of each page
 */
export function writeTexts(source: string, target: string, site: Site, transform: (text: string, page: string) => string): void {
  const lines = [`# ${site.title}`, '', `> ${site.description}`]
  const texts: string[] = []
  for (const { text: section, ...root } of site.sidebar) {
    lines.push('', `## ${section}`, '')
    for (const { text, file } of pagesOf(root)) {
      const page = transform(readFileSync(join(source, file), 'utf8'), file)
      mkdirSync(dirname(join(target, file)), { recursive: true })
      writeFileSync(join(target, file), page)
      lines.push(`- [${text}](${site.base}${file})`)
      texts.push(page)
    }
  }
  writeFileSync(join(target, 'llms.txt'), `${lines.join('\n')}\n`)
  writeFileSync(join(target, 'llms-full.txt'), texts.join('\n---\n\n'))
}

function pagesOf({ text = '', link, items = [] }: Item): { text: string; file: string }[] {
  const file = link
    ?.slice(1)
    .replace(/\/$|^$/, '$&index')
    .replace(/(?:\.md)?$/, '.md')
  return [...(file === undefined ? [] : [{ text, file }]), ...items.flatMap(pagesOf)]
}
