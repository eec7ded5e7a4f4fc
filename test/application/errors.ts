import type { ErrorRequestHandler } from 'express'
import { Prisma } from '../../generated/application/client/client.js'

/** A request breaks a rule of the application. */
export class Forbidden extends Error {}

const STATUS_OF_CODE: Readonly<Record<string, number>> = { P2000: 400, P2002: 409, P2003: 422, P2020: 400, P2025: 404 }

export const answerErrors: ErrorRequestHandler = (error, _request, response, _next) => {
  if (error instanceof Forbidden) {
    response.status(403).json({ error: error.message })
  } else if (error instanceof Prisma.PrismaClientValidationError) {
    response.status(400).json({ error: 'bad request' })
  } else if (error instanceof Prisma.PrismaClientKnownRequestError && error.code in STATUS_OF_CODE) {
    response.status(STATUS_OF_CODE[error.code] as number).json({ error: error.code, model: error.meta?.modelName })
  } else {
    response.status(500).json({ error: String(error) })
  }
}
