/**
 * Follows one run by Server-Sent Events over fetch (EventSource cannot carry a bearer token). A stream that ends
 * without `run_ended` is a lost connection, never a finished run: it is opened again after the last cursor.
 */
import { fullJitter } from '../shared/backoff';
import { explain } from '../shared/http';
import { SseParser } from '../shared/sse';
import { readEvent, type RunEvent } from './events';

export type FollowState = 'connecting' | 'live' | 'dropped' | 'waiting' | 'ended' | 'refused';

export interface Follower {
  run_id: string;
  token: string;
  after: number;
  onEvents(events: RunEvent[]): void;
  onState(state: FollowState, why?: string): void;
}

/** What the outside gives, so that a test can give something else. */
export interface Outside {
  fetch: typeof fetch;
  random(): number;
  sleep(ms: number, wake: AbortSignal): Promise<void>;
}

/** Heartbeats come more often than this; longer silence is a connection that died without a word. */
const SILENCE = 60_000;
const DROP_GAP = 1_000;

export const browser: Outside = {
  fetch: (...args) => fetch(...args),
  random: Math.random,
  sleep: (ms, wake) =>
    new Promise((done) => {
      const timer = setTimeout(done, ms);
      wake.addEventListener('abort', () => (clearTimeout(timer), done()), { once: true });
    }),
};

export class Follow {
  private readonly closed = new AbortController();
  private attempt = new AbortController();
  private dropping = false;
  private cursor: string | null = null;
  resumes = 0;

  constructor(private readonly f: Follower, private readonly outside: Outside = browser) {}

  close(): void {
    this.closed.abort();
    this.attempt.abort();
  }

  drop(): void {
    this.dropping = true;
    this.attempt.abort();
  }

  async run(): Promise<void> {
    for (let tries = 0; !this.closed.signal.aborted; ) {
      this.attempt = new AbortController();
      this.dropping = false;
      this.f.onState('connecting');
      const result = await this.once().catch((): Result => 'lost');
      if (this.closed.signal.aborted || result === 'over') return;
      if (result === 'progress') tries = 0;
      if (this.dropping) {
        this.f.onState('dropped');
        await this.outside.sleep(DROP_GAP, this.closed.signal);
        continue;
      }
      const ms = fullJitter(tries++, this.outside.random());
      this.f.onState('waiting', `connection lost, again in ${(ms / 1000).toFixed(1)} s`);
      await this.outside.sleep(ms, this.closed.signal);
    }
  }

  private async once(): Promise<Result> {
    const { run_id, token, after } = this.f;
    const headers: Record<string, string> = { accept: 'text/event-stream', authorization: `Bearer ${token}` };
    // The cursor is opaque and stronger than the number that the viewer began with.
    if (this.cursor !== null) headers['last-event-id'] = this.cursor;
    const query = this.cursor === null && after > 0 ? `?after=${after}` : '';
    const path = `/api/runs/${encodeURIComponent(run_id)}/events${query}`;
    const response = await this.outside.fetch(path, { headers, cache: 'no-store', signal: this.attempt.signal });
    if (!response.ok || !response.body) {
      // The server's own trouble passes; a refusal does not.
      if (response.status >= 500 || response.status === 429) return 'lost';
      const why = explain(response.status, await response.json().catch(() => null));
      this.f.onState('refused', `${why.code}: ${why.message}`);
      return 'over';
    }
    if (this.cursor !== null) this.resumes++;
    this.f.onState('live');
    return this.read(response.body);
  }

  private async read(body: ReadableStream<Uint8Array>): Promise<Result> {
    const reader = body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).getReader();
    const parser = new SseParser();
    let result: Result = 'lost';
    let watchdog: ReturnType<typeof setTimeout> | undefined;
    try {
      for (;;) {
        clearTimeout(watchdog);
        watchdog = setTimeout(() => this.attempt.abort(), SILENCE);
        const { done, value } = await reader.read();
        if (done) return result;
        const events: RunEvent[] = [];
        for (const sse of parser.feed(value)) {
          if (sse.id !== null) this.cursor = sse.id;
          const event = readEvent(sse.data);
          if (event) events.push(event);
        }
        if (events.length === 0) continue;
        result = 'progress';
        this.f.onEvents(events);
        if (events.at(-1)!.type === 'run_ended') {
          this.f.onState('ended');
          return 'over';
        }
      }
    } catch {
      return result;
    } finally {
      clearTimeout(watchdog);
      reader.cancel().catch(() => {});
    }
  }
}

type Result = 'lost' | 'progress' | 'over';
