/** Milliseconds since the epoch; `undefined` for what is no time. */
export function instant(text: string | null | undefined): number | undefined {
  const at = text === null || text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}

/** Compares two RFC 3339 times in UTC to the nanosecond. */
export function compareInstants(a: string, b: string): number {
  return key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0;
}

function key(text: string): string {
  const [whole = '', fraction = ''] = text.replace(/Z$/, '').split('.');
  return `${whole}.${fraction.padEnd(9, '0')}`;
}
