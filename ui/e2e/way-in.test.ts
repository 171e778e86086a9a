import { request, type IncomingHttpHeaders } from 'node:http';

import { describe, expect } from 'vitest';

import { test } from './support/test.ts';

/** An answer without a browser in between, which would not send what an attacker sends. */
interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

function ask(address: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<Answer> {
  const [host, port] = address.split(':');
  return new Promise((resolve, reject) => {
    const asked = request(
      { host, port, path, headers: { host: address, ...headers }, method: body === undefined ? 'GET' : 'POST' },
      (response) => {
        let text = '';
        response.on('data', (part: Buffer) => (text += part.toString()));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
}

const ABOUT = JSON.stringify({ call: 'about', args: {} });
const JSON_BODY = { 'content-type': 'application/json' };

describe('the way in', () => {
  test('a link lets in once, and says what to do after that', async ({ belay, visitor }) => {
    const link = await belay.serve();
    const page = await visitor.window();
    await page.goto(link);
    await page.getByRole('searchbox', { name: /Search runbooks/ }).waitFor();
    expect(page.url(), 'the token is gone from the address').not.toContain('token');
    const [cookie] = await page.context().cookies();
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict' });

    visitor.allow(/status of 401/);
    const other = await visitor.window();
    const refused = await other.goto(link);
    expect(refused?.status()).toBe(401);
    await other.getByRole('heading', { name: 'This link has been used' }).waitFor();
    await other.getByText('for a new one', { exact: false }).waitFor();

    await page.goto(link);
    await page.getByRole('searchbox', { name: /Search runbooks/ }).waitFor();
  });

  test('a browser without a link is told how to get in', async ({ belay, visitor }) => {
    await belay.serve();
    visitor.allow(/status of 401/);
    const page = await visitor.window();
    const refused = await page.goto(`http://${belay.address}/`);
    expect(refused?.status()).toBe(401);
    await page.getByRole('heading', { name: 'This browser has not been let in' }).waitFor();

    const unknown = await page.goto(`http://${belay.address}/?token=guessed`);
    expect(unknown?.status()).toBe(401);
    await page.getByRole('heading', { name: 'This link is not of this server' }).waitFor();
  });

  test('calls need the cookie, the right host and the right origin', async ({ belay }) => {
    const link = new URL(await belay.serve());
    const { address } = belay;
    const origin = `http://${address}`;

    const entered = await ask(address, `${link.pathname}${link.search}`);
    const cookie = entered.headers['set-cookie']?.[0]?.split(';')[0];
    expect(cookie, 'the link gives a cookie').toBeDefined();
    const known = { ...JSON_BODY, cookie: cookie!, origin };

    expect((await ask(address, '/api/call', known, ABOUT)).status, 'with all of them it answers').toBe(200);
    const without = await ask(address, '/api/call', { ...JSON_BODY, origin }, ABOUT);
    expect(without.status, 'without a cookie').toBe(401);
    expect(JSON.parse(without.body), 'the error says what to do').toHaveProperty('hint');
    expect((await ask(address, '/api/call', { ...known, cookie: `${cookie!}0` }, ABOUT)).status, 'a wrong cookie').toBe(
      401,
    );
    expect((await ask(address, '/api/call', { ...known, origin: 'http://evil.example' }, ABOUT)).status).toBe(403);
    expect((await ask(address, '/api/call', { ...JSON_BODY, cookie: cookie! }, ABOUT)).status, 'no origin').toBe(403);
    const rebound = await ask(address, '/api/call', { ...known, host: 'evil.example' }, ABOUT);
    expect(rebound.status, 'a name that was made to point here').toBe(421);
    expect((await ask(address, '/', { cookie: cookie!, host: 'evil.example' })).status).toBe(421);

    const upgrade = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    };
    const events = '/api/events';
    expect((await ask(address, events, { ...upgrade, origin })).status, 'a stream without a cookie').toBe(401);
    expect(
      (await ask(address, events, { ...upgrade, cookie: cookie!, origin: 'http://evil.example' })).status,
      "another site's stream",
    ).toBe(403);
  });

  test('every answer carries the policy of the page', async ({ belay }) => {
    const link = new URL(await belay.serve());
    for (const path of [`${link.pathname}${link.search}`, '/', '/favicon.svg', '/nowhere', '/api/events']) {
      const { headers } = await ask(belay.address, path);
      const policy = String(headers['content-security-policy']);
      expect(policy, path).toContain("default-src 'none'");
      expect(policy, path).not.toContain('unsafe');
      expect(headers['x-frame-options'], path).toBe('DENY');
      expect(headers['referrer-policy'], path).toBe('no-referrer');
    }
    expect((await ask(belay.address, '/..%2f..%2f..%2fetc/passwd')).status, 'nothing outside is served').toBe(404);
  });
});
