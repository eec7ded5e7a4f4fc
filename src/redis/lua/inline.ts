/**
 * Puts the scripts into TypeScript, so that a bundler takes them along: `npm run generate` writes src/redis/lua-texts.ts. Redis gets the scripts
 * without comments and indentation.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const HEADER = '/** The scripts of lua/, as Redis gets them. `npm run generate` writes this file; lua/inline.ts says how. */\n'

/** @param folder the folder `redis` of the sources */
export function inlineScripts(folder: string): void {
  writeFileSync(join(folder, 'lua-texts.ts'), textsOf(folder))
}

/** What lua-texts.ts must contain. An include that several scripts have is there once. */
export function textsOf(folder: string): string {
  const texts = new Texts(join(folder, 'lua'))
  const names = readdirSync(join(folder, 'lua')).filter((file) => file.endsWith('.lua'))
  const scripts = names.sort().map((file) => `  ${nameOf(file)}: ${texts.expression(file)},\n`)
  return `${HEADER}${texts.includes.join('')}\nexport const LUA = {\n${scripts.join('')}} as const\n`
}

class Texts {
  /** A constant for each include, each after those that it needs. */
  readonly includes: string[] = []
  readonly #lua: string
  readonly #constants: ReadonlyMap<string, string>
  readonly #known = new Set<string>()

  constructor(lua: string) {
    this.#lua = lua
    this.#constants = constantsOf(readFileSync(join(lua, 'include', 'format.lua'), 'utf8'))
  }

  /** An expression of TypeScript for the text of a file. */
  expression(file: string): string {
    const parts = shortened(readFileSync(join(this.#lua, file), 'utf8')).split(/^-- include ([\w-]+)\n/gm)
    const expressions = parts.map((part, n) => (n % 2 === 1 ? this.#include(part) : JSON.stringify(this.#withValues(part))))
    return expressions.filter((expression) => expression !== '""').join(' + ')
  }

  #include(name: string): string {
    const constant = nameOf(name)
    if (this.#known.has(constant)) return constant
    this.#known.add(constant)
    const expression = this.expression(join('include', `${name}.lua`))
    this.includes.push(`const ${constant} = ${expression}\n`)
    return constant
  }

  /** A function in Lua costs more the more variables it holds, so the scripts get the values of the constants of the stored format. */
  #withValues(text: string): string {
    return text.replace(/\b[A-Z][A-Z_]+\b/g, (word) => this.#constants.get(word) ?? word)
  }
}

function nameOf(file: string): string {
  return file.replace('.lua', '').replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
}

/** The constants of the stored format, by name. */
function constantsOf(format: string): ReadonlyMap<string, string> {
  return new Map([...format.matchAll(/^local ([A-Z_]+) = (.+)$/gm)].map(([, name, value]) => [name as string, value as string]))
}

/** It may cut indentation, because no string of the scripts spans lines. */
function shortened(text: string): string {
  return text
    .replace(/--\[\[[\s\S]*?\]\]\n/g, '')
    .replace(/^ +/gm, '')
    .replace(/^--(?! include [\w-]+\n).*\n/gm, '')
    .replace(/\n{2,}/g, '\n')
}

if (process.argv[1] === import.meta.filename) inlineScripts(join(import.meta.dirname, '..'))
