/**
 * The fencing token of a new grant, for the list of columns that an insert selects. The sequence is drawn for every
 * row, while its claim is held; the rest is worked out once a statement, since no server changes its timeline in the
 * middle of one.
 */
export function fencingToken(schema: string): string {
  return `(select base from ${schema}.fencing_token_base) + nextval('${schema}.fencing_token_seq')`
}
