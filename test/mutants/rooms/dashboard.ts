/** The operators' page: `dashboard/`. */
import type { Mutant } from '../mutant.js'

export const DASHBOARD: readonly Mutant[] = [
  {
    breaks: 'the dashboard serves every route of Bull Board',
    test: 'test/dashboard/routes.test.ts',
    edits: [{ file: 'dashboard/server.ts', find: 'refuseUnknown, requireRedis', replace: 'requireRedis' }],
  },
  {
    breaks: 'a page of Bull Board waits for a Redis that has gone away',
    test: 'test/dashboard/server.test.ts',
    edits: [{ file: 'dashboard/server.ts', find: "    client.once('close', refuse)\n", replace: '' }],
  },
]
