/**
 * One WebSocket that can be let go of. `close()` says goodbye and waits for the answer; a real loss does neither. The
 * nearest that a page can come is to destroy the realm that owns the socket, which is what happens when a tab is
 * closed: the socket therefore lives in a hidden empty frame of its own.
 */
export interface Wire {
  send(text: string): void;
  abandon(): void;
}

export interface WireEvents {
  opened(): void;
  message(text: string): void;
  /** `opened` was said before where the handshake was not refused. */
  closed(code: number, reason: string): void;
}

export function openWire(url: string, on: WireEvents, protocols: string[] = []): Wire {
  const frame = document.createElement('iframe');
  frame.hidden = true;
  frame.title = 'connection';
  document.body.append(frame);
  const realm = (frame.contentWindow ?? window) as Window & typeof globalThis;
  const socket = new realm.WebSocket(url, protocols);
  let over = false;
  const finish = () => {
    over = true;
    frame.remove();
  };
  socket.onopen = () => void (over || on.opened());
  socket.onmessage = (e: MessageEvent<unknown>) => void (over || on.message(typeof e.data === 'string' ? e.data : ''));
  socket.onclose = (e) => {
    if (over) return;
    finish();
    on.closed(e.code, e.reason);
  };
  return {
    send: (text) => void (socket.readyState === WebSocket.OPEN && socket.send(text)),
    abandon: () => {
      if (over) return;
      finish();
      // Where the frame's end does not end the socket, this does; nobody waits for it.
      socket.close();
    },
  };
}

export function chatUrl(path: string): string {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${path}`;
}

/** base64url without padding: any token fits into the name of a subprotocol so, and none into the address. */
export function asProtocol(token: string): string {
  const bytes = new TextEncoder().encode(token);
  const base64 = btoa(String.fromCharCode(...bytes));
  return `base64url.bearer.${base64.replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')}`;
}
