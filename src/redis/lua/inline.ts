/**
 * Puts the scripts into TypeScript, so that a bundler takes them along: `npm run generate` writes src/redis/lua-texts.ts. Redis gets the scripts
 * without comments.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const HEADER = '/** The scripts of lua/, as Redis gets them. `npm run generate` writes this file; lua/inline.ts says how. */\n'

/** @param folder the folder `redis` of the sources */
export function inlineScripts(folder: string): void {
  writeFileSync(join(folder, 'lua-texts.ts'), textsOf(folder))
}

/** What lua-texts.ts must contain. */
export function textsOf(folder: string): string {
  const lua = join(folder, 'lua')
  const constants = constantsOf(readFileSync(join(lua, 'include', 'format.lua'), 'utf8'))
  const names = readdirSync(lua).filter((file) => file.endsWith('.lua'))
  const entries = names.sort().map((file) => {
    const text = withoutComments(spliced(lua, file)).replace(/\b[A-Z][A-Z_]+\b/g, (word) => constants.get(word) ?? word)
    return `  ${file.replace('.lua', '')}: ${JSON.stringify(text)},\n`
  })
  return `${HEADER}export const LUA = {\n${entries.join('')}} as const\n`
}

/** The constants of the stored format, by name. A function in Lua costs more the more variables it holds, so the scripts get the values. */
function constantsOf(format: string): ReadonlyMap<string, string> {
  return new Map([...format.matchAll(/^local ([A-Z_]+) = (.+)$/gm)].map(([, name, value]) => [name as string, value as string]))
}

/** The text of a script, with the texts of `include` where it names them. */
function spliced(lua: string, file: string): string {
  const text = readFileSync(join(lua, file), 'utf8')
  return text.replace(/^ *-- include ([\w-]+)$/gm, (_, name) => spliced(lua, join('include', `${name}.lua`)))
}

function withoutComments(text: string): string {
  return text
    .replace(/--\[\[[\s\S]*?\]\]\n/g, '')
    .replace(/^\s*--.*\n/gm, '')
    .replace(/\n{2,}/g, '\n')
}

if (process.argv[1] === import.meta.filename) inlineScripts(join(import.meta.dirname, '..'))
