import { describe, expect, it } from 'vitest';
import { Refused } from '../../backend/backend';
import { SettingsState } from './settings.svelte';

describe('the settings', () => {
  it('adds a directory and shows what was found in it', async () => {
    const asked: string[] = [];
    const answers: Record<string, unknown> = {
      catalog_add: { path: '/srv/runbooks', runbooks: 3, findings: [] },
      catalog: [{ path: '/srv/runbooks', runbooks: 3, broken: 0 }],
    };
    const call = (name: string, args: unknown) => {
      asked.push(`${name} ${JSON.stringify(args)}`);
      return Promise.resolve(answers[name]);
    };
    const state = new SettingsState({ call } as never);
    expect(await state.add(' /srv/runbooks ')).toBe(true);
    expect(asked).toEqual(['catalog_add {"path":"/srv/runbooks"}', 'catalog {}']);
    expect([state.added?.runbooks, state.sources.value?.length]).toEqual([3, 1]);
  });

  it('says why a change was not taken', async () => {
    const call = () => Promise.reject(new Refused({ class: 'user', message: 'no such folder', hint: 'check it' }));
    const state = new SettingsState({ call } as never);
    expect(await state.add('/nowhere')).toBe(false);
    expect([state.refused?.message, state.refused?.hint, state.changing]).toEqual([
      'no such folder',
      'check it',
      undefined,
    ]);
  });

  it('keeps a secret, shows its name and holds no value', async () => {
    const answers: Record<string, unknown> = {
      secret_set: { name: 'db', replaced: false },
      secrets: { secrets: [{ name: 'db', set_at: null }], locked: false, trouble: null },
    };
    const asked: string[] = [];
    const call = (name: string, args: unknown) => {
      asked.push(`${name} ${JSON.stringify(args)}`);
      return Promise.resolve(answers[name]);
    };
    const state = new SettingsState({ call } as never);
    expect(await state.keepSecret(' db ', ' a value with spaces ')).toBe(true);
    expect(asked).toEqual(['secret_set {"name":"db","value":" a value with spaces "}', 'secrets {"unlock":false}']);
    expect(JSON.stringify([state.kept, state.secrets.value])).not.toContain('a value');
  });
});
