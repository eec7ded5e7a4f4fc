/** Gets the library both ways in one process: by `import`, and by `require`, as a CommonJS package beside the application would. */
import { createRequire } from 'node:module'
import * as imported from '../../../src/index.js'
import { application } from './application.js'

const [, , path = ''] = process.argv
const required: typeof imported = createRequire(import.meta.url)('write-behind')

const setup = { prisma: {}, redis: {}, models: {}, policies: {}, concurrency: 0 }
const error = await required.createWriteBehind(setup as never).catch((thrown: unknown) => thrown)
if (!(error instanceof imported.ConfigurationError)) throw new Error('the class of an error is another one by import than by require')
if (required.WriteBehindError !== imported.WriteBehindError) throw new Error('a class is there twice')
console.log(await application(path))
