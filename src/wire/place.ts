/**
 * Where a field stands, for errors. A field of a list's element is named by the list, the element's index and the field:
 * ("Relation.columns", 3, ".name"). The parts are only put together when something is wrong.
 */

/** A field: its path; or the path of a list, an index and the field of that element; or the path of a record, no index and its field. */
export type Place = readonly [path: string, index?: number | undefined, field?: string | undefined];

/** `Relation.columns[3].name` from its parts. */
export function fieldPath(path: string, index?: number, field = ""): string {
  return index === undefined ? `${path}${field}` : `${path}[${index}]${field}`;
}

/** The place of a field of what stands at a place. */
export function below([path, index, field = ""]: Place, name: string): Place {
  return index === undefined ? [`${path}.${name}`] : [path, index, `${field}.${name}`];
}
