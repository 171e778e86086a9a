import type { AlertAnswer, AlertView, JsonValue } from '../backend/api';
import { read, write } from './draft.svelte';
import { Resource } from './resource.svelte';
import type { Session } from './session.svelte';

const PAYLOAD = 'belay.alert:payload';
const VALUES = 'belay.alert:values';

/** How an alert is named in an address: its fingerprint, or its position. */
export function alertKey(alert: AlertView, position: number): string {
  return alert.fingerprint ?? `n${position}`;
}

/** The alert that somebody pasted, dropped or followed a link to, with its runbooks. It survives a reload. */
export class Alerts {
  readonly answer = new Resource<AlertAnswer>();
  payload: string = $state(read(PAYLOAD) ?? '');
  #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Looks for the runbooks of a payload. */
  async look(payload: string): Promise<void> {
    if (payload !== this.payload) {
      this.answer.clear();
    }
    this.payload = payload;
    write(PAYLOAD, payload);
    await this.answer.load(async () => {
      const answer = await this.#session.call('alert', { payload });
      const values = Object.fromEntries(answer.alerts.map((alert, n) => [alertKey(alert, n), alert.value]));
      write(VALUES, JSON.stringify(values));
      return answer;
    });
  }

  /** The alert as a start takes it, by the key in the address (`#/start/NAME?alert=KEY`). */
  value(key: string): JsonValue | undefined {
    const values = JSON.parse(read(VALUES) ?? '{}') as Record<string, JsonValue>;
    return Object.hasOwn(values, key) ? values[key] : undefined;
  }

  /** Forgets the alert. */
  clear(): void {
    this.payload = '';
    write(PAYLOAD, undefined);
    write(VALUES, undefined);
    this.answer.clear();
  }
}

/** Whether a text is likely a payload of alerts: JSON that says so itself. */
export function looksLikeAlert(text: string): boolean {
  if (!/^\s*[[{]/.test(text)) {
    return false;
  }
  try {
    const value: unknown = JSON.parse(text);
    const one: unknown = Array.isArray(value) ? value[0] : value;
    return one !== null && typeof one === 'object' && ('alerts' in one || 'labels' in one || 'alertname' in one);
  } catch {
    return false;
  }
}
