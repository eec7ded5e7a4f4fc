/** The pages for readers name files, folders and headings of this repository: a reader must find each of them. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { checkLinks } from '../docs/.vitepress/links.js'
import { SECTIONS } from '../docs/.vitepress/pages.js'
import { slug } from '../docs/.vitepress/slug.js'

const ROOT = join(import.meta.dirname, '..')
/** Without the folders in docs/, because `npm run docs` installs and builds there. */
const DOCS = readdirSync(join(ROOT, 'docs')).map((file) => `docs/${file}`)
const PAGES = [...readdirSync(ROOT), ...DOCS].filter((file) => file.endsWith('.md'))
const FOLDERS = ['src', 'test', 'bench', 'dashboard', 'examples', 'prisma']
const FILES = FOLDERS.flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
).concat(DOCS)

const NAMED = /`([\w./-]+\.(?:ts|lua|md|json|svg|prisma))`/g
/** README.md is read on a registry, too, so it names this repository in its links. */
const REPOSITORY = 'https://github.com/write-behind/write-behind/blob/main/'
const LINKED = /\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g

test.each(PAGES)('%s names only files that are there', (page) => {
  const missing = [...textOf(page).matchAll(NAMED)].map(([, name = '']) => name).filter((name) => !isThere(name))
  expect(missing).toEqual([])
})

test.each(PAGES)('%s links only to files and headings that are there', (page) => {
  const missing = [...textOf(page).replaceAll(REPOSITORY, '').matchAll(LINKED)].filter(([, path, heading]) => {
    const target = path === '' ? page : join(dirname(page), path ?? '')
    return !existsSync(join(ROOT, target)) || (heading !== undefined && !anchorsOf(target).includes(heading))
  })
  expect(missing.map(([link]) => link)).toEqual([])
})

test('the site lists every page of docs/', () => {
  const listed = SECTIONS.flatMap(({ pages }) => pages.map(([name]) => `docs/${name}.md`))
  expect(DOCS.filter((file) => file.endsWith('.md') && file !== 'docs/index.md')).toEqual(listed.sort())
})

test('the check of the site finds a link to a page, a heading or a picture that is not there', () => {
  const folder = mkdtempSync(join(tmpdir(), 'write-behind-docs-test-'))
  try {
    writeFileSync(
      join(folder, 'index.html'),
      '<a href="/base/page.html#here"></a> <a href="./page.html"></a> <a href="https://example.com/"></a>',
    )
    writeFileSync(join(folder, 'page.html'), '<h1 id="here"></h1> <a href="/base/"></a> <a href="#here"></a>')
    expect(() => checkLinks(folder, '/base/')).not.toThrow()
    const dead = ['./none.html', '/base/page.html#none', '#none', '/page.html', 'none.svg']
    writeFileSync(
      join(folder, 'page.html'),
      `<h1 id="here"></h1>`.concat(...dead.map((link) => `<a href="${link}"></a> <img src="${link}">`)),
    )
    expect(() => checkLinks(folder, '/base/')).toThrow(['dead links:', ...dead.map((link) => `page.html: ${link}`)].join('\n'))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

/** A file may be named by its path, or by the end of its path: `write.lua`, `lua/write.lua`. */
function isThere(name: string): boolean {
  return existsSync(join(ROOT, name)) || FILES.some((file) => file.endsWith(`/${name}`) || basename(file) === name)
}

/** The anchors that GitHub gives to the headings of a page. */
function anchorsOf(page: string): string[] {
  const headings = textOf(page).matchAll(/^#+ (.*)$/gm)
  return [...headings].map(([, heading = '']) => slug(heading))
}

function textOf(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8')
}
