#!/usr/bin/env node
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import helper, { type GeneratorOptions } from '@prisma/generator-helper'
import { ConfigurationError } from '../errors.js'
import { describeModels } from './describe.js'
import { emitModels } from './emit.js'

const LIBRARY = 'write-behind'

// CommonJS whose names Node cannot see: hence the default import.
helper.generatorHandler({
  onManifest: () => ({ prettyName: 'write-behind models', defaultOutput: '../generated/write-behind.ts' }),
  onGenerate: generate,
})

async function generate({ generator, dmmf, datamodel, datasources }: GeneratorOptions): Promise<void> {
  const { models, ledger, library } = generator.config
  const schema = { datamodel: dmmf.datamodel, text: datamodel, provider: datasources[0]?.activeProvider }
  const described = describeModels(schema, { models: typeof models === 'string' ? [models] : models, ledger: text('ledger', ledger) })
  const output = generator.output?.value
  if (!output) throw new ConfigurationError('the generator block needs an `output`')
  await mkdir(dirname(output), { recursive: true })
  await writeFile(output, emitModels(described, text('library', library) ?? LIBRARY))
}

function text(option: string, value: string | string[] | undefined): string | undefined {
  if (Array.isArray(value)) throw new ConfigurationError(`generator option ${option}: expected a string, got a list`)
  return value
}
