/**
 * `npm run build` makes dist/, which is what npm publishes: a bundle for each entry, so that an application loads one file, and the types. The bundles are
 * CommonJS, and the modules for `import` only pass on what they export. So a process that loads the library both ways has each class once.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { build, type Plugin } from 'esbuild'

const ROOT = join(import.meta.dirname, '..')
const DIST = join(ROOT, 'dist')
const TYPES = join(DIST, 'types')
/** JavaScript without comments, which esbuild would keep in part. */
const COMPILED = join(DIST, 'compiled')

/** Name of the bundle → its source. */
const ENTRIES = { index: 'src/index', dashboard: 'dashboard/server' } as const
const GENERATOR = 'src/generator/main'

async function main(): Promise<void> {
  rmSync(DIST, { recursive: true, force: true })
  compile('--outDir', COMPILED, '--declaration', 'false', '--removeComments')
  compile('--outDir', TYPES, '--emitDeclarationOnly')
  for (const [name, source] of Object.entries({ ...ENTRIES, generator: GENERATOR })) await bundle(name, source)
  rmSync(COMPILED, { recursive: true })
  writeFileSync(join(DIST, 'package.json'), '{ "type": "commonjs" }\n')
  for (const [name, source] of Object.entries(ENTRIES)) passOn(name, source)
  removeUnusedTypes()
}

function compile(...options: string[]): void {
  execFileSync('tsc', ['-p', 'tsconfig.build.json', ...options], { cwd: ROOT, stdio: 'inherit' })
}

/** The library itself is not in the other bundles: they require it. */
const library: Plugin = {
  name: 'library',
  setup: ({ onResolve }) => onResolve({ filter: /\/src\/index\.js$/ }, () => ({ path: './index.js', external: true })),
}

/** The packages that may not be installed are required, because `import()` fails under Jest. The `try` around it tells bundlers that they are optional. */
const optionalPackages: Plugin = {
  name: 'optional packages',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\/telemetry\/load\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replaceAll('await import(', 'require('),
    })),
}

/** Packages are not bundled. */
async function bundle(name: string, source: string): Promise<void> {
  await build({
    entryPoints: [join(COMPILED, `${source}.js`)],
    outfile: join(DIST, `${name}.js`),
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node20.19',
    format: 'cjs',
    plugins: name === 'index' ? [optionalPackages] : [library],
  })
}

/** Writes the module that `import` gets, and its types. */
function passOn(name: string, source: string): void {
  const exported = Object.keys(createRequire(import.meta.url)(join(DIST, `${name}.js`)) as object).sort()
  writeFileSync(join(DIST, `${name}.mjs`), `export { ${exported.join(', ')} } from './${name}.js'\n`)
  writeFileSync(join(DIST, `${name}.d.mts`), `export * from './types/${source}.js'\n`)
}

/** Removes the types that no entry needs. */
function removeUnusedTypes(): void {
  const used = new Set<string>()
  const visit = (file: string) => {
    if (used.has(file) || !existsSync(file)) return
    used.add(file)
    const imported = readFileSync(file, 'utf8').matchAll(/(?:from |import\()['"](\.[^'"]+)\.js['"]/g)
    for (const [, path = ''] of imported) visit(`${resolve(dirname(file), path)}.d.ts`)
  }
  for (const source of Object.values(ENTRIES)) visit(join(TYPES, `${source}.d.ts`))
  for (const file of readdirSync(TYPES, { recursive: true, encoding: 'utf8' })) {
    const path = join(TYPES, file)
    if (file.endsWith('.d.ts') && !used.has(path)) rmSync(path)
  }
}

await main()
