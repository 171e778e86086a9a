/** A place of the application, with what it is about. */
export type Place =
  | { at: 'catalog' }
  | { at: 'runbook'; name: string }
  | { at: 'edit'; name: string }
  | { at: 'start'; name: string }
  | { at: 'execution'; id: string }
  | { at: 'history' }
  | { at: 'settings'; section: string | undefined }
  | { at: 'alert' }
  | { at: 'nowhere'; path: string };

/** A place with the query of its address: small things such as a filter, that survive a reload. */
export type Route = Place & { query: Readonly<Record<string, string>> };

/** Reads the hash of an address. */
export function parse(hash: string): Route {
  const [path = '', search = ''] = hash.replace(/^#/, '').split('?', 2);
  const query = Object.fromEntries(new URLSearchParams(search));
  const parts = path
    .split('/')
    .filter((part) => part !== '')
    .map(decode);
  return { ...place(parts, path), query };
}

function place(parts: string[], path: string): Place {
  const [head, second, third] = parts;
  if (head === undefined) {
    return { at: 'catalog' };
  }
  if (parts.length === 1) {
    switch (head) {
      case 'history':
      case 'alert':
        return { at: head };
      case 'settings':
        return { at: 'settings', section: undefined };
    }
  }
  if (parts.length === 2 && second !== undefined) {
    switch (head) {
      case 'runbook':
      case 'start':
        return { at: head, name: second };
      case 'execution':
        return { at: 'execution', id: second };
      case 'settings':
        return { at: 'settings', section: second };
    }
  }
  if (parts.length === 3 && head === 'runbook' && second !== undefined && third === 'edit') {
    return { at: 'edit', name: second };
  }
  return { at: 'nowhere', path };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a place. */
export function href(to: Place, query: Readonly<Record<string, string>> = {}): string {
  const search = new URLSearchParams(query).toString();
  return `#${path(to)}${search === '' ? '' : `?${search}`}`;
}

function path(to: Place): string {
  switch (to.at) {
    case 'catalog':
      return '/';
    case 'runbook':
    case 'start':
      return `/${to.at}/${encodeURIComponent(to.name)}`;
    case 'edit':
      return `/runbook/${encodeURIComponent(to.name)}/edit`;
    case 'execution':
      return `/execution/${encodeURIComponent(to.id)}`;
    case 'history':
    case 'alert':
      return `/${to.at}`;
    case 'settings':
      return to.section === undefined ? '/settings' : `/settings/${encodeURIComponent(to.section)}`;
    case 'nowhere':
      return to.path;
  }
}

/** The place that a `belay://` link means; the catalog where it cannot be read. */
export function linked(url: string): { route: Route; alert: string | undefined } {
  const catalog: Route = { at: 'catalog', query: {} };
  const match = /^belay:\/\/([^/?#]*)\/?([^?#]*)(?:\?([^#]*))?/.exec(url);
  if (match === null) {
    return { route: catalog, alert: undefined };
  }
  const [, head = '', rest = '', search = ''] = match;
  const query = Object.fromEntries(new URLSearchParams(search));
  if (head === 'alert') {
    const payload = query.payload ?? query.alert;
    return { route: { at: 'alert', query: {} }, alert: payload ?? labelled(query) };
  }
  const route = parse(`#/${head}/${rest.replace(/\/$/, '')}`);
  return { route: route.at === 'nowhere' ? catalog : { ...route, query }, alert: undefined };
}

/** An alert whose labels stand in the link itself: `belay://alert?alertname=PodCrashLooping&pod=web-1`. */
function labelled(labels: Record<string, string>): string | undefined {
  return Object.keys(labels).length === 0 ? undefined : JSON.stringify({ labels });
}

/** Where the application stands, kept in the address. */
export class Router {
  route: Route = $state.raw(parse(location.hash));

  /** Follows the address until stopped. */
  follow(): () => void {
    const read = () => {
      this.route = parse(location.hash);
    };
    read();
    window.addEventListener('hashchange', read);
    return () => window.removeEventListener('hashchange', read);
  }

  /** Goes to a place; going back leads here again. */
  go(to: Place, query: Readonly<Record<string, string>> = {}): void {
    location.hash = href(to, query);
  }

  /** Goes to a place instead of this one. */
  replace(to: Place, query: Readonly<Record<string, string>> = {}): void {
    history.replaceState(history.state, '', href(to, query));
    this.route = parse(location.hash);
  }

  /**
   * Writes the state of the place one stands at into the address, unless the address leads elsewhere already: that it
   * changed is told a moment later.
   */
  keep(to: Place, query: Readonly<Record<string, string>> = {}): void {
    if (parse(location.hash).at === to.at) {
      this.replace(to, query);
    }
  }

  /** Goes back to where one came from; to the catalog where there is no such place. */
  back(): void {
    if (history.length > 1) {
      history.back();
    } else {
      this.go({ at: 'catalog' });
    }
  }
}
