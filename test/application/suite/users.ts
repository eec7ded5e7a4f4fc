import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Visitor } from './visitor.js'

export function testUsers(visitor: Visitor): void {
  const { get, post, patch, put, remove, newEmail, newUser, newPost } = visitor

  describe('users', () => {
    test('are created with their defaults, and found', async () => {
      const email = newEmail()
      const created = await post('/users', { email, name: 'Ada', role: 'EDITOR' })
      expect(created).toEqual({
        status: 201,
        body: {
          id: expect.stringMatching(/^c[a-z0-9]{24}$/),
          email,
          name: 'Ada',
          role: 'EDITOR',
          reputation: 0,
          lastSeenAt: null,
          createdAt: expect.stringMatching(/^\d{4}-/),
        },
      })
      const { email: _, ...shown } = created.body
      expect(await get(`/users/${created.body.id}`)).toEqual({ status: 200, body: shown })
    })

    test('that are missing are not found, whatever is asked of them', async () => {
      const notFound = { status: 404, body: { error: 'P2025', model: 'User' } }
      expect(await get('/users/nobody')).toEqual(notFound)
      expect(await patch('/users/nobody', { name: 'Eve' })).toEqual(notFound)
      expect(await post('/users/nobody/seen')).toEqual(notFound)
      expect(await remove('/users/nobody')).toEqual(notFound)
      expect(await get('/users/nobody/comments')).toEqual(notFound)
      expect((await get('/users/nobody/posts')).status).toBe(404)
    })

    test('have an address of their own', async () => {
      const first = await newUser()
      const second = await newUser()
      expect(await post('/users', { email: first.email, name: 'Eve' })).toEqual({ status: 409, body: { error: 'P2002', model: 'User' } })
      expect(await patch(`/users/${second.id}`, { email: first.email })).toEqual({ status: 409, body: { error: 'P2002', model: 'User' } })
      expect((await patch(`/users/${second.id}`, { email: newEmail() })).status).toBe(200)
    })

    test('are not taken with nonsense in them', async () => {
      expect((await post('/users', { email: newEmail() })).status).toBe(400)
      expect((await post('/users', { email: newEmail(), name: 7 })).status).toBe(400)
      expect((await post('/users', { email: newEmail(), name: 'Ada', role: 'GOD' })).status).toBe(400)
      expect((await post('/users', { email: newEmail(), name: 'Ada', nmae: 'Ada' })).status).toBe(400)
      expect(await post('/users', { email: newEmail(), name: 'A'.repeat(61) })).toEqual({
        status: 400,
        body: { error: 'P2000', model: 'User' },
      })
      const { id } = await newUser()
      expect((await patch(`/users/${id}`, { reputation: 2 ** 31 })).status).toBe(400)
      expect((await patch(`/users/${id}`, { name: null })).status).toBe(400)
      expect((await get(`/users/${id}`)).body).toMatchObject({ name: 'Ada', reputation: 0 })
    })

    test('change, and show when they were changed last', async () => {
      const { id } = await newUser()
      const first = await patch(`/users/${id}`, { name: 'Ada Lovelace' })
      const second = await patch(`/users/${id}`, { role: 'AUTHOR' })
      expect(second.body).toMatchObject({ name: 'Ada Lovelace', role: 'AUTHOR' })
      expect(Date.parse(second.body.updatedAt)).toBeGreaterThanOrEqual(Date.parse(first.body.updatedAt))
    })

    test('are put by their address, whether they are there or not', async () => {
      const email = newEmail()
      const made = await put(`/users/by-email/${email}`, { name: 'Ada' })
      const changed = await put(`/users/by-email/${email}`, { name: 'Countess' })
      expect(changed).toEqual({ status: 200, body: { id: made.body.id, name: 'Countess' } })
      expect((await get(`/users/${made.body.id}`)).body.name).toBe('Countess')
    })

    test('are listed by reputation, and counted', async () => {
      const domain = `${randomUUID()}.org`
      const users = await Promise.all(['c', 'a', 'b'].map((name) => newUser({ email: `${name}@${domain}`, name })))
      await Promise.all([1, 2, 3].map(() => post(`/users/${users[0].id}/seen`)))
      await post(`/users/${users[2].id}/seen`)
      const all = (await get(`/users?domain=${domain}`)).body
      expect(all.total).toBe(3)
      expect(all.users.map(({ name, reputation }: { name: string; reputation: number }) => [name, reputation])).toEqual([
        ['c', 3],
        ['b', 1],
        ['a', 0],
      ])
      expect((await get(`/users?domain=${domain}&minimum=1`)).body.total).toBe(2)
    })

    test('that are seen many times at once count every time', async () => {
      const { id } = await newUser()
      const answers = await Promise.all(Array.from({ length: 20 }, () => post(`/users/${id}/seen`)))
      expect(answers.map(({ body }) => body.reputation).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1))
      expect((await get(`/users/${id}`)).body.reputation).toBe(20)
    })

    test('take what is theirs with them', async () => {
      const [author, reader] = [await newUser(), await newUser({ name: 'Charles' })]
      const { id } = await newPost(author.id)
      await post(`/posts/${id}/likes/${reader.id}`)
      await post(`/posts/${id}/comments`, { authorId: reader.id, body: 'Yes.' })
      expect(await remove(`/users/${reader.id}`)).toEqual({ status: 200, body: { id: reader.id, name: 'Charles' } })
      expect((await get(`/users/${reader.id}`)).status).toBe(404)
      expect((await get(`/posts/${id}/likes/${reader.id}`)).body).toEqual({ liked: false, weight: 0 })
      expect((await get(`/posts/${id}/comments`)).body).toEqual([{ body: 'Yes.', author: null, views: 0 }])
      await post(`/posts/${id}/views`)
      await remove(`/users/${author.id}`)
      expect((await get(`/posts/${id}/source`)).status).toBe(404)
      expect((await get(`/posts/${id}/stat`)).status).toBe(404)
    })

    test('are merged in one transaction', async () => {
      const [from, into] = [await newUser(), await newUser()]
      const { id } = await newPost(from.id)
      expect((await get(`/users/${into.id}`)).body.reputation).toBe(0)
      expect(await post(`/users/${from.id}/merge`, { into: 'nobody' })).toMatchObject({ status: 422 })
      expect((await get(`/users/${from.id}`)).status).toBe(200)
      expect(await post(`/users/${from.id}/merge`, { into: into.id })).toEqual({ status: 200, body: { moved: 1 } })
      expect((await get(`/users/${from.id}`)).status).toBe(404)
      expect((await get(`/users/${into.id}`)).body.reputation).toBe(10)
      expect((await get(`/posts/${id}/source`)).status).toBe(200)
    })
  })
}
