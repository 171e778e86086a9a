import type { Calls, CallError, Place, Told } from './api';
import { Refused, type Answer, type Args, type Backend, type Link, type Stop } from './backend';

/** The first pause before the stream is taken up again, in milliseconds; it doubles up to the last one. */
const FIRST_PAUSE = 250;
const LAST_PAUSE = 5_000;
/** What is answered to whoever has not been let in. */
const UNKNOWN = 401;

/** The backend over HTTP and WebSocket, served by `belay web` from the same origin. */
export class WebBackend implements Backend {
  readonly face = 'web';

  async call<Name extends keyof Calls>(name: Name, args: Args<Name>): Promise<Answer<Name>> {
    let response: Response;
    try {
      response = await fetch('/api/call', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ call: name, args }),
      });
    } catch {
      throw Refused.gone();
    }
    if (response.status === UNKNOWN) {
      throw Refused.ended();
    }
    const body: unknown = await response.json().catch(() => undefined);
    if (response.ok) {
      return body as Answer<Name>;
    }
    if (body !== null && typeof body === 'object' && 'message' in body) {
      throw new Refused(body as CallError);
    }
    throw new Refused({ class: 'environment', message: `belay answered with status ${response.status}`, hint: null });
  }

  listen(after: Place | undefined, onTold: (told: Told) => void, onLink: (link: Link) => void): Stop {
    let place = after;
    let pause = FIRST_PAUSE;
    let stopped = false;
    let socket: WebSocket | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;

    const closed = async (opened: boolean) => {
      // A browser does not say why a stream was refused; a call does.
      const link = opened || stopped ? 'gone' : await this.#whyRefused();
      if (!stopped) {
        onLink(link);
        timer = setTimeout(open, pause);
        pause = Math.min(pause * 2, LAST_PAUSE);
      }
    };

    const open = () => {
      // Once it is gone it stays so until it answers: a word that comes and goes with every try helps nobody.
      if (socket === undefined) {
        onLink('connecting');
      }
      const url = new URL('/api/events', location.href);
      url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
      if (place !== undefined) {
        url.searchParams.set('stream', place.stream);
        url.searchParams.set('n', String(place.n));
      }
      socket = new WebSocket(url);
      socket.onopen = () => {
        opened = true;
        pause = FIRST_PAUSE;
        onLink('connected');
      };
      socket.onmessage = (message: MessageEvent<string>) => {
        const told = JSON.parse(message.data) as Told;
        if (told.told === 'anew') {
          place = told.after;
        } else {
          const last = told.events.at(-1);
          if (last !== undefined && place !== undefined) {
            place = { stream: place.stream, n: last.n };
          }
        }
        onTold(told);
      };
      let opened = false;
      socket.onclose = () => void closed(opened);
    };

    open();
    return () => {
      stopped = true;
      clearTimeout(timer);
      socket?.close();
    };
  }

  async #whyRefused(): Promise<Link> {
    try {
      await this.call('about', {});
    } catch (thrown) {
      if (thrown instanceof Refused && thrown.class === 'ended') {
        return 'ended';
      }
    }
    return 'gone';
  }
}
