import { type ArgumentsHost, Catch, Controller, type ExceptionFilter, Get, HttpCode, Inject, Param, Post, UseFilters } from '@nestjs/common'
import type { Response } from 'express'
import { InvalidInputError, type ModelStatus, OutcomeUnknownError, WriteBehindError } from '../../src/index.js'
import { CACHE, type PageCache } from './cache.module.js'

@Catch(WriteBehindError)
class CacheErrors implements ExceptionFilter<WriteBehindError> {
  catch(error: WriteBehindError, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<Response>()
    if (error instanceof InvalidInputError) response.status(400).json({ error: error.message })
    // The write may have been stored. If the client sends an increment again, it may count twice.
    else if (error instanceof OutcomeUnknownError) response.status(500).json({ error: error.code })
    // The backlog is full or Redis is away. Both pass, so the client may try again.
    else response.status(503).set('Retry-After', '1').json({ error: error.code })
  }
}

@Controller()
@UseFilters(CacheErrors)
export class PagesController {
  constructor(@Inject(CACHE) private readonly cache: PageCache) {}

  @Post('pages/:path/views')
  @HttpCode(202)
  async count(@Param('path') path: string): Promise<void> {
    await this.cache.pageView.increment({ path }, { views: 1 })
  }

  @Get('pages/:path')
  async read(@Param('path') path: string): Promise<{ path: string; views: number }> {
    const row = await this.cache.pageView.findUnique({ where: { path }, select: { views: true } })
    return { path, views: Number(row?.views ?? 0n) }
  }

  @Get('health')
  health(): Promise<ModelStatus[]> {
    return this.cache.status()
  }
}
