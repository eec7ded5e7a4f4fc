import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))

/** How to install packages: by `npm install`, or by links to the packages of this repository, which takes no time. */
export type Install = 'npm' | 'links'

/** One command may take this many ms. */
const TIMEOUT = 120_000

const TSCONFIG = {
  compilerOptions: {
    target: 'es2023',
    module: 'nodenext',
    types: ['node'],
    strict: true,
    experimentalDecorators: true,
    skipLibCheck: false,
    outDir: 'dist',
  },
  include: ['*.ts', 'generated'],
}

/** Packs this repository as `npm publish` would. Resolves to the tarball. */
export async function pack(folder: string): Promise<string> {
  // .npmrc switches scripts off, but the script prepack must run, because it builds the library.
  const stdout = await run('npm', ['pack', '--ignore-scripts=false', '--json', '--pack-destination', folder])
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string }]
  return join(folder, filename)
}

/** An application's project in a temporary folder, in which the packed library is installed. */
export class Project {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  /** @param packages are those that the application needs besides the library. They have the versions of this repository. */
  static async create(tarball: string, packages: readonly string[], install: Install): Promise<Project> {
    const project = new Project(await mkdtemp(join(tmpdir(), 'write-behind-package-')))
    await project.write('package.json', JSON.stringify({ name: 'application', private: true, type: 'module' }))
    await project.write('tsconfig.json', JSON.stringify(TSCONFIG))
    if (install === 'npm') await project.#install(tarball, packages)
    else await project.#link(tarball)
    return project
  }

  async write(path: string, text: string): Promise<void> {
    const file = join(this.folder, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
  }

  /** Runs a command of the project's packages, as a script of its package.json would. Resolves to what it printed. */
  run(command: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<string> {
    const PATH = [join(this.folder, 'node_modules/.bin'), process.env.PATH].join(delimiter)
    return run(command, args, this.folder, { ...environment, PATH })
  }

  /** Runs `prisma generate`, and the application's own build. */
  async build(): Promise<void> {
    await this.run('prisma', ['generate'], { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1' })
    await this.run('tsc', [])
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true })
  }

  async #install(tarball: string, packages: readonly string[]): Promise<void> {
    const { devDependencies } = JSON.parse(await readFile(join(REPOSITORY, 'package.json'), 'utf8'))
    const named = packages.map((name) => `${name}@${devDependencies[name]}`)
    await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', tarball, ...named], this.folder)
  }

  async #link(tarball: string): Promise<void> {
    const [from, to] = [join(REPOSITORY, 'node_modules'), join(this.folder, 'node_modules')]
    await mkdir(join(to, 'write-behind'), { recursive: true })
    await run('tar', ['-xzf', tarball, '-C', join(to, 'write-behind'), '--strip-components=1'], this.folder)
    for (const name of await readdir(from)) if (name !== '.bin') await symlink(join(from, name), join(to, name))
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
