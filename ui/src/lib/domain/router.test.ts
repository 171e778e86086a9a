import { beforeEach, describe, expect, it } from 'vitest';

import { href, linked, parse, Router, type Place } from './router.svelte';

describe('an address', () => {
  const places: [string, Place][] = [
    ['#/', { at: 'catalog' }],
    ['#/runbook/pod-restart', { at: 'runbook', name: 'pod-restart' }],
    ['#/runbook/pod-restart/edit', { at: 'edit', name: 'pod-restart' }],
    ['#/start/pod-restart', { at: 'start', name: 'pod-restart' }],
    ['#/execution/abc', { at: 'execution', id: 'abc' }],
    ['#/history', { at: 'history' }],
    ['#/settings', { at: 'settings', section: undefined }],
    ['#/settings/doctor', { at: 'settings', section: 'doctor' }],
    ['#/alert', { at: 'alert' }],
  ];

  it.each(places)('%s leads to its place and back', (hash, place) => {
    expect(parse(hash)).toEqual({ ...place, query: {} });
    expect(href(place)).toBe(hash);
  });

  it('holds any name, also one with slashes and signs', () => {
    const place: Place = { at: 'runbook', name: '/srv/run books/ü?#%.yaml' };
    expect(parse(href(place, { tab: 'flow & more' }))).toEqual({ ...place, query: { tab: 'flow & more' } });
  });

  it('leads nowhere rather than somewhere wrong', () => {
    for (const hash of ['#/runbook', '#/history/x', '#/execution/a/b', '#/%', '#/settings/a/b']) {
      expect(parse(hash).at, `${hash} is no place`).toBe('nowhere');
    }
  });

  it('is the catalog where it is empty', () => {
    expect(parse('').at).toBe('catalog');
  });
});

describe('a belay:// link', () => {
  it('leads to a runbook or an execution', () => {
    expect(linked('belay://runbook/node-drain').route).toMatchObject({ at: 'runbook', name: 'node-drain' });
    expect(linked('belay://execution/abc/').route).toMatchObject({ at: 'execution', id: 'abc' });
  });

  it('carries an alert in its payload or in labels of its own', () => {
    const payload = '{"labels":{"alertname":"X"}}';
    expect(linked(`belay://alert?payload=${encodeURIComponent(payload)}`)).toEqual({
      route: { at: 'alert', query: {} },
      alert: payload,
    });
    expect(linked('belay://alert?alertname=PodCrashLooping&pod=web-1').alert).toBe(
      '{"labels":{"alertname":"PodCrashLooping","pod":"web-1"}}',
    );
    expect(linked('belay://alert').alert).toBeUndefined();
  });

  it('leads to the catalog where it means nothing', () => {
    for (const url of ['belay://', 'belay://nothing/x', 'https://example.org/', 'belay:runbook/x']) {
      expect(linked(url).route.at, `${url} names no place`).toBe('catalog');
    }
  });
});

describe('the router', () => {
  beforeEach(() => {
    location.hash = '';
  });

  it('follows the address', async () => {
    const router = new Router();
    const stop = router.follow();
    router.go({ at: 'runbook', name: 'x' });
    await new Promise((resolve) => window.addEventListener('hashchange', resolve, { once: true }));
    expect(router.route).toMatchObject({ at: 'runbook', name: 'x' });
    router.replace({ at: 'history' }, { status: 'failed' });
    expect(location.hash).toBe('#/history?status=failed');
    expect(router.route).toEqual({ at: 'history', query: { status: 'failed' } });
    stop();
  });
});

describe('the address', () => {
  it('is not written over by a place that it has left, even before that is told', () => {
    location.hash = '#/';
    const router = new Router();
    router.keep({ at: 'catalog' }, { q: 'slow' });
    expect(location.hash).toBe('#/?q=slow');
    location.hash = '#/start/pod-restart';
    expect(router.route.at, 'nobody has told it yet').toBe('catalog');
    router.keep({ at: 'catalog' }, { q: 'slower' });
    expect(location.hash).toBe('#/start/pod-restart');
  });
});
