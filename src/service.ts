/**
 * The contract of everything that runs: workers, sweepers, looks at Redis and at the database.
 * Both methods can be called at any time, and any number of times.
 */
export interface Service extends Stoppable {
  /**
   * Begins. Resolves when the service works. Further calls do nothing, and resolve with the first one. A service that was stopped stays
   * stopped.
   */
  start(): Promise<void>
}

/** A service that works from the moment it is made. */
export interface Stoppable {
  /** Begins nothing new, and resolves when everything in flight has ended. */
  stop(): Promise<void>
}
