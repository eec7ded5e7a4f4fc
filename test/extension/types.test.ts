/** The application of test/application, with only its client's construction changed, before the compiler. */
import { execFile } from 'node:child_process'
import { cp, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, expectTypeOf, test } from 'vitest'
import type { PrismaClient } from '../../generated/application/client/client.js'
import type { Client as PlainClient } from '../application/client.js'
import type { Client as ExtendedClient } from '../application/extended-client.js'

/** Beside the application's own sources: what its calls infer, compared. */
const COMPARISON = `
import { expectTypeOf } from 'vitest'
import type { answers as plain } from '../plain/answers.js'
import type { answers as extended } from './answers.js'

expectTypeOf<Awaited<ReturnType<typeof extended>>>().toEqualTypeOf<Awaited<ReturnType<typeof plain>>>()
`

test('the application compiles unchanged, and every call infers what it inferred before', async () => {
  const tree = await mkdtemp(join(tmpdir(), 'write-behind-types-'))
  try {
    const application = join(tree, 'test', 'application')
    await cp('test/application', application, { recursive: true, filter: (path) => !path.endsWith('/suite') })
    await rename(join(application, 'extended-client.ts'), join(application, 'client.ts'))
    await writeFile(join(application, 'comparison.ts'), COMPARISON)
    for (const name of ['src', 'generated', 'node_modules', 'package.json', 'tsconfig.json']) await symlink(resolve(name), join(tree, name))
    await symlink(resolve('test/application'), join(tree, 'test', 'plain'))
    expect(await errorsIn(tree)).toBe('')
  } finally {
    await rm(tree, { recursive: true })
  }
})

async function errorsIn(tree: string): Promise<string> {
  await writeFile(join(tree, 'tsconfig.application.json'), JSON.stringify({ extends: './tsconfig.json', include: ['test/application'] }))
  const compiler = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.application.json']
  const { stdout } = await promisify(execFile)(process.execPath, compiler, { cwd: tree }).catch((error: { stdout: string }) => error)
  return stdout
}

test('a call takes and returns what it does without the extension', () => {
  const calls = async (db: ExtendedClient) => {
    // @ts-expect-error a field that the model does not have
    await db.user.update({ where: { id: '' }, data: { nmae: '' } })
    // @ts-expect-error email is required
    await db.user.create({ data: { name: '' } })
    // @ts-expect-error nothing unique in it
    await db.like.findUnique({ where: { weight: 1 } })
    return db.user.update({ where: { id: '' }, data: { reputation: { increment: 1 } }, select: { reputation: true, role: true } })
  }
  expectTypeOf<Awaited<ReturnType<typeof calls>>>().toEqualTypeOf<{ reputation: number; role: 'READER' | 'AUTHOR' | 'EDITOR' }>()
})

/** As with any extension of Prisma's: `typeof db` is the type to pass around, and `prisma` itself remains for what it lacks. */
test('an extended client is no PrismaClient by name', () => {
  expectTypeOf<PlainClient>().toEqualTypeOf<PrismaClient>()
  expectTypeOf<ExtendedClient>().not.toExtend<PrismaClient>()
  expectTypeOf<Exclude<keyof PrismaClient, keyof ExtendedClient | symbol>>().toEqualTypeOf<'$on'>()
})
