/** How a release is made (docs/versions.md). */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const FOLDER = '.github/workflows'
const WORKFLOWS = readdirSync(join(ROOT, FOLDER))

test.each(WORKFLOWS)('%s uses actions by their full commits, and no secret', (file) => {
  const text = read(`${FOLDER}/${file}`)
  const used = [...text.matchAll(/uses: (\S+)(.*)$/gm)]
  expect(used.length).toBeGreaterThan(0)
  for (const [, action, comment] of used) expect(`${action}${comment}`).toMatch(/^[\w/-]+@[\da-f]{40} # v\d+\.\d+\.\d+$/)
  expect(text).not.toMatch(/secrets\.|(NPM|AUTH)_TOKEN/)
  expect(text).toMatch(/^permissions:/m)
})

test('CHANGELOG.md tells of the version of the package first, as changesets continues it', () => {
  const [title, , heading] = read('CHANGELOG.md').split('\n')
  expect([title, heading]).toEqual(['# Changelog', `## ${JSON.parse(read('package.json')).version}`])
})

test('runs the proof on each version of Node that package.json names', () => {
  const [, versions = ''] = /node: \[(.*)\]/.exec(read(`${FOLDER}/ci.yml`)) ?? []
  const { node } = JSON.parse(read('package.json')).engines
  expect(versions.replaceAll('"', '').split(', ')).toEqual(node.replaceAll(/[\^>=]/g, '').split(' || '))
})

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}
