/** The projects in which the packed library is tried. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Packages, type Plan, Project } from './project.js'
import { block } from './workshop.js'

const TYPESCRIPT = { typescript: '', '@types/node': '' }
const NEWEST = { prisma: '7', '@prisma/client': '7', '@prisma/adapter-pg': '7', bullmq: '6', ioredis: '6', ...TYPESCRIPT }
/** The driver of that version lacks the types of pg. */
const OLDEST = {
  ...NEWEST,
  '@types/pg': '',
  prisma: '7.2.0',
  '@prisma/client': '7.2.0',
  '@prisma/adapter-pg': '7.2.0',
  bullmq: '6.7.0',
  ioredis: '5.11.0',
}
const OLDEST_OPTIONAL = {
  '@bull-board/api': '9.10.1',
  '@bull-board/express': '9.10.1',
  '@opentelemetry/api': '1.9.0',
  'bullmq-otel': '2.0.1',
  express: '5.0.0',
}
const NEST = ['@nestjs/common', '@nestjs/core', '@nestjs/platform-express', 'reflect-metadata', 'rxjs', 'express', '@types/express']
const DASHBOARD = ['@bull-board/api', '@bull-board/express', 'express']

/** Versions of TypeScript, each under a name of its own. */
export const TYPESCRIPTS = ['5.6', '5.9', '7']
const COMPILERS = Object.fromEntries(TYPESCRIPTS.map((version) => [`typescript-${version}`, `npm:typescript@${version}`]))

/** Versions of Node, each under a name of its own. */
export const NODES = ['20.19.0', '22.12.0', '22', '24', '26']
const PLATFORM = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`

const DASHBOARD_ENTRY = `import { Dashboard } from 'write-behind/dashboard'
const dashboard = new Dashboard({ cache: { queues: [], status: async () => [], parked: async () => [] }, port: 0 })
const { status } = await fetch(\`\${await dashboard.start()}/status\`)
await dashboard.stop()
if (status !== 200) throw new Error(String(status))
`

const JEST_TEST = `import { randomUUID } from 'node:crypto'
import { application } from './application.js'

test('an application works under Jest', async () => {
  expect(JSON.parse(await application(randomUUID()))).toEqual({ cached: 100, stored: 100, refused: true })
})
`

const NEXT_ROUTE = `import { application } from '../../../application'

export const dynamic = 'force-dynamic'

export async function GET(_: Request, { params }: { params: Promise<{ path: string }> }): Promise<Response> {
  return new Response(await application((await params).path))
}
`

const NEXT_LAYOUT = `export default function Layout({ children }: { children: React.ReactNode }) {
  return <html><body>{children}</body></html>
}
`

export const ESM: Plan = {
  type: 'module',
  packages: { ...NEWEST, ...COMPILERS, esbuild: '' },
  build: async (project) => {
    await project.write('readme.ts', await block('README.md', 'ts'))
    await Project.compile(project)
  },
}

export const COMMONJS: Plan = { type: 'commonjs', packages: { ...NEWEST, ...COMPILERS, esbuild: '' } }

/** With the optional peers, and a dashboard. */
export const OLDEST_ESM: Plan = {
  type: 'module',
  packages: { ...OLDEST, ...OLDEST_OPTIONAL, ...COMPILERS },
  build: async (project) => {
    await project.write('dashboard.ts', DASHBOARD_ENTRY)
    await Project.compile(project)
  },
}

export const OLDEST_COMMONJS: Plan = { type: 'commonjs', packages: { ...OLDEST, ...COMPILERS } }

/** The example for NestJS, and a dashboard. */
export const NESTJS: Plan = {
  type: 'module',
  packages: { ...NEWEST, ...named(NEST), ...named(DASHBOARD), webpack: '5', 'webpack-cli': '6' },
  build: async (project) => {
    await project.write('dashboard.ts', DASHBOARD_ENTRY)
    for (const file of await readdir('examples/nest')) await project.copy(`examples/nest/${file}`)
    await Project.compile(project)
  },
}

const JEST = {
  packages: { ...NEWEST, typescript: '5.9', jest: '30', '@types/jest': '30' },
  build: async (project: Project) => {
    await project.write('main.test.ts', JEST_TEST)
    await Project.compile(project)
  },
}

export const JEST_ESM: Plan = { ...JEST, type: 'module', compilerOptions: { types: ['node', 'jest'] } }

/** TypeScript makes CommonJS of all imports, dynamic ones too, because those of Prisma's client do not work under Jest. */
export const JEST_COMMONJS: Plan = {
  ...JEST,
  type: 'commonjs',
  compilerOptions: { module: 'commonjs', moduleResolution: 'node10', esModuleInterop: true, types: ['node', 'jest'] },
}

export const NEXT: Plan = {
  type: 'module',
  packages: { ...NEWEST, typescript: '5.9', next: '16', react: '19', 'react-dom': '19', '@types/react': '19', '@types/react-dom': '19' },
  compilerOptions: { module: 'esnext', moduleResolution: 'bundler', lib: ['dom', 'dom.iterable', 'esnext'], skipLibCheck: true },
  build: async (project) => {
    await project.write('app/layout.tsx', NEXT_LAYOUT)
    await project.write('app/pages/[path]/route.ts', NEXT_ROUTE)
    const application = await readFile(join(project.folder, 'application.ts'), 'utf8')
    await project.write('application.ts', application.replaceAll(`.js'`, `'`))
  },
}

/** Programs of Node for this platform. */
export const NODE_VERSIONS: Plan = {
  type: 'module',
  packages: { ...NEWEST, ...Object.fromEntries(NODES.map((version) => [`node-${version}`, `npm:${PLATFORM}@${version}`])) },
}

function named(packages: readonly string[]): Packages {
  return Object.fromEntries(packages.map((name) => [name, '']))
}
