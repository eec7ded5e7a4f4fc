import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { Random } from '../random.js'

export type Direction = 'request' | 'reply'

interface Delayed {
  readonly at: number
  readonly chunk: Buffer
}

/** The state that all connections of a proxy share. */
interface Weather {
  /** Every chunk is delayed by this many ms. */
  delay: number
  /** When true, the proxy accepts connections and reads, but passes nothing on. */
  dropping: boolean
  /** Tells whether to swallow the reply to this request. */
  swallows(request: Buffer): boolean
}

/** One connection of a client, and the connection to the server that belongs to it. */
class ProxiedConnection {
  readonly #client: Socket
  readonly #server: Socket
  readonly #weather: Weather
  readonly #held = new Set<Direction>()
  #swallowing = false

  constructor(client: Socket, port: number, weather: Weather, onEnd: () => void) {
    this.#client = client
    this.#server = connect(port, '127.0.0.1')
    this.#weather = weather
    this.#pump('request', client, this.#server)
    this.#pump('reply', this.#server, client)
    client.once('close', onEnd)
  }

  /** Passes nothing on in this direction from now on, not even that the other end has closed. */
  hold(direction: Direction): void {
    this.#held.add(direction)
  }

  get isHalfOpen(): boolean {
    return this.#held.size > 0
  }

  cut(): void {
    this.#client.resetAndDestroy()
    this.#server.resetAndDestroy()
  }

  #pump(direction: Direction, from: Socket, to: Socket): void {
    const delayed: Delayed[] = []
    const drain = () => {
      while (delayed[0] !== undefined && delayed[0].at <= performance.now()) this.#pass(direction, to, (delayed.shift() as Delayed).chunk)
      if (delayed[0] !== undefined) setTimeout(drain, Math.max(1, delayed[0].at - performance.now()))
    }
    from.setNoDelay(true)
    from.on('error', () => {})
    from.on('data', (chunk: Buffer) => {
      if (direction === 'request' && this.#weather.swallows(chunk)) this.#swallowing = true
      if (this.#weather.delay === 0 && delayed.length === 0) return this.#pass(direction, to, chunk)
      delayed.push({ at: performance.now() + this.#weather.delay, chunk })
      if (delayed.length === 1) drain()
    })
    from.on('close', () => {
      if (!this.#isHeld(direction)) to.destroy()
    })
  }

  #pass(direction: Direction, to: Socket, chunk: Buffer): void {
    if (direction === 'reply' && this.#swallowing) this.cut()
    else if (!this.#isHeld(direction) && to.writable) to.write(chunk)
  }

  #isHeld(direction: Direction): boolean {
    return this.#weather.dropping || this.#held.has(direction)
  }
}

/** Stands between the children and one server, and disturbs their connections as networks do. */
export class TcpProxy {
  /** The port of the server. */
  target: number
  readonly #connections = new Set<ProxiedConnection>()
  readonly #weather: Weather
  readonly #server: Server
  #swallows = 0

  constructor(target: number, mark: string) {
    this.target = target
    this.#weather = {
      delay: 0,
      dropping: false,
      swallows: (request) => this.#swallows > 0 && request.includes(mark) && this.#swallows-- > 0,
    }
    this.#server = createServer((client) => {
      const connection = new ProxiedConnection(client, this.target, this.#weather, () => this.#connections.delete(connection))
      this.#connections.add(connection)
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async start(port: number): Promise<void> {
    await once(this.#server.listen(port, '127.0.0.1'), 'listening')
  }

  async stop(): Promise<void> {
    this.#server.close()
    this.cut()
  }

  /** Resets some of the connections, by default all of them. Returns how many. */
  cut(share = 1, random?: Random): number {
    const connections = this.#some(share, random)
    for (const connection of connections) connection.cut()
    return connections.length
  }

  /** Makes some connections half open: they never pass anything on in one direction again. Returns how many. */
  halfOpen(direction: Direction, share: number, random: Random): number {
    const connections = this.#some(share, random)
    for (const connection of connections) connection.hold(direction)
    return connections.length
  }

  /** Lets the server carry out the next `replies` requests that contain the mark, and cuts the connection instead of passing the reply on. */
  swallow(replies: number): void {
    this.#swallows = replies
  }

  set delay(ms: number) {
    this.#weather.delay = ms
  }

  set dropping(dropping: boolean) {
    this.#weather.dropping = dropping
    if (!dropping) this.cut()
  }

  /** Ends all disturbances, but leaves half-open connections half open, because their ends must notice it by themselves. */
  heal(): void {
    this.#weather.delay = 0
    this.#weather.dropping = false
    this.#swallows = 0
    for (const connection of this.#connections) if (!connection.isHalfOpen) connection.cut()
  }

  #some(share: number, random: Random | undefined): ProxiedConnection[] {
    return [...this.#connections].filter(() => share === 1 || random === undefined || random.chance(share))
  }
}
