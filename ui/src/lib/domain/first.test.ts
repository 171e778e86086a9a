import { beforeEach, describe, expect, test } from 'vitest';

import { isCatalog, queried, taken } from './first';

function field(value: string): HTMLInputElement {
  document.body.innerHTML = '<input type="search" />';
  const input = document.querySelector('input')!;
  input.value = value;
  return input;
}

describe('the first picture', () => {
  beforeEach(() => history.replaceState(null, '', '#/'));

  test.each(['', '#', '#/', '#/?q=oom', '#?q=oom'])('is of the catalog at %j', (hash) => {
    expect(isCatalog(hash)).toBe(true);
  });

  test.each(['#/history', '#/runbook/oom', '#/start/oom?x=1', '#/execution/1'])('is not at %j', (hash) => {
    expect(isCatalog(hash)).toBe(false);
  });

  test('reads the query of an address', () => {
    expect(queried('#/?q=pool+exhausted&tag=db')).toBe('pool exhausted');
    expect(queried('#/')).toBe('');
  });

  test('hands over what was typed, with the caret', () => {
    const input = field('pool & queue');
    input.focus();
    input.setSelectionRange(2, 4);
    expect(taken(input)).toEqual([2, 4]);
    expect(queried(location.hash)).toBe('pool & queue');
  });

  test('keeps the filters of the address', () => {
    history.replaceState(null, '', '#/?severity=high');
    expect(taken(field('oom'))).toBeUndefined();
    expect(location.hash).toBe('#/?severity=high&q=oom');
  });

  test('leaves an address alone where nothing was typed', () => {
    history.replaceState(null, '', '#/?q=oom');
    taken(field('oom'));
    expect(location.hash).toBe('#/?q=oom');
  });

  test('takes nothing where another place was asked for', () => {
    history.replaceState(null, '', '#/history');
    expect(taken(field('oom'))).toBeUndefined();
    expect(location.hash).toBe('#/history');
  });
});
