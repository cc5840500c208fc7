/** For tests: a page without a browser, whose sockets and routes are told what to say. */
import { vi } from 'vitest';
import type { WireEvents } from './socket';

export interface FakeWire {
  url: string;
  protocols: string[];
  on: WireEvents;
  sent: string[];
  gone: boolean;
}

export const wires: FakeWire[] = [];
const listeners = new Map<string, () => void>();
/** Answers of routes, by the beginning of their path; what is not here is 404, and `null` is a server that is gone. */
export const routes = new Map<string, unknown>();
export const asked: string[] = [];

/** In place of `./socket`. */
export const fakeSocket = {
  chatUrl: (path: string) => path,
  asProtocol: (token: string) => `bearer.${token}`,
  openWire: (url: string, on: WireEvents, protocols: string[] = []) => {
    const wire: FakeWire = { url, protocols, on, sent: [], gone: false };
    wires.push(wire);
    return { send: (text: string) => void wire.sent.push(text), abandon: () => void (wire.gone = true) };
  },
};

export function freshPage(): void {
  wires.length = asked.length = 0;
  listeners.clear();
  routes.clear();
  vi.useFakeTimers();
  vi.stubGlobal('addEventListener', (name: string, then: () => void) => listeners.set(name, then));
  vi.stubGlobal('requestAnimationFrame', (then: () => void) => setTimeout(then, 16));
  vi.stubGlobal('fetch', async (path: string, how: { method?: string }) => {
    asked.push(`${how.method ?? 'GET'} ${path}`);
    const found = [...routes].find(([begin]) => path.startsWith(begin));
    if (found?.[1] === null) throw new TypeError('Failed to fetch');
    const status = typeof found?.[1] === 'number' ? found[1] : found ? 200 : 404;
    return { ok: status === 200, status, headers: new Headers(), json: async () => found?.[1] ?? {} };
  });
}

/** The tab is reloaded or closed. */
export const leavePage = () => listeners.get('pagehide')?.();
