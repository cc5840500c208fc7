/** Carries out what the machine decides: socket, timers, storage, clock, chance. Everything worth testing is in there. */
import { signal } from '@preact/signals';
import { onceAFrame } from '../shared/frame';
import { call, HttpError } from '../shared/http';
import { newId } from '../shared/id';
import { askHealth } from '../shared/health';
import { readJson, type Store } from '../shared/storage';
import type { Account } from '../shared/account';
import { readFrame } from './frames';
import { FrameLog } from '../shared/framelog';
import { step } from './machine';
import { chatUrl, openWire, type Wire } from '../shared/socket';
import { initial, isLive, newTurn, type ChatState, type Effect, type Input, type TimerName, type Turn } from './state';

/** An input without its clock and chance: the client adds those. */
type Happening = Input extends infer I ? (I extends Input ? Omit<I, 'at' | 'random'> : never) : never;

export type Sentiment = 'positive' | 'negative';

/** What a reload keeps, and whose it is. */
interface Kept {
  userId: string;
  turns: Turn[];
}

interface Message {
  role?: string;
  run_id?: string;
  content?: string;
}

export class ChatClient {
  private state: ChatState;
  /** Whose the page is, as far as that is known. */
  private whose: string | null;
  private wire: Wire | null = null;
  private readonly timers = new Map<TimerName, ReturnType<typeof setTimeout>>();
  private readonly frames = new FrameLog();
  private readonly paint: () => void;

  /** What the page shows; changes at most once a displayed frame. */
  readonly view;
  readonly log = signal({ entries: this.frames.entries, total: 0, paused: false });

  constructor(private readonly account: Account, private readonly store: Store) {
    this.state = initial(store.get('session') ?? newId(), account.token.value);
    this.whose = account.whose;
    this.state.turns = this.kept();
    store.set('session', this.state.sessionId);
    this.view = signal(this.state);
    this.paint = onceAFrame(() => this.show());
    // What was under way is kept for a reload of this tab, with the position to resume after.
    addEventListener('pagehide', () => this.remember());
    addEventListener('online', () => this.state.link === 'lost' && this.happens({ kind: 'connect' }));
  }

  start(): void {
    this.happens({ kind: 'connect' });
    void this.loadPast();
  }

  happens(what: Happening): void {
    const input = { ...what, at: Date.now(), random: Math.random() } as Input;
    const before = this.state;
    const [next, effects] = step(before, input);
    this.state = next;
    if (next.sessionId !== before.sessionId) this.store.set('session', next.sessionId);
    if (next.auth === 'ok' && before.auth !== 'ok') {
      this.account.known(next.user ?? {});
      this.whose = this.account.userId;
    }
    for (const effect of effects) this.carryOut(effect);
    // What the user did is seen at once; what the model does waits for the next displayed frame.
    if (what.kind === 'frame') this.paint();
    else this.show();
  }

  ask(text: string): void {
    this.happens({ kind: 'ask', id: newId(), text });
  }

  newSession(): void {
    this.happens({ kind: 'session', sessionId: newId() });
    this.remember();
  }

  /** The account has been left already: this is the page's side of it. */
  leave(): void {
    this.frames.clear();
    this.happens({ kind: 'leave', sessionId: newId() });
    this.whose = null;
  }

  /** What somebody thinks of an answer; in place of what he thought before. */
  async think(runId: string, sentiment: Sentiment, comment: string): Promise<boolean> {
    const body = { message_id: runId, sentiment, ...(comment.trim() ? { comment: comment.trim() } : {}) };
    try {
      await this.account.call('/api/v1/feedback', { method: 'POST', body });
      return true;
    } catch (e) {
      const { code, message } = e instanceof HttpError ? e : new HttpError(0, String(e));
      this.happens({ kind: 'problem', code, text: `Feedback: ${message}` });
      return false;
    }
  }

  useToken(token: string | null): void {
    if (this.isOther(this.account.userId)) this.leave();
    const kept = this.kept();
    if (kept.length) this.happens({ kind: 'session', sessionId: this.state.sessionId, turns: [...kept, ...this.state.turns] });
    this.happens({ kind: 'authenticate', token });
    void this.loadPast();
  }

  private isOther(userId: string | null | undefined): boolean {
    return this.whose !== null && typeof userId === 'string' && userId !== this.whose;
  }

  /** What a reload kept, once it is known that it is of who is signed in. */
  private kept(): Turn[] {
    const userId = this.account.userId;
    if (userId === null) return [];
    this.whose = userId;
    const kept = readJson<Kept>(this.store, 'turns');
    this.store.set('turns', null);
    if (kept?.userId !== userId) return [];
    return kept.turns.map((t) => ({ ...newTurn(t.id, t.question, t.askedAt), ...t, sent: false }));
  }

  /** The earlier messages of this session. A session that the server does not know yet has none: not an error. */
  async loadPast(): Promise<void> {
    const { sessionId, token, turns } = this.state;
    if (!token || turns.some((t) => !isLive(t))) return;
    try {
      const body = await call<{ messages?: Message[] }>(`/api/v1/chat/history/${encodeURIComponent(sessionId)}`, { token });
      const messages = (body.messages ?? []).map((m) => ({
        role: m.role ?? 'assistant',
        text: m.content ?? '',
        runId: m.run_id ?? null,
      }));
      this.happens({ kind: 'past', sessionId, messages });
    } catch (e) {
      if (e instanceof HttpError && e.status >= 500) this.happens({ kind: 'problem', code: e.code, text: `History: ${e.message}` });
    }
  }

  pauseLog(paused: boolean): void {
    this.frames.paused = paused;
    this.paint();
  }

  clearLog(): void {
    this.frames.clear();
    this.paint();
  }

  private show(): void {
    this.view.value = this.state;
    this.log.value = { entries: this.frames.entries, total: this.frames.total, paused: this.frames.paused };
  }

  private note(text: string): void {
    this.frames.add('note', text, Date.now());
  }

  private remember(): void {
    // What is nobody's is not kept, and what is kept for somebody waits for him.
    if (this.whose === null) return;
    const kept: Kept = { userId: this.whose, turns: this.state.turns.filter(isLive) };
    if (kept.turns.length) this.store.set('turns', JSON.stringify(kept));
    else if (this.account.userId !== null) this.store.set('turns', null);
  }

  private carryOut(effect: Effect): void {
    switch (effect.do) {
      case 'open':
        return this.open();
      case 'abandon':
        this.note('connection dropped by this page');
        this.wire?.abandon();
        this.wire = null;
        return;
      case 'send': {
        const text = JSON.stringify(effect.frame);
        this.frames.add('out', text, Date.now());
        this.wire?.send(text);
        return;
      }
      case 'timer':
        clearTimeout(this.timers.get(effect.name));
        this.timers.set(effect.name, setTimeout(() => this.happens({ kind: 'timer', name: effect.name }), effect.ms));
        return;
      case 'cancel':
        clearTimeout(this.timers.get(effect.name));
        return;
      case 'token_refused':
        void this.account.refresh().then((ok) => {
          if (ok === 'gone') return;
          if (ok) this.happens({ kind: 'authenticate', token: this.account.token.value });
          else {
            this.account.forget();
            this.happens({ kind: 'not_renewed' });
          }
        });
    }
  }

  private open(): void {
    this.wire?.abandon();
    const wire = openWire(chatUrl('/ws/chat?detail=true'), {
      opened: () => {
        if (this.wire !== wire) return;
        this.note('connected');
        this.happens({ kind: 'opened' });
        // The server may have come back with another model.
        void askHealth();
      },
      message: (text) => {
        if (this.wire !== wire) return;
        this.frames.add('in', text, Date.now());
        const frame = readFrame(text);
        if (!frame) return this.paint();
        if (frame.type === 'auth_success' && this.isOther(frame.user?.id)) {
          // Nothing of who was here before goes with him, his connection neither.
          this.account.known(frame.user!);
          this.leave();
          return this.useToken(this.account.token.value);
        }
        this.happens({ kind: 'frame', frame });
        // Asked by nobody knows whom: not by who signs in next.
        if (frame.type === 'auth_error' && this.whose === null) this.newSession();
      },
      closed: (code) => {
        if (this.wire !== wire) return;
        this.wire = null;
        this.note(`closed with code ${code}`);
        this.happens({ kind: 'closed', code });
      },
    });
    this.wire = wire;
  }
}
