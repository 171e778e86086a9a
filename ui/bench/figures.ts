import { readdirSync, readFileSync } from 'node:fs';

/** The middle of some figures. */
export function median(figures: readonly number[]): number {
  return at(figures, 0.5);
}

/** The figure below which a share of them lies. */
export function at(figures: readonly number[], share: number): number {
  const sorted = [...figures].sort((a, b) => a - b);
  return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? NaN;
}

/** Prints a figure beside its limit; answers whether it holds. */
export function figure(name: string, value: number, unit: string, limit: number): boolean {
  const held = value <= limit;
  const shown = value.toFixed(3).padStart(10);
  process.stdout.write(`${held ? 'ok  ' : 'OVER'} ${name.padEnd(52)} ${shown} ${unit} (limit ${limit} ${unit})\n`);
  return held;
}

/** More about the figure before. */
export function remark(text: string): void {
  process.stdout.write(`       ${text}\n`);
}

/** The process and everything that it started. */
export function family(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const fields = /^\d+$/.test(name) ? stat(Number(name)) : undefined;
    if (fields !== undefined) {
      parents.set(Number(name), Number(fields[1]));
    }
  }
  const found = [root];
  for (const parent of found) {
    found.push(...[...parents].filter(([, of]) => of === parent).map(([pid]) => pid));
  }
  return found;
}

/** Seconds of processor time that processes have used. */
export function processorTime(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const fields = stat(pid);
    return sum + (fields === undefined ? 0 : (Number(fields[11]) + Number(fields[12])) / 100);
  }, 0);
}

/** The fields of `/proc/PID/stat` after the name, which may hold anything. */
function stat(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}
