/** Carries out what the lesson decides: socket, timers, storage, clock. Everything worth testing is in there. */
import { signal } from '@preact/signals';
import type { Account } from '../shared/account';
import { onceAFrame } from '../shared/frame';
import { FrameLog } from '../shared/framelog';
import { HttpError } from '../shared/http';
import { newId } from '../shared/id';
import { asProtocol, chatUrl, openWire, type Wire } from '../shared/socket';
import { readJson, type Store } from '../shared/storage';
import { chatStream, type Input, type Message, step } from './lesson';
import { isLive, keep, type Kept, restored, start, type State } from './state';

const PING_EVERY = 30_000;
/** Who says nothing more for so long has stopped typing. */
const TYPING_OUT = 6_000;
const PAGE = 50;
const EDGES = new Set(['stream_start', 'stream_complete', 'stream_error', 'generation_stopped']);

/** As the original's client waits. */
export const waitFor = (attempt: number) => Math.min(1000 * 2 ** Math.min(attempt, 10), 5000);

/** How a question is to be answered; kept until it is changed. */
export interface How {
  subject: string;
  reasoning: boolean;
  documents: boolean;
}

const HOW: How = { subject: '', reasoning: true, documents: false };

export interface SharedSession {
  session_id: string;
  owner_id: string;
}

export class LessonClient {
  readonly view;
  readonly log = signal({ entries: [] as FrameLog['entries'], total: 0, paused: false });
  readonly how;
  private state: State;
  private readonly frames = new FrameLog();
  private wire: Wire | null = null;
  private opened = false;
  /** The session whose history was read. */
  private pastOf: string | null = null;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private typing: ReturnType<typeof setTimeout> | null = null;
  private readonly paint = onceAFrame(() => this.show());

  constructor(private readonly account: Account, private readonly store: Store) {
    const sessionId = store.get('lesson') ?? newId();
    this.state = { ...start(sessionId), userId: account.whose };
    store.set('lesson', sessionId);
    this.restore();
    this.view = signal(this.state);
    this.how = signal<How>(readJson<How>(store, 'lesson-how') ?? HOW);
    setInterval(() => this.send('ping', {}), PING_EVERY);
    addEventListener('pagehide', () => this.remember());
    addEventListener('online', () => this.state.retryAt !== null && this.open());
  }

  begin(): void {
    if (this.account.token.value) this.useToken();
    else this.happens({ kind: 'signed_out', forget: false });
  }

  happens(input: Input): void {
    const before = this.state;
    this.state = step(before, input, Date.now());
    if (input.kind === 'frame') this.paint();
    else this.show();
  }

  /** A token is there, another one perhaps. */
  useToken(): void {
    const who = this.account.userId;
    if (who !== null && this.state.userId !== null && this.state.userId !== who) this.leave();
    this.restore();
    this.open();
    void this.account.check();
  }

  leave(): void {
    this.close();
    this.happens({ kind: 'signed_out', forget: true });
    this.beginAnew();
  }

  /** Nothing of who was here stays, and what he asked for comes too late. */
  private beginAnew(): void {
    if (this.typing !== null) clearTimeout(this.typing);
    this.typing = null;
    this.frames.clear();
    this.how.value = HOW;
    this.store.set('lesson-how', null);
    const sessionId = newId();
    this.store.set('lesson', sessionId);
    this.happens({ kind: 'session', sessionId });
  }

  /** What is nobody's is not kept, and what is kept for somebody waits for him. */
  private remember(): void {
    const kept = keep(this.state);
    if (kept.userId === null || (kept.turns.length === 0 && this.account.userId === null)) return;
    this.store.set('lesson-kept', JSON.stringify(kept));
  }

  /** What a reload kept comes back once it is known that it is of who is signed in. */
  private restore(): void {
    const userId = this.account.userId;
    if (userId === null) return;
    this.state = { ...this.state, userId };
    const kept = readJson<Kept>(this.store, 'lesson-kept');
    this.store.set('lesson-kept', null);
    if (kept?.userId !== userId || kept.sessionId !== this.state.sessionId) return;
    const { joined, line, turns } = restored(kept);
    this.state = { ...this.state, joined, line: Math.max(line, this.state.line), turns: [...turns, ...this.state.turns] };
  }

  choose(change: Partial<How>): void {
    this.how.value = { ...this.how.value, ...change };
    this.store.set('lesson-how', JSON.stringify(this.how.value));
  }

  ask(text: string, how: How = this.how.value): void {
    const id = newId();
    this.stopTyping();
    this.happens({ kind: 'ask', id, text, ...how, subject: how.subject.trim() });
    this.sendTurns();
    if (this.state.joined) this.send('message_sent', { sessionId: this.state.sessionId });
    // Nothing is lost while it waits; who has no token is told that he needs one.
    if (this.state.signedOut) this.happens({ kind: 'problem', code: 'UNAUTHORIZED', text: 'Sign in: then it is asked' });
  }

  stop(): void {
    for (const t of this.state.turns.filter(isLive)) {
      const sent = t.phase !== 'waiting';
      this.happens({ kind: 'stop', id: t.id });
      if (sent) this.send('stop_generation', { message_id: t.id, session_id: this.state.sessionId });
    }
  }

  session(sessionId: string): void {
    if (!sessionId || sessionId === this.state.sessionId) return;
    this.stopTyping();
    if (this.state.joined) this.send('leave_session', { session_id: this.state.sessionId });
    const joined = this.state.joined;
    this.store.set('lesson', sessionId);
    this.happens({ kind: 'session', sessionId });
    if (joined) this.join(true);
    void this.loadPast();
  }

  join(joined: boolean): void {
    this.happens({ kind: 'join', joined });
    this.send(joined ? 'join_session' : 'leave_session', { session_id: this.state.sessionId });
  }

  /** Said once when it begins, and once when it ends. */
  types(): void {
    if (!this.state.joined) return;
    if (this.typing === null) this.send('user_typing', { session_id: this.state.sessionId, isTyping: true });
    else clearTimeout(this.typing);
    this.typing = setTimeout(() => this.stopTyping(), 3_000);
  }

  /** The line breaks, as far as a page can break it. */
  drop(): void {
    if (!this.wire) return;
    this.frames.add('note', 'connection dropped by this page', Date.now());
    this.wire.abandon();
    this.wire = null;
    this.happens({ kind: 'closed', code: 1006, reason: '' });
    this.again();
  }

  open(): void {
    const token = this.account.token.value;
    if (!token) return this.happens({ kind: 'signed_out', forget: false });
    this.close();
    this.opened = false;
    this.happens({ kind: 'connecting' });
    const mine = (then: () => void) => void (this.wire === wire && then());
    const wire = openWire(
      chatUrl('/api/ws'),
      {
        opened: () => mine(() => this.whenOpen()),
        message: (text) =>
          mine(() => {
            this.frames.add('in', text, Date.now());
            const before = this.state.userId;
            this.happens({ kind: 'frame', text });
            const { userId } = this.state;
            if (userId !== null && userId !== this.account.userId) this.account.known({ id: userId });
            if (before !== null && userId !== before) this.beginAnew();
            this.look(text);
          }),
        closed: (code, reason) => mine(() => void this.whenClosed(code, reason)),
      },
      ['headwater.tutor.v1', asProtocol(token)],
    );
    this.wire = wire;
  }

  async loadPast(before?: string): Promise<void> {
    const { sessionId } = this.state;
    if (!this.account.token.value) return;
    try {
      const query = `limit=${PAGE}${before ? `&before=${encodeURIComponent(before)}` : ''}`;
      const body = await this.account.call<{ messages?: Message[]; truncated?: boolean }>(`/tutor/api/v1/chat/history/${encodeURIComponent(sessionId)}?${query}`);
      if (sessionId === this.state.sessionId) this.pastOf = sessionId;
      this.happens({ kind: 'past', sessionId, messages: body.messages ?? [], older: body.truncated === true });
    } catch (e) {
      // A session that nobody asked anything in is none yet.
      if (sessionId === this.state.sessionId && e instanceof HttpError && e.status !== 404 && e.status !== 401) this.happens({ kind: 'problem', code: e.code, text: `History: ${e.message}` });
    }
  }

  /** Lets somebody see this session. True when he may. */
  async share(userId: string): Promise<boolean> {
    const path = `/api/sessions/${encodeURIComponent(this.state.sessionId)}/members/${encodeURIComponent(userId)}`;
    try {
      await this.account.call(path, { method: 'PUT' });
      return true;
    } catch (e) {
      const { code, message } = e instanceof HttpError ? e : new HttpError(0, String(e));
      const none = e instanceof HttpError && e.status === 404;
      this.happens({ kind: 'problem', code, text: none ? 'Sharing: a session is there once something was asked in it; ask first' : `Sharing: ${message}` });
      return false;
    }
  }

  async sharedWithMe(): Promise<SharedSession[]> {
    const body = await this.account.call<{ sessions?: SharedSession[] }>('/api/shared').catch(() => null);
    return body?.sessions ?? [];
  }

  pauseLog(paused: boolean): void {
    this.frames.paused = paused;
    this.show();
  }

  clearLog(): void {
    this.frames.clear();
    this.show();
  }

  private whenOpen(): void {
    this.opened = true;
    this.frames.add('note', 'connected', Date.now());
    this.happens({ kind: 'opened' });
  }

  /** It is known whose connection it is: what somebody else left on this page is gone, and nothing of it is asked. */
  private whenGreeted(): void {
    if (this.pastOf !== this.state.sessionId) void this.loadPast();
    if (this.state.joined) this.send('join_session', { session_id: this.state.sessionId });
    this.sendTurns(true);
  }

  /** What was kept goes first, in its order; what was under way is joined behind what is here. */
  private sendTurns(all = false): void {
    if (this.state.link !== 'connected') return;
    for (const t of this.state.turns.filter(isLive)) {
      if (t.question === null || (!all && t.phase !== 'waiting')) continue;
      this.send('chat_stream', chatStream(this.state, t));
      this.happens({ kind: 'sent', id: t.id });
      if (t.stopping) this.send('stop_generation', { message_id: t.id, session_id: this.state.sessionId });
    }
  }

  private async whenClosed(code: number, reason: string): Promise<void> {
    this.wire = null;
    this.frames.add('note', `closed with code ${code}`, Date.now());
    this.happens({ kind: 'closed', code, reason });
    if (code === 4401 || !this.opened) {
      // Run out, or refused: the token is asked about, and renewed where that is possible.
      const token = this.account.token.value;
      const good = code === 4401 ? await this.account.refresh() : await this.account.check();
      if (this.wire) return;
      if (!good && (code === 4401 || !this.account.token.value)) {
        this.account.forget();
        this.happens({ kind: 'problem', code: 'UNAUTHORIZED', text: 'The token is not good, or not any more: sign in again' });
        return this.happens({ kind: 'signed_out', forget: false });
      }
      if (good && this.account.token.value !== token) return this.open();
    }
    this.again();
  }

  private again(): void {
    const wait = waitFor(this.state.attempt);
    this.happens({ kind: 'retry', until: Date.now() + wait });
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.open(), wait);
  }

  private close(): void {
    clearTimeout(this.retry);
    this.wire?.abandon();
    this.wire = null;
  }

  /** What a frame means for clocks and for the history. */
  private look(text: string): void {
    const at = /^\{"type":"(\w+)"/.exec(text)?.[1];
    if (at === 'connect') this.whenGreeted();
    if (at === 'typing_indicator') {
      const person = String((JSON.parse(text) as { data?: { user_id?: unknown } }).data?.user_id ?? '');
      setTimeout(() => this.happens({ kind: 'typed_out', person }), TYPING_OUT);
    }
    // The words of a question that was asked elsewhere are in the history, at its end for certain.
    if (at !== undefined && EDGES.has(at) && this.state.turns.some((t) => t.question === null)) void this.loadPast();
  }

  private stopTyping(): void {
    if (this.typing === null) return;
    clearTimeout(this.typing);
    this.typing = null;
    this.send('user_typing', { session_id: this.state.sessionId, isTyping: false });
  }

  private send(type: string, data: Record<string, unknown>): void {
    if (!this.wire || this.state.link !== 'connected') return;
    const text = JSON.stringify({ type, data, timestamp: Date.now() });
    this.frames.add('out', text, Date.now());
    this.wire.send(text);
    this.paint();
  }

  private show(): void {
    this.view.value = this.state;
    this.log.value = { entries: this.frames.entries, total: this.frames.total, paused: this.frames.paused };
  }
}
