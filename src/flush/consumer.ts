/** BullMQ's worker, with corrections for cases in which it would hang, loop without a pause, or stop the queue. */
import { Worker } from 'bullmq'
import type { FlushJob, FlushJobData } from './job.js'

/**
 * Ms for which no job is fetched after Redis has answered with an error. BullMQ would ask again at once, and thousands of times a second if the queue
 * is broken.
 */
const REST_AFTER_ERROR = 1000

export class Consumer extends Worker<FlushJobData, Record<string, unknown>> {
  #resting: NodeJS.Timeout | undefined

  /** Fetches no job for a while. */
  rest(): void {
    if (this.closing !== undefined || this.isPaused()) return
    void this.pause(true)
    this.#resting = setTimeout(() => {
      if (this.closing === undefined) void this.resume()
    }, REST_AFTER_ERROR)
  }

  override async close(force?: boolean): Promise<void> {
    clearTimeout(this.#resting)
    await super.close(force)
  }

  /**
   * Gives a job that cannot be parsed no data, so that only this job fails. A thrown error would stop the queue for a while, again and
   * again.
   */
  protected override createJob(stored: Parameters<Worker['createJob']>[0], id: string): FlushJob {
    try {
      return super.createJob(stored, id)
    } catch {
      return super.createJob({ ...stored, data: 'null' }, id)
    }
  }

  /**
   * Ends its timers and connections at once. BullMQ's own `close` waits for ever for a connection that it has told to end while it was
   * reconnecting. Another worker takes over the jobs under way when their locks have expired.
   */
  async abandon(): Promise<void> {
    // Does nothing if a close is under way.
    void this.close(true)
    await this.lockManager.close()
    await this.backend.close(true)
  }
}
