import type { Ledger, Model, TableName } from './model.js'

/** The ledgers of some models, each with the models that use it. */
export function ledgersOf(models: readonly Model[]): { readonly ledger: Ledger; readonly models: readonly Model[] }[] {
  const found: { ledger: Ledger; models: Model[] }[] = []
  for (const model of models) {
    const known = found.find(({ ledger }) => isSameTable(ledger, model.ledger))
    if (known === undefined) found.push({ ledger: model.ledger, models: [model] })
    else known.models.push(model)
  }
  return found
}

function isSameTable(a: TableName, b: TableName): boolean {
  return a.schema === b.schema && a.table === b.table
}
