#!/usr/bin/env node
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import helper, { type GeneratorOptions } from '@prisma/generator-helper'
import { ConfigurationError } from '../errors.js'
import { emitModels } from './emit.js'
import { toModels } from './models.js'

const LIBRARY = 'write-behind'

// This is a default import, because the package is CommonJS, and Node cannot see its names.
helper.generatorHandler({
  onManifest: () => ({ prettyName: 'write-behind models', defaultOutput: '../generated/write-behind.ts' }),
  onGenerate: generate,
})

async function generate({ generator, dmmf, datamodel, datasources }: GeneratorOptions): Promise<void> {
  const { models, omit, ledger, library } = generator.config
  const output = outputOf(generator)
  const schema = { datamodel: dmmf.datamodel, text: datamodel, provider: datasources[0]?.activeProvider }
  const described = toModels(schema, { models: list(models), omit: list(omit), ledger: text('ledger', ledger) })
  await mkdir(dirname(output), { recursive: true })
  await writeFile(output, emitModels(described, text('library', library) ?? LIBRARY))
}

/** @throws ConfigurationError for a file that would not be read as TypeScript */
function outputOf({ output }: GeneratorOptions['generator']): string {
  const file = output?.value
  if (!file) throw new ConfigurationError('the generator block needs an `output`')
  if (!/(?<!\.d)\.[cm]?ts$/.test(file))
    throw new ConfigurationError(
      `generator option output: expected the name of a TypeScript file (.ts, .mts or .cts), because the generator writes TypeScript; got ${JSON.stringify(basename(file))}`,
    )
  return file
}

function list(value: string | string[] | undefined): string[] | undefined {
  return typeof value === 'string' ? [value] : value
}

function text(option: string, value: string | string[] | undefined): string | undefined {
  if (Array.isArray(value)) throw new ConfigurationError(`generator option ${option}: expected a string, got a list`)
  return value
}
