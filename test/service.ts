import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect } from 'vitest'
import { freePort } from './environment/server.js'

const VIEWS = 50

/** A process that counts page views over HTTP, as all examples do. */
export class Service {
  readonly #process: ChildProcess
  readonly #url: string
  readonly #ended: Promise<unknown[]>
  #said = ''

  private constructor(process: ChildProcess, url: string) {
    this.#process = process
    this.#url = url
    this.#ended = once(process, 'exit')
    for (const stream of [process.stdout, process.stderr]) stream?.on('data', (text) => (this.#said += text))
  }

  /** Resolves when the service answers. */
  static async start(args: readonly string[], environment: NodeJS.ProcessEnv, folder = process.cwd()): Promise<Service> {
    const port = String(await freePort())
    const child = spawn(process.execPath, args, { cwd: folder, env: { ...process.env, ...environment, PORT: port } })
    const service = new Service(child, `http://127.0.0.1:${port}`)
    const answers = () =>
      fetch(`${service.#url}/health`).then(
        ({ ok }) => ok,
        () => child.exitCode !== null && service.#said,
      )
    await expect.poll(answers).toBe(true)
    return service
  }

  /** Writes, reads, and sends a write that is refused. Resolves to the number of views that it counted for the page. */
  async use(page: string): Promise<number> {
    const answers = await Promise.all(Array.from({ length: VIEWS }, () => this.#count(page)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]))
    expect(await this.read(`/pages/${page}`)).toEqual({ path: page, views: VIEWS })
    expect(await this.read('/pages/nobody')).toEqual({ path: 'nobody', views: 0 })
    expect(await this.read('/health')).toMatchObject([{ model: 'PageView', parked: 0 }])
    const refused = await this.#count('%00')
    expect(refused.status).toBe(400)
    expect(await refused.json()).toEqual({ error: expect.stringContaining('PageView.path: expected text without the NUL character') })
    return VIEWS
  }

  /** Tells the service to end, and expects that it ends in order. */
  async stop(dirty = '0'): Promise<void> {
    this.#process.kill('SIGTERM')
    expect((await this.#ended)[0], this.#said).toBe(0)
    expect(this.#said).toContain(`stopped; ${dirty} records stay dirty`)
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }

  async read(path: string): Promise<unknown> {
    return (await fetch(`${this.#url}${path}`)).json()
  }

  #count(page: string): Promise<Response> {
    return fetch(`${this.#url}/pages/${page}/views`, { method: 'POST' })
  }
}
