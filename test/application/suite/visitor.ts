import { randomUUID } from 'node:crypto'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Express } from 'express'

interface Answer {
  readonly status: number
  /** Whatever JSON the application answered, which is what the tests are about. */
  readonly body: ReturnType<typeof JSON.parse>
}

/** Serves the application on a free port, and speaks HTTP to it. */
export class Visitor {
  #server: Server | undefined
  #base = ''

  async open(app: Express): Promise<void> {
    const server = await new Promise<Server>((resolve) => {
      const listening = app.listen(0, '127.0.0.1', () => resolve(listening))
    })
    this.#server = server
    this.#base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.#server?.close(resolve))
  }

  readonly get = (path: string) => this.#send('GET', path)
  readonly post = (path: string, data: object = {}) => this.#send('POST', path, data)
  readonly patch = (path: string, data: object) => this.#send('PATCH', path, data)
  readonly put = (path: string, data: object) => this.#send('PUT', path, data)
  readonly remove = (path: string) => this.#send('DELETE', path)

  readonly newEmail = () => `${randomUUID()}@example.org`
  readonly newUser = async (data: object = {}) => (await this.post('/users', { email: this.newEmail(), name: 'Ada', ...data })).body
  readonly newPost = async (authorId: string, data: object = {}) =>
    (await this.post('/posts', { authorId, title: 'On engines', ...data })).body

  async #send(method: string, path: string, data?: object): Promise<Answer> {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(this.#base + path, data === undefined ? { method } : { method, headers, body: JSON.stringify(data) })
    const text = await response.text()
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
  }
}
