import { visible } from '../format';

/** Colours and styles of a terminal: they say nothing that the text does not. */
// eslint-disable-next-line no-control-regex -- escape sequences are what this finds
const COLOURS = /\u001b\[[0-9;:]*m/g;

/** Output as text: colours are left out, whatever else a terminal would act upon is made visible. */
export function outputText(text: string): string {
  return visible(text.replace(COLOURS, ''));
}

/** A value over several lines, the way people read it. */
export function pretty(value: unknown): string {
  if (typeof value === 'string' || value === undefined) {
    return value ?? '';
  }
  return JSON.stringify(value, null, 2);
}
