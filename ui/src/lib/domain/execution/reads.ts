/** Names values that decide when something runs or is worked out again, where nothing else reads them. */
export function reads(...values: readonly unknown[]): number {
  return values.length;
}
