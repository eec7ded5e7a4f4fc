import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Visitor } from './visitor.js'

export function testActivity(visitor: Visitor): void {
  const { get, post, patch, put, remove, newUser, newPost } = visitor

  describe('comments', () => {
    test('come from people, to posts that are there', async () => {
      const { id: authorId } = await newUser()
      const { id } = await newPost(authorId)
      await post(`/posts/${id}/views`)
      const comment = await post(`/posts/${id}/comments`, { authorId, body: 'Yes.' })
      expect(comment.status).toBe(201)
      expect((await get(`/posts/${id}/comments`)).body).toEqual([{ body: 'Yes.', author: 'Ada', views: 1 }])
      expect((await get(`/users/${authorId}/comments`)).body).toEqual([{ body: 'Yes.' }])
      expect(await post(`/posts/${randomUUID()}/comments`, { authorId, body: 'No.' })).toEqual({
        status: 422,
        body: { error: 'P2003', model: 'Comment' },
      })
      expect((await remove(`/posts/${id}/comments/${comment.body.id}`)).status).toBe(200)
      expect(await remove(`/posts/${id}/comments/${comment.body.id}`)).toMatchObject({ status: 404 })
    })
  })

  describe('likes', () => {
    test('are given once, changed, and taken back', async () => {
      const { id: userId } = await newUser()
      const { id } = await newPost(userId)
      const path = `/posts/${id}/likes/${userId}`
      expect((await get(path)).body).toEqual({ liked: false, weight: 0 })
      expect(await post(path)).toEqual({ status: 201, body: { weight: 1 } })
      expect(await post(path, { weight: 9 })).toEqual({ status: 409, body: { error: 'P2002', model: 'Like' } })
      expect((await put(path, { weight: 3 })).body).toEqual({ weight: 3 })
      expect((await get(path)).body).toEqual({ liked: true, weight: 3 })
      expect((await remove(path)).body).toEqual({ weight: 3 })
      expect(await remove(path)).toEqual({ status: 404, body: { error: 'P2025', model: 'Like' } })
      expect((await put(path, { weight: 2 })).body).toEqual({ weight: 2 })
    })

    test('are counted and added up', async () => {
      const users = [await newUser(), await newUser(), await newUser()]
      const { id } = await newPost(users[0].id)
      expect((await get(`/posts/${id}/likes`)).body).toEqual({ count: 0, weight: 0 })
      await Promise.all(users.map((user, n) => post(`/posts/${id}/likes/${user.id}`, { weight: n + 1 })))
      expect((await get(`/posts/${id}/likes`)).body).toEqual({ count: 3, weight: 6 })
      expect((await get(`/posts?author=${users[0].email}`)).body).toEqual([{ title: 'On engines', status: 'DRAFT', likes: 3 }])
      expect((await get(`/users/${users[1].id}/posts`)).body).toEqual({ name: 'Ada', counts: { comments: 0, likes: 1 }, posts: [] })
    })
  })

  describe('statistics', () => {
    test('count every view', async () => {
      const { id: authorId } = await newUser()
      const { id } = await newPost(authorId)
      expect((await post(`/posts/${id}/views`)).body).toEqual({ postId: id, views: 1, score: 0, lastViewedAt: expect.any(String) })
      const answers = await Promise.all(Array.from({ length: 30 }, () => post(`/posts/${id}/views`, { score: 0.5 })))
      expect(answers.map(({ body }) => body.views).sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, n) => n + 2))
      expect((await get(`/posts/${id}/stat`)).body).toEqual({ views: 31, score: 0.5 })
      expect((await get(`/posts/${id}`)).body.stat).toMatchObject({ views: 31, score: 0.5 })
      expect((await post(`/posts/${id}/stat/reset`)).body).toEqual({ postId: id, views: 0, score: 0, lastViewedAt: null })
      expect((await post(`/posts/${randomUUID()}/stat/reset`)).status).toBe(404)
      expect((await post(`/posts/${id}/views`, { score: 'much' })).status).toBe(400)
    })

    test('are made for a post that was imported without them', async () => {
      const { id: authorId } = await newUser()
      const id = randomUUID()
      await post('/posts/import', [{ id, authorId, title: 'Bare' }])
      expect((await get(`/posts/${id}/stat`)).status).toBe(404)
      await post(`/posts/${id}/views`)
      expect((await get(`/posts/${id}/stat`)).body).toEqual({ views: 1, score: 0 })
    })
  })

  describe('reports', () => {
    test('show what happened up to now', async () => {
      const { id: authorId, email } = await newUser()
      const [a, b] = [await newPost(authorId, { title: 'A' }), await newPost(authorId, { title: 'B' })]
      await Promise.all([a, b, b, b].map(({ id }) => post(`/posts/${id}/views`)))
      await post(`/posts/${a.id}/likes/${authorId}`, { weight: 4 })
      await patch(`/posts/${a.id}`, { status: 'PUBLISHED' })
      const top = [
        { title: 'B', views: 3, likes: 0 },
        { title: 'A', views: 1, likes: 1 },
      ]
      expect((await get(`/reports/top?author=${email}`)).body).toEqual(top)
      expect((await get(`/reports/totals?author=${email}`)).body).toEqual({
        views: { _sum: { views: 4 }, _max: { views: 3 }, _count: 2 },
        statuses: [
          { status: 'DRAFT', _count: { _all: 1 } },
          { status: 'PUBLISHED', _count: { _all: 1 } },
        ],
        drafts: 1,
      })
      expect((await post('/reports/decay', { author: email })).body).toEqual({ changed: 2 })
      expect((await get(`/posts/${b.id}/stat`)).body.views).toBe(1)
      expect((await post('/reports/recount', { author: email })).body).toEqual({ reputation: 4 })
      expect((await get(`/users/${authorId}`)).body.reputation).toBe(4)
    })
  })
}
