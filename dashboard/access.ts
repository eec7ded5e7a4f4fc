/**
 * Decides who may use the dashboard. Bull Board does not protect itself, and a browser sends its owner's requests for every page that it shows.
 * - When the dashboard serves only this machine, a request must name a host of this machine. A foreign name that points at 127.0.0.1
 *   (DNS rebinding) would otherwise turn a foreign page into one of ours.
 * - A request that changes something must come from our own page, and no other page may frame ours.
 * - When credentials are set, every request must carry them.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { BlockList, isIP } from 'node:net'
import type { RequestHandler } from 'express'
import { ConfigurationError } from '../src/index.js'

/** For HTTP Basic authentication. */
export interface Credentials {
  readonly user: string
  readonly password: string
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

const READING = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Bull Board's page has inline styles, so they are allowed. It asks the internet for fonts, and works without them. */
const CONTENT_SECURITY_POLICY = [
  `default-src 'self'`,
  `style-src 'self' 'unsafe-inline'`,
  `img-src 'self' data:`,
  `font-src 'self' data:`,
  `object-src 'none'`,
  `base-uri 'self'`,
  `form-action 'self'`,
  `frame-ancestors 'none'`,
].join('; ')

/** @internal */
export function isLoopback(host: string): boolean {
  const family = isIP(host)
  return family === 0 ? host.toLowerCase() === 'localhost' : LOOPBACK.check(host, family === 4 ? 'ipv4' : 'ipv6')
}

/**
 * @throws ConfigurationError when other machines could connect without credentials, or when the credentials cannot be used
 * @internal
 */
export function checkAccess(host: string, credentials: Credentials | undefined): void {
  if (credentials === undefined) {
    if (isLoopback(host)) return
    throw new ConfigurationError(
      `dashboard: expected credentials with a host that is not loopback, got host ${JSON.stringify(host)} without credentials; ` +
        'set credentials, or use the host 127.0.0.1',
    )
  }
  const { user, password } = credentials
  if (typeof user !== 'string' || !/^[^:]+$/.test(user))
    throw new ConfigurationError('dashboard.credentials.user: expected a name without ":", got none or one with it')
  if (typeof password !== 'string' || password === '')
    throw new ConfigurationError('dashboard.credentials.password: expected a password, got none')
}

/** @internal */
export const securityHeaders: RequestHandler = (_request, response, next) => {
  response.set({
    'Content-Security-Policy': CONTENT_SECURITY_POLICY,
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-store',
  })
  next()
}

/** @internal */
export const requireLoopbackName: RequestHandler = (request, response, next) => {
  const name = hostName(request.headers.host)
  if (name !== undefined && isLoopback(name)) return next()
  response
    .status(421)
    .type('text')
    .send('The dashboard answers only to a name of this machine. Use 127.0.0.1, localhost or [::1] in the address.')
}

/** A browser says which page a request comes from. A program that says nothing passes, because no page can trick it. @internal */
export const refuseCrossSite: RequestHandler = (request, response, next) => {
  if (READING.has(request.method) || isOwn(request.headers)) return next()
  response
    .status(403)
    .type('text')
    .send('The dashboard refused the request because it comes from another page. Open the dashboard itself and try again.')
}

/** The comparison takes constant time, so that its duration tells nothing about the password. @internal */
export function requireCredentials({ user, password }: Credentials): RequestHandler {
  const expected = digest(`${user}:${password}`)
  return (request, response, next) => {
    const [scheme, encoded = ''] = (request.headers.authorization ?? '').split(' ')
    const given = Buffer.from(encoded, 'base64').toString('utf8')
    if (timingSafeEqual(digest(given), expected) && scheme?.toLowerCase() === 'basic') return next()
    response
      .set('WWW-Authenticate', 'Basic realm="write-behind", charset="UTF-8"')
      .status(401)
      .type('text')
      .send('The dashboard needs a user and a password.')
  }
}

interface Origin {
  readonly host?: string | undefined
  readonly origin?: string | undefined
  readonly 'sec-fetch-site'?: string | string[] | undefined
}

function isOwn({ host, origin, 'sec-fetch-site': site }: Origin): boolean {
  // A browser sends this header only over https or to loopback. It is safer than the comparison below, because a proxy may change Host.
  if (site !== undefined) return site === 'same-origin' || site === 'none'
  if (origin === undefined) return true
  return URL.canParse(origin) && new URL(origin).host === host?.toLowerCase()
}

function hostName(host: string | undefined): string | undefined {
  const address = `http://${host}`
  if (host === undefined || !URL.canParse(address)) return undefined
  return new URL(address).hostname.replace(/^\[(.*)\]$/, '$1')
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
