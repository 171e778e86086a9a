import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';

import { FakeBackend } from '../../backend/fake';
import { SettingsState } from '../../domain/settings/settings.svelte';
import Secrets from './Secrets.svelte';

async function shown(backend: FakeBackend): Promise<SettingsState> {
  const settings = new SettingsState(backend);
  await settings.keyring();
  render(Secrets, { settings });
  return settings;
}

describe('the secrets', () => {
  it('say what is wrong and what to do where there is no keyring, and ask for nothing', async () => {
    const trouble = { class: 'environment', message: 'there is no keyring here', hint: 'give it in the environment' };
    await shown(new FakeBackend({ secrets: { secrets: [], locked: false, trouble } }));
    await screen.findByText('there is no keyring here.');
    await screen.findByText('give it in the environment.');
    expect(screen.queryByLabelText('Secret')).toBeNull();
  });

  it('are kept by a name, and the field forgets what was typed', async () => {
    const names: string[] = [];
    const backend = new FakeBackend({
      secrets: () => ({ secrets: names.map((name) => ({ name, set_at: null })), locked: false, trouble: null }),
      secret_set: ({ name }) => {
        names.push(name);
        return { name, replaced: false };
      },
    });
    await shown(backend);
    await screen.findByText('No secret is kept yet');
    const field = screen.getByLabelText<HTMLInputElement>('Secret');
    expect(field.type).toBe('password');
    await fireEvent.input(screen.getByLabelText('Name'), { target: { value: 'db' } });
    await fireEvent.input(field, { target: { value: 'correct-horse' } });
    await fireEvent.click(screen.getByRole('button', { name: 'Keep' }));
    await screen.findByText(/is in the keyring/);
    expect(backend.calls.find((call) => call.name === 'secret_set')?.args).toEqual({
      name: 'db',
      value: 'correct-horse',
    });
    expect(field.value).toBe('');
    expect(document.body.innerHTML).not.toContain('correct-horse');
  });

  it('are removed after a question', async () => {
    const names = ['db'];
    const backend = new FakeBackend({
      secrets: () => ({ secrets: names.map((name) => ({ name, set_at: null })), locked: false, trouble: null }),
      secret_remove: () => {
        names.pop();
        return {};
      },
    });
    await shown(backend);
    await fireEvent.click(screen.getByRole('button', { name: 'Remove db' }));
    expect(backend.calls.some((call) => call.name === 'secret_remove')).toBe(false);
    await fireEvent.click(await screen.findByRole('button', { name: 'Remove it' }));
    await waitFor(() => expect(screen.queryByText('No secret is kept yet')).not.toBeNull());
  });

  it('behind a lock are unlocked when the person says so', async () => {
    const backend = new FakeBackend({
      secrets: ({ unlock }) => ({
        secrets: unlock ? [{ name: 'db', set_at: null }] : [],
        locked: !unlock,
        trouble: null,
      }),
    });
    await shown(backend);
    expect(backend.calls.map((call) => call.args)).toEqual([{ unlock: false }]);
    await fireEvent.click(screen.getByRole('button', { name: 'Unlock it' }));
    await screen.findByRole('button', { name: 'Remove db' });
    expect(screen.queryByText('Unlock it')).toBeNull();
  });
});
