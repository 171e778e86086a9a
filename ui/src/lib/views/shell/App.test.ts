import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { beforeEach, describe, expect, it } from 'vitest';

import App from '../../../App.svelte';
import { FakeBackend } from '../../backend/fake';
import { hit } from '../../domain/samples';

function backend(): FakeBackend {
  return new FakeBackend({
    about: { version: '1', responder: 'ana', device: 'd', home: '/h', context: 'local', environment: 'dev' },
    waiting: [],
    executions: [],
    search: ({ query }) => {
      const hits = ['pod-restart', 'node-drain', 'slow\u202edb']
        .filter((name) => name.includes(query))
        .map((n) => hit(n, { id: `RB-${n}` }));
      return {
        hits,
        total: hits.length,
        more: false,
        facets: [{ name: 'severity', values: [{ value: 'sev2', count: 3 }] }],
      };
    },
    alert: ({ payload }) => {
      const [alert] = (JSON.parse(payload) as { alerts: { labels: Record<string, string> }[] }).alerts;
      const labels = alert?.labels ?? {};
      return {
        notes: [],
        alerts: [
          {
            name: labels['alertname'] ?? '',
            resolved: false,
            fingerprint: 'f1',
            labels,
            annotations: {},
            starts_at: null,
            duplicates: 0,
            runbooks: [hit('pod-restart')],
            value: { labels },
          },
        ],
      };
    },
  });
}

describe('the catalog', () => {
  beforeEach(() => {
    location.hash = '';
    sessionStorage.clear();
  });

  it('shows results as one types, and opens the chosen one', async () => {
    render(App, { backend: backend() });
    await screen.findByText('node-drain');
    const field = screen.getByRole('searchbox');
    await fireEvent.input(field, { target: { value: 'pod' } });
    await waitFor(() => expect(screen.queryByText('node-drain')).toBeNull());
    await fireEvent.keyDown(field, { key: 'Enter' });
    expect(location.hash).toBe('#/runbook/pod-restart');
  });

  it('shows a name that would reorder the page as the characters that it has', async () => {
    render(App, { backend: backend() });
    expect(await screen.findAllByText('slow‹U+202E›db')).not.toHaveLength(0);
  });

  it('says that the application is gone, and goes on when it is back', async () => {
    const fake = backend();
    render(App, { backend: fake });
    await screen.findByText('node-drain');
    fake.lose();
    expect((await screen.findByRole('alert')).textContent).toContain('Belay does not answer');
    fake.restart('again');
    await waitFor(() => expect(screen.queryByRole('alert')).toBeNull());
  });

  it('takes an alert that is pasted anywhere', async () => {
    const fake = backend();
    render(App, { backend: fake });
    await screen.findByText('node-drain');
    const text = JSON.stringify({ alerts: [{ labels: { alertname: 'PodCrashLooping' } }] });
    const event = new Event('paste', { bubbles: true, cancelable: true });
    Object.assign(event, { clipboardData: { getData: () => text } });
    window.dispatchEvent(event);
    expect(event.defaultPrevented, 'the text does not end up in the search field').toBe(true);
    await screen.findByText('PodCrashLooping', {}, { timeout: 5_000 });
    const start = screen.getByRole('link', { name: /Start with this alert/ });
    expect(start.getAttribute('href')).toBe('#/start/pod-restart?alert=f1');
  });
});
