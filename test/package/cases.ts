/** The table of what runs where. docs/compatibility.md shows it. */
import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { Service } from '../service.js'
import * as plans from './plans.js'
import type { Plan, Project } from './project.js'
import { checkAnswer, type Workshop } from './workshop.js'

export interface Case {
  readonly name: string
  readonly plan: Plan
  /** Packages whose version tells what was tried. */
  readonly shown: readonly string[]
  /** It can do with the packages of this repository. */
  readonly isShort?: boolean
  check(project: Project, workshop: Workshop): Promise<void>
}

const PEERS = ['@prisma/client', 'bullmq', 'ioredis']
const OPTIONAL_PEERS = ['@bull-board/api', 'express', '@opentelemetry/api', 'bullmq-otel']

/** An ES module has no `require`, which the CommonJS packages in a bundle need: those of Prisma's driver and of ioredis too. */
const REQUIRE = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)`

/** NestJS asks for these only if an application uses them. */
const WEBPACK_CONFIG = `const { IgnorePlugin } = require('webpack')
const OPTIONAL = /^(@nestjs\\/(microservices|websockets)|class-(transformer|validator))/
module.exports = {
  target: 'node',
  mode: 'none',
  entry: './dist/service.js',
  output: { path: process.env.OUT, filename: 'service.cjs' },
  plugins: [new IgnorePlugin({ resourceRegExp: OPTIONAL })],
}
`

/** The types of pg need TypeScript 5.7. */
const FOREIGN = /^node_modules\/pg-protocol\/.*Type 'Buffer' is not generic/

export const CASES: readonly Case[] = [
  {
    name: 'an ES module',
    plan: plans.ESM,
    shown: PEERS,
    isShort: true,
    check: (project, workshop) => workshop.answers(project, 'node', 'dist/main.js'),
  },
  {
    name: 'CommonJS',
    plan: plans.COMMONJS,
    shown: PEERS,
    isShort: true,
    check: (project, workshop) => workshop.answers(project, 'node', 'dist/main.js'),
  },
  {
    name: 'an ES module and CommonJS in one process, with one instance of each class',
    plan: plans.ESM,
    shown: PEERS,
    isShort: true,
    check: (project, workshop) => workshop.answers(project, 'node', 'dist/both.js'),
  },
  { name: 'a bundle of esbuild, ES module', plan: plans.ESM, shown: ['esbuild'], isShort: true, check: bundleByEsbuild('esm', 'mjs') },
  { name: 'a bundle of esbuild, CommonJS', plan: plans.COMMONJS, shown: ['esbuild'], isShort: true, check: bundleByEsbuild('cjs', 'cjs') },
  {
    name: 'NestJS in a bundle of webpack, without any package outside',
    plan: plans.NESTJS,
    shown: ['@nestjs/core', 'webpack'],
    check: bundleNest,
  },
  { name: 'a route of Next.js, built by Turbopack', plan: plans.NEXT, shown: ['next'], check: buildNext('--turbopack') },
  { name: 'a route of Next.js, built by webpack', plan: plans.NEXT, shown: ['next'], check: buildNext('--webpack') },
  { name: 'Jest, CommonJS', plan: plans.JEST_COMMONJS, shown: ['jest', 'typescript'], check: testByJest() },
  { name: 'Jest, ES module', plan: plans.JEST_ESM, shown: ['jest', 'typescript'], check: testByJest('--experimental-vm-modules') },
  {
    name: 'the oldest peers, ES module, with a dashboard',
    plan: plans.OLDEST_ESM,
    shown: [...PEERS, ...OPTIONAL_PEERS],
    check: async (project, workshop) => {
      await workshop.answers(project, 'node', 'dist/main.js')
      await project.run('node', ['dist/dashboard.js'])
    },
  },
  {
    name: 'the oldest peers, CommonJS',
    plan: plans.OLDEST_COMMONJS,
    shown: PEERS,
    check: (project, workshop) => workshop.answers(project, 'node', 'dist/main.js'),
  },
  ...plans.NODES.map((version) => ({
    name: `Node ${version}, ES module and CommonJS`,
    plan: plans.NODE_VERSIONS,
    shown: [`node-${version}`],
    check: runByNode(version),
  })),
  ...plans.TYPESCRIPTS.map((version) => ({
    name: `types with skipLibCheck: false, TypeScript ${version}`,
    plan: plans.ESM,
    shown: [`typescript-${version}`],
    check: compileBy(version),
  })),
]

function bundleByEsbuild(format: 'esm' | 'cjs', extension: string): Case['check'] {
  return async (project, workshop) => {
    const outfile = `${project.elsewhere}/main.${extension}`
    const banner = format === 'esm' ? [`--banner:js=${REQUIRE}`] : []
    await project.run('esbuild', ['dist/main.js', '--bundle', '--platform=node', `--format=${format}`, `--outfile=${outfile}`, ...banner])
    await workshop.answers(project, 'node', outfile)
  }
}

async function bundleNest(project: Project, { servers }: Workshop): Promise<void> {
  await project.write('webpack.config.cjs', WEBPACK_CONFIG)
  await project.run('webpack', ['--config', 'webpack.config.cjs'], { OUT: project.elsewhere })
  const service = await Service.start(['service.cjs'], { ...servers }, project.elsewhere)
  try {
    await service.use('bundled')
    await service.stop()
  } finally {
    service.kill()
  }
}

function buildNext(bundler: string): Case['check'] {
  return async (project, { servers }) => {
    const environment = { ...servers, NEXT_TELEMETRY_DISABLED: '1' }
    await project.run('next', ['build', bundler], environment)
    checkAnswer(await project.ask(`pages/${randomUUID()}`, 'next', ['start', '--hostname', '127.0.0.1'], environment))
  }
}

function testByJest(options = ''): Case['check'] {
  return async (project, { servers }) => {
    await project.run('jest', ['--rootDir', 'dist'], { ...servers, NODE_OPTIONS: options })
  }
}

function runByNode(version: string): Case['check'] {
  return async (project, workshop) => {
    const node = `${project.folder}/node_modules/node-${version}/bin/node`
    expect(await project.run(node, ['--version'])).toMatch(new RegExp(`^v${version.replaceAll('.', '\\.')}\\b`))
    for (const plan of [plans.ESM, plans.COMMONJS]) await workshop.answers(await workshop.project(plan), node, 'dist/main.js')
  }
}

/** Each kind of application, with the newest and the oldest peers. */
function compileBy(version: string): Case['check'] {
  return async (_, workshop) => {
    for (const plan of [plans.ESM, plans.COMMONJS, plans.OLDEST_ESM, plans.OLDEST_COMMONJS]) {
      const project = await workshop.project(plan)
      const compiled = project.run('node', [`node_modules/typescript-${version}/bin/tsc`, '--noEmit'])
      const said = await compiled.catch(({ message }: Error) => message)
      expect(said.split('\n').filter((line) => /error/i.test(line) && !FOREIGN.test(line))).toEqual([])
    }
  }
}
