/**
 * Counts page views behind NestJS. `POST /pages/:path/views` counts one view, and `GET /pages/:path` reads the count, which includes views that are
 * not flushed yet. The cache is a provider of a module that closes it on shutdown.
 * REDIS_URL and DATABASE_URL say where the servers are, PORT where to listen. SIGTERM stops the service in order.
 */
import 'reflect-metadata'
import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { CacheModule } from './cache.module.js'
import { PagesController } from './pages.controller.js'

@Module({ imports: [CacheModule], controllers: [PagesController] })
class PagesModule {}

const app = await NestFactory.create(PagesModule)
app.enableShutdownHooks(['SIGTERM'], { useProcessExit: true })
await app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1')
console.log(`listening on ${await app.getUrl()}`)
