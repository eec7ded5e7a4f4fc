/** Flushes as an operator sees them, in a real browser. */
import type { Browser, Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startChromium } from '../environment/chromium.js'
import { CREDENTIALS, ending, send, startCache, startDashboard } from './stage.js'

/** The board asks for news every 5 s. */
const ACTION_TIMEOUT = 30_000

test('a Chromium that is not where it is said to be fails the tests, and does not skip them', async () => {
  vi.stubEnv('CHROMIUM_PATH', '/nowhere/chromium')
  ending.push(async () => vi.unstubAllEnvs())
  await expect(startChromium()).rejects.toThrow('CHROMIUM_PATH: expected an executable file, got "/nowhere/chromium"')
})

describe('in the browser', () => {
  let browser: Browser

  beforeAll(async () => {
    browser = await startChromium()
  })
  afterAll(() => browser?.close())

  /** Fails the test at its end when the page had asked anybody but the dashboard for anything. */
  async function open(url: string): Promise<Page> {
    const page = await browser.newPage({ viewport: { width: 1500, height: 900 } })
    page.setDefaultTimeout(ACTION_TIMEOUT)
    const foreign: string[] = []
    const isForeign = (address: string) => new URL(address).host !== new URL(url).host
    page.on('requestfinished', (asked) => void (isForeign(asked.url()) && foreign.push(asked.url())))
    page.on('requestfailed', (asked) => void (isForeign(asked.url()) && asked.failure()?.errorText !== 'csp' && foreign.push(asked.url())))
    ending.push(async () => {
      await page.close()
      expect(foreign).toEqual([])
    })
    await page.goto(url)
    return page
  }

  test('a delayed, an active and a completed flush are seen', async () => {
    const { cache, database } = await startCache()
    await cache.startWorker()
    const page = await open(await startDashboard({ cache }))

    await cache.pageView.increment({ path: '/late' }, { views: 1 })
    await openQueue(page, 'PageView', 'Delayed')
    await expect.poll(() => job(page, /^flush PageView shard \d$/).textContent()).toMatch(/Added at.*Will run at/)

    await database.query('begin')
    await database.query('lock table "Counter" in exclusive mode')
    await cache.counter.increment({ name: 'held' }, { value: 3 })
    await openQueue(page, 'Counter', 'Active')
    await expect.poll(() => job(page, 'flush Counter shard 0').textContent()).toContain('Process started at')

    await database.query('commit')
    await expect.poll(() => database.query('select value from "Counter"')).toEqual([{ value: '3' }])
    await openQueue(page, 'Counter', 'Completed')
    const completed = job(page, 'flush Counter shard 0')
    await expect.poll(() => completed.textContent()).toMatch(/Finished at/)
    await completed.getByRole('tab', { name: 'Logs' }).click()
    await completed.getByText(/1 records? in 1 batch/).waitFor()
  })

  test('a failed flush says what is wrong, is retried by a click, and its row is then in the database', async () => {
    const { cache, database } = await startCache()
    await cache.startWorker()
    const page = await open(await startDashboard({ cache }))

    await database.query('alter table "Counter" rename to "Elsewhere"')
    await cache.counter.increment({ name: 'visitors' }, { value: 7 })
    await openQueue(page, 'Counter', 'Failed')
    const failed = job(page, 'flush Counter shard 0')
    await failed.getByText('42P01').waitFor()

    await database.query('alter table "Elsewhere" rename to "Counter"')
    await retry(failed)
    await expect.poll(() => database.query('select name, value from "Counter"')).toEqual([{ name: 'visitors', value: '7' }])
    await openQueue(page, 'Counter', 'Completed')
    await job(page, 'flush Counter shard 0').waitFor()
    expect(await cache.status()).toContainEqual(expect.objectContaining({ model: 'Counter', dirty: 0, rows: 1 }))
  })

  test('a parked record is listed with the reason, is retried by a click, and is then in the database', async () => {
    const { cache, database } = await startCache()
    await cache.startWorker()
    const url = await startDashboard({ cache })
    const page = await open(url)

    await database.query('alter table "Reading" add constraint plausible check (value < 100)')
    const where = { device_metric: { device: 'boiler', metric: 'celsius' } }
    const change = { value: 451, at: new Date() }
    await cache.reading.upsert({ where, create: { ...where.device_metric, ...change }, update: change })
    await openQueue(page, 'Reading', 'Failed')
    const failed = job(page, 'retry parked Reading boiler:celsius')
    await failed.getByText('(23514, constraint plausible)').waitFor()
    expect(await failed.textContent()).not.toContain('451')
    expect(JSON.parse((await send(`${url}/status`)).body)).toMatchObject({ parked: [{ model: 'Reading', key: 'boiler:celsius' }] })

    await database.query('alter table "Reading" drop constraint plausible')
    await retry(failed)
    await expect.poll(() => database.query('select device, value from "Reading"')).toEqual([{ device: 'boiler', value: 451 }])
    expect(await cache.parked()).toEqual([])
  })

  test('the board works with credentials on an address that is not loopback', async () => {
    const { cache, namespace } = await startCache()
    const url = new URL(await startDashboard({ cache, host: '0.0.0.0', credentials: CREDENTIALS }))
    url.hostname = '127.0.0.1'
    const context = await browser.newContext({ httpCredentials: { username: CREDENTIALS.user, password: CREDENTIALS.password } })
    ending.push(() => context.close())
    const page = await context.newPage()
    await page.goto(url.href)
    expect(await page.title()).toBe('write-behind')
    await page.getByRole('main').getByRole('link', { name: 'Counter' }).click()
    expect(page.url()).toContain(`${namespace}.Counter`)
    await page.getByText('Jobs hold no data').waitFor()
  })

  async function openQueue(page: Page, model: string, state: 'Active' | 'Completed' | 'Delayed' | 'Failed'): Promise<void> {
    await page.getByRole('banner').getByRole('link').first().click()
    await page.getByRole('main').getByTitle(model, { exact: true }).click()
    await page.getByRole('heading', { name: model }).waitFor()
    await page
      .getByRole('main')
      .getByRole('link', { name: new RegExp(`^${state}\\s*\\d*$`, 'i') })
      .click()
  }

  function job(page: Page, name: string | RegExp): Locator {
    // The card is the nearest element around the name that has the tabs, too.
    return page.getByText(name, { exact: true }).locator('xpath=ancestor::*[.//*[@role="tab"]][1]')
  }

  async function retry(card: Locator): Promise<void> {
    const button = card.getByRole('listitem').getByRole('button').first()
    await button.hover()
    await card.page().getByText('Retry', { exact: true }).waitFor()
    await button.click()
    await card.page().getByRole('button', { name: 'Confirm' }).click()
  }
})
