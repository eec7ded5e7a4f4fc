import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'

/** Links and images of a page, and the anchors in it. */
const TARGETS = /\s(?:href|src)="([^"]*)"/g
const ANCHORS = /\sid="([^"]*)"/g
/** Links of llms.txt, which is Markdown. */
const LINES = /\]\((\/[^)\s]*)\)/g
const EXTERNAL = /^(?:[a-z]+:|\/\/)/

/**
 * Reads every page of the built site, and llms.txt, and follows every link to a page, file or heading of the site. VitePress itself checks neither headings, nor
 * the sidebar, nor HTML.
 * @param folder of the built site
 * @param base the path under which the site is served, with a slash at both ends
 * @throws Error that lists each dead link with its page
 */
export function checkLinks(folder: string, base: string): void {
  const files = new Set(readdirSync(folder, { recursive: true, encoding: 'utf8' }))
  const pages = [...files].filter((file) => file.endsWith('.html') || file === 'llms.txt')
  const texts = new Map(pages.map((page) => [page, readFileSync(join(folder, page), 'utf8')]))
  const anchors = new Map([...texts].map(([page, text]) => [page, new Set(matches(text, ANCHORS))]))

  const isAlive = (page: string, link: string): boolean => {
    const { pathname, hash } = new URL(link, `http://site${posix.join(base, page)}`)
    if (!pathname.startsWith(base)) return false
    const path = decodeURIComponent(pathname.slice(base.length))
    const file = path === '' || path.endsWith('/') ? `${path}index.html` : path
    return files.has(file) && (hash === '' || (anchors.get(file)?.has(decodeURIComponent(hash.slice(1))) ?? false))
  }

  let followed = 0
  const dead: string[] = []
  for (const [page, text] of texts) {
    const links = [...new Set(matches(text, page === 'llms.txt' ? LINES : TARGETS))].filter((link) => !EXTERNAL.test(link))
    followed += links.length
    dead.push(...links.filter((link) => !isAlive(page, link)).map((link) => `${page}: ${link}`))
  }
  console.log(`${followed} links in ${pages.length} pages, dead: ${dead.length}`)
  if (dead.length > 0) throw new Error(`dead links:\n${dead.join('\n')}`)
}

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, match = '']) => match.replaceAll('&amp;', '&'))
}
