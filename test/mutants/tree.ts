import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inlineScripts } from '../../src/redis/lua/inline.js'
import type { Edit } from './mutant.js'

const COPIED = ['src', 'dashboard', 'docs', 'test', 'generated', 'prisma', 'package.json', 'tsconfig.json', 'vitest.config.ts']

/** A copy of the repository in which files can be broken and mended. */
export class Tree {
  readonly path = mkdtempSync(join(tmpdir(), 'write-behind-mutants-'))

  constructor() {
    for (const name of COPIED) cpSync(name, join(this.path, name), { recursive: true })
    symlinkSync(join(process.cwd(), 'node_modules'), join(this.path, 'node_modules'))
  }

  /** Makes the edits. @throws Error unless a file contains the text of its edit exactly once */
  break(edits: readonly Edit[]): void {
    for (const { file, find, replace } of edits) {
      const source = readFileSync(file, 'utf8')
      const times = source.split(find).length - 1
      if (times !== 1) throw new Error(`${file}: expected to find this text once, found it ${times} times: ${find}`)
      writeFileSync(
        join(this.path, file),
        source.replace(find, () => replace),
      )
    }
    this.#inlineScripts()
  }

  mend(edits: readonly Edit[]): void {
    for (const { file } of edits) cpSync(file, join(this.path, file))
    this.#inlineScripts()
  }

  #inlineScripts(): void {
    inlineScripts(join(this.path, 'src/redis'))
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}
