/** The operators' page: `dashboard/`. */
import type { Mutant } from '../mutant.js'

export const DASHBOARD: readonly Mutant[] = [
  {
    breaks: 'the dashboard serves all that Bull Board has',
    test: 'test/dashboard/routes.test.ts',
    edits: [{ file: 'dashboard/server.ts', find: 'refuseUnknown, requireRedis', replace: 'requireRedis' }],
  },
]
