import { randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { expect } from 'vitest'
import { type Install, type Plan, Project } from './project.js'

/** The files of test/package/application. */
const APPLICATION = 'test/package/application'

export interface Servers {
  readonly REDIS_URL: string
  readonly DATABASE_URL: string
}

/** Makes the projects of the tests. Tests whose plan is the same share a project. */
export class Workshop {
  readonly servers: Servers
  readonly #install: Install
  readonly #folder: string
  readonly #tarball: string
  readonly #projects = new Map<Plan, Promise<Project>>()

  /** @param folder for the projects */
  constructor(folder: string, tarball: string, install: Install, servers: Servers) {
    this.#folder = folder
    this.#tarball = tarball
    this.#install = install
    this.servers = servers
  }

  /** A project with the schema of README.md, the client generated from it, and the application of the tests. */
  project(plan: Plan): Promise<Project> {
    const made = this.#projects.get(plan)
    if (made !== undefined) return made
    const project = this.#make(plan)
    this.#projects.set(plan, project)
    return project
  }

  /** Runs the application of the tests by a command, whose last argument is to be the path of a page. */
  async answers(project: Project, command: string, ...args: readonly string[]): Promise<void> {
    checkAnswer(await project.run(command, [...args, randomUUID()], { ...this.servers }))
  }

  async #make(plan: Plan): Promise<Project> {
    const project = await Project.create(this.#folder, this.#tarball, plan, this.#install)
    await project.generate(await readSchema())
    for (const file of await readdir(APPLICATION))
      if (plan.type === 'module' || file !== 'both.ts') await project.copy(`${APPLICATION}/${file}`)
    await (plan.build ?? Project.compile)(project)
    return project
  }
}

export function checkAnswer(answer: string): void {
  expect(JSON.parse(answer)).toEqual({ cached: 100, stored: 100, refused: true })
}

/** The first block of code in a language. */
export async function block(file: string, language: string): Promise<string> {
  const [, indent = '', code = ''] = new RegExp(`^( *)\`\`\`${language}\n(.*?)^ *\`\`\``, 'ms').exec(await readFile(file, 'utf8')) ?? []
  return code.replaceAll(new RegExp(`^${indent}`, 'gm'), '')
}

/** The schema of an application that follows README.md, for a project without a folder for it. */
async function readSchema(): Promise<string> {
  const schema = await block('README.md', 'prisma')
  return schema.replaceAll('../generated', 'generated')
}
