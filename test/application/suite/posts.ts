import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Visitor } from './visitor.js'

export function testPosts(visitor: Visitor): void {
  const { get, post, patch, put, remove, newUser, newPost } = visitor

  describe('posts', () => {
    test('are created with their statistics and comments', async () => {
      const { id: authorId } = await newUser()
      const comments = [{ body: 'First.', authorId }, { body: 'Second.' }]
      const created = await post('/posts', { authorId, title: 'On engines', tags: ['a', 'b'], meta: { n: [1, null] }, comments })
      expect(created.status).toBe(201)
      expect(created.body).toMatchObject({
        authorId,
        body: '',
        status: 'DRAFT',
        tags: ['a', 'b'],
        meta: { n: [1, null] },
        revision: 1,
        stat: { views: 0, score: 0, lastViewedAt: null },
        comments: [{ body: 'First.' }, { body: 'Second.' }],
      })
      expect((await get(`/posts/${created.body.id}`)).body).toEqual({ ...created.body, author: { name: 'Ada' } })
      expect((await post('/posts', { authorId: 'nobody', title: 'On nothing' })).body.error).toBe('P2025')
    })

    test('are saved again and again while they are written', async () => {
      const { id: authorId } = await newUser()
      const { id } = await newPost(authorId)
      for (let n = 1; n <= 5; n++)
        expect((await patch(`/posts/${id}`, { body: `draft ${n}` })).body).toEqual({
          title: 'On engines',
          body: `draft ${n}`,
          revision: n + 1,
        })
      await patch(`/posts/${id}`, { tags: { push: 'new' }, meta: { saved: true } })
      expect((await get(`/posts/${id}/source`)).body).toEqual({
        title: 'On engines',
        body: 'draft 5',
        tags: ['new'],
        meta: { saved: true },
        status: 'DRAFT',
        revision: 7,
      })
      expect(await put(`/posts/${id}/body`, { body: 'mine', revision: 7 })).toMatchObject({ status: 200, body: { revision: 8 } })
      expect(await put(`/posts/${id}/body`, { body: 'late', revision: 7 })).toEqual({
        status: 404,
        body: { error: 'P2025', model: 'Post' },
      })
      expect((await get(`/posts/${id}`)).body).toMatchObject({ body: 'mine', revision: 8 })
    })

    test('are imported, published and thrown away many at once', async () => {
      const { id: authorId, email } = await newUser()
      const ids = [randomUUID(), randomUUID(), randomUUID()]
      const rows = ids.map((id, n) => ({ id, authorId, title: `Post ${n}`, tags: n === 0 ? ['first'] : [] }))
      for (const id of ids) expect((await get(`/posts/${id}/source`)).status).toBe(404)
      expect(await post('/posts/import', rows)).toEqual({ status: 201, body: { count: 3 } })
      expect(await post('/posts/import', rows)).toEqual({ status: 201, body: { count: 0 } })
      await patch(`/posts/${ids[0]}`, { status: 'ARCHIVED' })
      expect((await get(`/posts/${ids[1]}/source`)).body).toMatchObject({ status: 'DRAFT', revision: 1 })
      expect((await post('/posts/publish', { ids: ids.slice(0, 2) })).body).toEqual({ count: 1 })
      expect((await get(`/posts/${ids[1]}/source`)).body).toMatchObject({ status: 'PUBLISHED', revision: 2 })
      expect((await get(`/posts?author=${email}`)).body).toEqual([
        { title: 'Post 0', status: 'ARCHIVED', likes: 0 },
        { title: 'Post 1', status: 'PUBLISHED', likes: 0 },
        { title: 'Post 2', status: 'DRAFT', likes: 0 },
      ])
      expect((await get(`/posts?author=${email}&tag=first`)).body).toHaveLength(1)
      expect((await get(`/posts/newest?author=${email}`)).body.title).toMatch(/^Post /)
      expect((await remove(`/posts?author=${email}`)).body).toEqual({ count: 1 })
      expect((await get(`/posts/${ids[2]}/source`)).status).toBe(404)
      expect((await get(`/posts/${ids[1]}/source`)).status).toBe(200)
    })

    test('are handed over for a fee, or not at all', async () => {
      const [poor, rich] = [await newUser(), await newUser({ reputation: 7 })]
      const { id } = await newPost(poor.id)
      expect(await post(`/posts/${id}/transfer`, { to: rich.id })).toMatchObject({ status: 403 })
      expect((await get(`/posts/${id}/source`)).body.revision).toBe(1)
      expect((await get(`/users/${rich.id}`)).body.reputation).toBe(7)
      const other = await newPost(rich.id)
      expect((await post(`/posts/${other.id}/transfer`, { to: poor.id })).body).toEqual({ authorId: poor.id, revision: 2 })
      expect((await get(`/users/${rich.id}`)).body.reputation).toBe(2)
      expect((await get(`/users/${poor.id}`)).body.reputation).toBe(5)
      expect(await post(`/posts/${randomUUID()}/transfer`, { to: poor.id })).toMatchObject({ status: 404 })
    })

    test('take what belongs to them with them', async () => {
      const { id: authorId } = await newUser()
      const { id } = await newPost(authorId)
      await post(`/posts/${id}/views`)
      await post(`/posts/${id}/likes/${authorId}`)
      await post(`/posts/${id}/comments`, { authorId, body: 'Gone.' })
      expect((await remove(`/posts/${id}`)).status).toBe(204)
      expect((await get(`/posts/${id}/stat`)).body).toEqual({ error: 'P2025', model: 'PostStat' })
      expect((await get(`/posts/${id}/likes/${authorId}`)).body).toEqual({ liked: false, weight: 0 })
      expect((await get(`/users/${authorId}/comments`)).body).toEqual([])
      expect((await remove(`/posts/${id}`)).status).toBe(404)
    })
  })
}
