import { schemaRoot, variantsOf } from '../config/json-schema.js'

/** Names of all attacks that a configuration can evaluate with, in its order. */
export function attackKinds(): string[] {
  const attack = schemaRoot().properties?.evaluation?.properties?.attack
  if (attack === undefined) return []
  return variantsOf(attack).flatMap(variant => String(variant.properties?.kind?.const ?? []))
}
