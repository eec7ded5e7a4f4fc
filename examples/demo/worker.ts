/** The entry of the worker process. It flushes until it is told to stop, and tells the demo what it flushed. */
import { openCache } from './cache.js'
import type { WorkerMessage } from './worker-process.js'

const { REDIS_URL = '', DATABASE_URL = '', DEMO_NAMESPACE = '' } = process.env
const { cache, close } = await openCache({ redisUrl: REDIS_URL, databaseUrl: DATABASE_URL, namespace: DEMO_NAMESPACE })

const tell = (message: WorkerMessage) => {
  if (process.connected) process.send?.(message, () => {})
}
const stop = () => void close().finally(() => process.exit())

// Ctrl-C reaches every process of the terminal. The worker ignores it because the demo still needs the worker to flush the rest.
process.on('SIGINT', () => {})
process.once('SIGTERM', stop)
process.once('disconnect', stop)

cache.events.on('flushed', ({ lags }) => tell({ kind: 'flushed', lags }))
cache.events.on('failure', ({ step, error }) => tell({ kind: 'failure', step, message: error.message }))
await cache.startWorker()
tell({ kind: 'ready' })
