/**
 * The contract of everything that runs: workers, sweepers, and the parts that check Redis and the database again and again. Both methods can be
 * called at any time, and any number of times.
 */
export interface Service extends Stoppable {
  /**
   * Starts the service, and resolves when it works. Further calls do nothing, and resolve when the first one does. A service that was stopped stays
   * stopped.
   */
  start(): Promise<void>
}

/** A service that works from the moment it is made. */
export interface Stoppable {
  /** Begins nothing new, and resolves when everything in flight has ended. */
  stop(): Promise<void>
}
