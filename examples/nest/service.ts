/**
 * Page views behind NestJS: `POST /pages/:path/views` counts one, `GET /pages/:path` reads the count, views not flushed yet included.
 * The cache is a provider of a module, which closes it on shutdown. REDIS_URL, DATABASE_URL, PORT; SIGTERM ends it in order.
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
