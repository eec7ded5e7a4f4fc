/** Results of calls, whose types an editor shows. hover.test.ts compiles this file. The code never runs. */
import type { models } from '../../generated/write-behind.js'
import type { Cache } from '../../src/index.js'

declare const cache: Cache<typeof models, { pageView: object; player: object }>

export const found = await cache.pageView.findUnique({ where: { path: '/' } })
export const many = await cache.pageView.findMany({ keys: [{ path: '/' }] })
export const selected = await cache.player.findUnique({ where: { id: '' }, select: { name: true, score: true } })
export const calls = cache.pageView
