import type { RunbookStatistics } from '../backend/api';

/** A duration for people: `0.4 s`, `42 s`, `3 min 20 s`, `2 h 05 min`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) {
    return '–';
  }
  if (seconds < 10) {
    return `${Number(seconds.toFixed(1))} s`;
  }
  const whole = Math.round(seconds);
  if (whole < 60) {
    return `${whole} s`;
  }
  if (whole < 3600) {
    return whole % 60 === 0 ? `${whole / 60} min` : `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  }
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) {
    return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
  }
  return `${Math.floor(minutes / 1440)} d ${Math.floor((minutes % 1440) / 60)} h`;
}

/** A running clock: `03:20`, `1:04:09`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const hours = Math.floor(whole / 3600);
  const rest = `${pad(Math.floor((whole % 3600) / 60))}:${pad(whole % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

function pad(n: number): string {
  return String(n).padStart(2, '0');
}

const UNITS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** A time relative to now: `just now`, `5 minutes ago`, `in 2 days`. */
export function relative(at: string, now: number): string {
  const then = Date.parse(at);
  if (Number.isNaN(then)) {
    return at;
  }
  const seconds = (then - now) / 1000;
  const words = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) {
      return words.format(Math.trunc(seconds / length), unit);
    }
  }
  return seconds > 15 ? 'in a moment' : 'just now';
}

/** A time as the clock on the wall said it, with its date and zone. */
export function absolute(at: string): string {
  const then = new Date(at);
  if (Number.isNaN(then.getTime())) {
    return at;
  }
  return then.toLocaleString('en-GB', {
    year: 'numeric',
    month: 'short',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
  });
}

/** The time of day, for a timeline. */
export function timeOfDay(at: string): string {
  const then = new Date(at);
  return Number.isNaN(then.getTime()) ? at : then.toLocaleTimeString('en-GB');
}

/** How executions went, in words that say what is counted; empty where there are none. */
export function fared(of: Pick<RunbookStatistics, 'executions' | 'finished' | 'succeeded'>): string {
  const open = of.executions - of.finished;
  const told =
    of.finished > 0
      ? [`${of.succeeded} of ${of.finished} finished ${of.finished === 1 ? 'run' : 'runs'} succeeded`]
      : [];
  return [...told, ...(open > 0 ? [`${open} not finished`] : [])].join(', ');
}

/** `1 step`, `3 steps`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
}

/** How a severity is written. */
export function severityWord(severity: string): string {
  return severity === 'all' ? 'Any severity' : severity.toUpperCase();
}

// C0 and C1 controls, zero-width and direction characters: invisible, and able to make a command look like another one.
/* eslint-disable no-control-regex -- finding them is the point */
const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/g;
/* eslint-enable no-control-regex */

/** What the controls below the space are called; pictures of them are missing in many fonts. */
const CONTROLS =
  'NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US'.split(
    ' ',
  );

/** Text with characters that nobody would see, or that would reorder it, made visible. Newlines and tabs stay. */
export function visible(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(HIDDEN, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const name = code === 0x7f ? 'DEL' : CONTROLS[code];
    return `‹${name ?? `U+${code.toString(16).toUpperCase().padStart(4, '0')}`}›`;
  });
}

/** The start of a hash or an id: enough to tell it from others. */
export function short(id: string): string {
  return id.slice(0, 12);
}

/** A JSON value in one line. */
export function inline(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
