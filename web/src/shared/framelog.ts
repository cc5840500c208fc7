/** A bounded record of every frame, for the person who develops a client. */
export interface Entry {
  n: number;
  at: number;
  direction: 'in' | 'out' | 'note';
  type: string;
  seq: number | null;
  bytes: number;
  text: string;
}

export const MAX_ENTRIES = 300;
const MAX_TEXT = 2_000;

export class FrameLog {
  entries: Entry[] = [];
  paused = false;
  private n = 0;

  add(direction: Entry['direction'], text: string, at: number): void {
    this.n++;
    if (this.paused) return;
    let type = direction === 'note' ? 'note' : 'not JSON';
    let seq: number | null = null;
    let shown = text;
    if (direction !== 'note') {
      try {
        const frame = JSON.parse(text) as { type?: unknown; action?: unknown; seq?: unknown; data?: { seq?: unknown } | null; token?: unknown };
        const named = frame.type ?? frame.action;
        type = typeof named === 'string' ? named : 'no type';
        const at = frame.seq ?? frame.data?.seq;
        seq = typeof at === 'number' ? at : null;
        // A screenshot of this page must not carry a credential.
        if (type === 'auth') shown = JSON.stringify({ ...frame, token: '(hidden)' });
      } catch {
        // Shown as it came.
      }
    }
    if (shown.length > MAX_TEXT) shown = `${shown.slice(0, MAX_TEXT)}… (${shown.length - MAX_TEXT} more)`;
    const entry = { n: this.n, at, direction, type, seq, bytes: text.length, text: shown };
    this.entries = [...this.entries.slice(1 - MAX_ENTRIES), entry];
  }

  get total(): number {
    return this.n;
  }

  clear(): void {
    this.entries = [];
  }
}
