/** The entry of a worker process. It flushes by one design or the other when it is told to, and watches its event loop. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { startNaiveWorker } from './naive.js'
import { Stage } from './stage.js'
import type { Order, Report, WorkerSetup } from './worker-process.js'

const { redisUrl, databaseUrl, design, namespace, policies } = JSON.parse(process.env.BENCH_WORKER ?? '{}') as WorkerSetup
const stage = new Stage({ redisUrl, databaseUrl })
const cache = await stage.openCache(namespace, policies)
const delay = monitorEventLoopDelay({ resolution: 1 })

const tell = (report: Report) => process.send?.(report)
const start = async () => {
  delay.enable()
  if (design === 'naive') startNaiveWorker(stage)
  else await cache.startWorker()
}

process.on('SIGINT', () => {})
process.once('SIGTERM', () => process.exit())
process.once('disconnect', () => process.exit())
process.on('message', (order: Order) => {
  if (order === 'report') tell({ kind: 'delay', p99: delay.percentile(99) / 1e6 })
  else void start().then(() => tell({ kind: 'started' }))
})
tell({ kind: 'ready' })
