import type { OutputView } from '../../backend/api';
import { Resource } from '../resource.svelte';
import type { Wire } from './live.svelte';
import { OutputBuffer } from './output';

/** What a step's acts are called: `a0` the first act, `c1` the second host call of its script, `u0c0` a call of its undo. */
export function actWord(act: string): string {
  const words: Record<string, string> = { a: 'act', c: 'call', u: 'undo' };
  const parts = [...act.matchAll(/([acu])(\d+)/g)].map(([, kind = '', n]) => `${words[kind]} ${Number(n) + 1}`);
  return parts.length === 0 ? act : parts.join(', ');
}

/** Rows of what was kept. */
export function rowsOf(kept: OutputView[]): OutputBuffer {
  const buffer = new OutputBuffer();
  let before = '';
  for (const output of kept) {
    if (output.attempt !== before) {
      before = output.attempt;
      const [attempt = '', act = ''] = output.attempt.split('.');
      buffer.act(`attempt ${attempt}, ${actWord(act)}`);
    }
    buffer.append(output);
    if (output.truncated) {
      buffer.gap();
    }
  }
  return buffer;
}

/** The kept output of one step. */
export class KeptOutput extends Resource<OutputBuffer> {
  step: string | undefined = $state();
  #wire: Wire;

  constructor(wire: Wire) {
    super();
    this.#wire = wire;
  }

  /** Asks for it; another step's disappears first. */
  async show(execution: string, step: string): Promise<void> {
    if (step !== this.step) {
      this.clear();
      this.step = step;
    }
    await this.load(async () => rowsOf(await this.#wire.call('output', { execution, step })));
  }
}
