/** The pages for readers name files, folders and headings of this repository: a reader must find each of them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const PAGES = [...readdirSync(ROOT), ...readdirSync(join(ROOT, 'docs')).map((file) => `docs/${file}`)].filter((file) =>
  file.endsWith('.md'),
)
const FOLDERS = ['src', 'test', 'bench', 'dashboard', 'examples', 'prisma', 'docs']
const FILES = FOLDERS.flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
)

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

/** A file may be named by its path, or by the end of its path: `write.lua`, `lua/write.lua`. */
function isThere(name: string): boolean {
  return existsSync(join(ROOT, name)) || FILES.some((file) => file.endsWith(`/${name}`) || basename(file) === name)
}

/** The anchors that GitHub gives to the headings of a page. */
function anchorsOf(page: string): string[] {
  const headings = textOf(page).matchAll(/^#+ (.*)$/gm)
  return [...headings].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function textOf(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8')
}
