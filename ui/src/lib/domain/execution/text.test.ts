import { describe, expect, it } from 'vitest';
import { outputText } from './text';

describe('output as text', () => {
  it('loses its colours and nothing else', () => {
    expect(outputText('\u001b[1;31mred\u001b[0m and plain\ttab')).toBe('red and plain\ttab');
  });

  it('shows every other sequence instead of acting upon it', () => {
    expect(outputText('\u001b[2J\u001b]0;title\u0007')).toBe('␛[2J␛]0;title␇');
  });

  it('leaves markup as it is, because it is never markup here', () => {
    expect(outputText('<b>x</b> &amp;')).toBe('<b>x</b> &amp;');
  });
});
