import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { basename, delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { freePort } from '../environment/server.js'

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))

/** How to install packages: by `npm install`, or by links to the packages of this repository, which takes no time. */
export type Install = 'npm' | 'links'

/** Name → version, or '' for the version of this repository. */
export type Packages = Readonly<Record<string, string>>

export interface Plan {
  readonly type: 'module' | 'commonjs'
  /** What the application needs besides the library. */
  readonly packages: Packages
  /** For TypeScript, beside those of all projects. */
  readonly compilerOptions?: object
  /** Makes the application out of its sources. By default it is compiled. */
  readonly build?: (project: Project) => Promise<void>
}

/** Optional packages, which most applications do not have, and the folder of commands, which is copied. */
const UNLINKED = ['@opentelemetry', 'bullmq-otel', '.bin']

/** One command may take this many ms. */
const TIMEOUT = 240_000

const COMPILER_OPTIONS = {
  target: 'es2023',
  module: 'nodenext',
  types: ['node'],
  strict: true,
  experimentalDecorators: true,
  skipLibCheck: false,
  rootDir: '.',
  outDir: 'dist',
}

/** Packs this repository as `npm publish` would. Resolves to the tarball. */
export async function pack(folder: string): Promise<{ tarball: string; packed: number; unpacked: number }> {
  // .npmrc switches scripts off, but the script prepack must run, because it builds the library.
  const stdout = await run('npm', ['pack', '--ignore-scripts=false', '--json', '--pack-destination', folder])
  const [{ filename, size, unpackedSize }] = JSON.parse(stdout.slice(stdout.indexOf('[')))
  return { tarball: join(folder, filename), packed: size, unpacked: unpackedSize }
}

/** An application's project, in which the packed library is installed. */
export class Project {
  readonly folder: string
  /** Another folder, where a bundle finds no packages. */
  readonly elsewhere: string
  readonly #type: Plan['type']

  private constructor(folder: string, elsewhere: string, type: Plan['type']) {
    this.folder = folder
    this.elsewhere = elsewhere
    this.#type = type
  }

  /** @param parent a folder for the project's folder */
  static async create(parent: string, tarball: string, plan: Plan, install: Install): Promise<Project> {
    const { type, packages, compilerOptions } = plan
    const project = new Project(await mkdtemp(join(parent, 'project-')), await mkdtemp(join(parent, 'bundle-')), type)
    const options = { compilerOptions: { ...COMPILER_OPTIONS, ...compilerOptions }, include: ['*.ts', 'generated'] }
    await project.write('package.json', JSON.stringify({ name: 'application', private: true, type }))
    await project.write('tsconfig.json', JSON.stringify(options))
    if (install === 'npm') await project.#install(tarball, packages)
    else await project.#link(tarball)
    return project
  }

  static async compile(project: Project): Promise<void> {
    await project.run('tsc', [])
  }

  async write(path: string, text: string): Promise<void> {
    const file = join(this.folder, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
  }

  /** Copies a file of this repository. The copy imports the packed library, and the clients that are generated here. */
  async copy(path: string): Promise<void> {
    const source = await readFile(join(REPOSITORY, path), 'utf8')
    await this.write(
      basename(path),
      source.replace(/'[./]+\/src\/index\.js'/g, `'write-behind'`).replace(/'[./]+\/generated\//g, `'./generated/`),
    )
  }

  /** Runs a command of the project's packages, as a script of its package.json would. Resolves to what it printed. */
  run(command: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<string> {
    return run(command, args, this.folder, { ...environment, PATH: this.#path })
  }

  /** Starts a server, asks it once, and ends it. Resolves to the answer. */
  async ask(path: string, command: string, args: readonly string[], environment: NodeJS.ProcessEnv): Promise<string> {
    const port = String(await freePort())
    const env = { ...process.env, ...environment, PATH: this.#path, PORT: port }
    const server = spawn(join(this.folder, 'node_modules/.bin', command), args, { cwd: this.folder, env, stdio: 'ignore' })
    const ended = once(server, 'exit')
    try {
      const url = `http://127.0.0.1:${port}`
      await expect.poll(() => fetch(url).then(Boolean, () => server.exitCode)).not.toBe(null)
      return await (await fetch(`${url}/${path}`)).text()
    } finally {
      server.kill()
      await ended
    }
  }

  /** Runs `prisma generate` with the schema of an application. */
  async generate(schema: string): Promise<void> {
    const format = this.#type === 'commonjs' ? 'cjs' : 'esm'
    await this.write('schema.prisma', schema.replace('provider = "prisma-client"', `$&\n  moduleFormat = "${format}"`))
    await this.write(
      'prisma.config.ts',
      `import { defineConfig } from 'prisma/config'\nexport default defineConfig({ schema: 'schema.prisma' })\n`,
    )
    await this.run('prisma', ['generate'], { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1' })
  }

  /** The version that is installed. A package of Node has a `v` before it. */
  async version(name: string): Promise<string> {
    const { version } = JSON.parse(await readFile(join(this.folder, 'node_modules', name, 'package.json'), 'utf8'))
    return version.replace(/^v/, '')
  }

  get #path(): string {
    return [join(this.folder, 'node_modules/.bin'), process.env.PATH].join(delimiter)
  }

  async #install(tarball: string, packages: Packages): Promise<void> {
    const { devDependencies } = JSON.parse(await readFile(join(REPOSITORY, 'package.json'), 'utf8'))
    const named = Object.entries(packages).map(([name, version]) => `${name}@${version === '' ? devDependencies[name] : version}`)
    await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', tarball, ...named], this.folder)
  }

  async #link(tarball: string): Promise<void> {
    const [from, to] = [join(REPOSITORY, 'node_modules'), join(this.folder, 'node_modules')]
    await mkdir(join(to, 'write-behind'), { recursive: true })
    await run('tar', ['-xzf', tarball, '-C', join(to, 'write-behind'), '--strip-components=1'], this.folder)
    for (const name of await readdir(from)) if (!UNLINKED.includes(name)) await symlink(join(from, name), join(to, name))
    await cp(join(from, '.bin'), join(to, '.bin'), { recursive: true, verbatimSymlinks: true })
    const { bin } = JSON.parse(await readFile(join(to, 'write-behind/package.json'), 'utf8'))
    for (const [name, path] of Object.entries(bin as Record<string, string>)) {
      await chmod(join(to, 'write-behind', path), 0o755)
      await symlink(join('../write-behind', path), join(to, '.bin', name))
    }
  }
}

export async function run(
  command: string,
  args: readonly string[],
  cwd = REPOSITORY,
  environment: NodeJS.ProcessEnv = {},
): Promise<string> {
  // npm passes its settings on to the commands that it runs. A project of its own must not inherit them.
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('npm_'))
  const env = { ...Object.fromEntries(inherited), ...environment }
  try {
    return (await promisify(execFile)(command, [...args], { cwd, env, maxBuffer: 2 ** 26, timeout: TIMEOUT })).stdout
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`${command} ${args.join(' ')}\n${stdout}\n${stderr}`, { cause: error })
  }
}
