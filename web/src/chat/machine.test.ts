import { describe, expect, it } from 'vitest';
import { readFrame, type ClientFrame, type ServerFrame } from './frames';
import { DROP_GAP, PING_EVERY, PONG_WITHIN, RENEW_EVERY, step } from './machine';
import { initial, isLive, statusWord, type ChatState, type Effect, type Input } from './state';

type Loose = Input extends infer I ? (I extends Input ? Omit<I, 'at' | 'random'> & { at?: number; random?: number } : never) : never;

/** A page without a browser: feeds inputs, keeps the state and every effect. */
class Page {
  s: ChatState;
  effects: Effect[] = [];
  now = 0;
  constructor(token: string | null = 'jwt') {
    this.s = initial('sess', token);
  }
  do(input: Loose): this {
    this.now += 10;
    const [s, effects] = step(this.s, { at: this.now, random: 0.5, ...input } as Input);
    this.s = s;
    this.effects.push(...effects);
    return this;
  }
  frame(frame: ServerFrame | Record<string, unknown>): this {
    return this.do({ kind: 'frame', frame: frame as ServerFrame });
  }
  /** Connected, authenticated. */
  up(): this {
    this.do({ kind: 'connect' }).do({ kind: 'opened' });
    return this.frame({ type: 'auth_success', message: '', user: { name: 'Ada' } });
  }
  token(run_id: string, seq: number, token: string, partial_response: string): this {
    return this.frame({ type: 'token', token, partial_response, run_id, seq });
  }
  /** Frames sent since the last time this was asked. */
  sent(): ClientFrame[] {
    const frames = this.effects.flatMap((e) => (e.do === 'send' ? [e.frame] : []));
    this.effects = [];
    return frames;
  }
  has(effect: Effect): boolean {
    return this.effects.some((e) => JSON.stringify(e) === JSON.stringify(effect));
  }
  turn(i = 0) {
    return this.s.turns[i]!;
  }
}

const asked = (p = new Page().up()) => {
  p.sent();
  return p.do({ kind: 'ask', id: 'm1', text: 'Hello?' });
};

describe('connecting', () => {
  it('authenticates by frame, never by address, and says one of three words', () => {
    const p = new Page();
    expect(statusWord(p.s.link)).toBe('disconnected');
    p.do({ kind: 'connect' });
    expect(statusWord(p.s.link)).toBe('connecting');
    expect(p.has({ do: 'open' })).toBe(true);
    p.do({ kind: 'opened' });
    expect(p.sent()).toEqual([{ type: 'auth', token: 'jwt' }]);
    p.frame({ type: 'auth_success', message: '', user: { name: 'Ada' } });
    expect([p.s.auth, p.s.user?.name, statusWord(p.s.link)]).toEqual(['ok', 'Ada', 'connected']);
  });

  it('lets an unauthenticated message through, so that the server can refuse it', () => {
    const p = new Page(null).do({ kind: 'connect' }).do({ kind: 'opened' });
    p.do({ kind: 'ask', id: 'm1', text: 'Hi' });
    expect(p.sent()).toMatchObject([{ type: 'message', message: 'Hi', session_id: 'sess', message_id: 'm1' }]);
    p.frame({ type: 'error', error: 'Authentication required', code: 'AUTH_REQUIRED' });
    expect(p.turn()).toMatchObject({ phase: 'refused', error: { code: 'AUTH_REQUIRED' } });
    expect(p.s.problems).toHaveLength(1);
  });

  it('holds a question until the token is checked', () => {
    const p = new Page().do({ kind: 'connect' }).do({ kind: 'ask', id: 'm1', text: 'Hi' }).do({ kind: 'opened' });
    expect(p.sent()).toEqual([{ type: 'auth', token: 'jwt' }]);
    p.frame({ type: 'auth_success', message: '' });
    expect(p.sent()).toMatchObject([{ type: 'message', message: 'Hi' }]);
  });

  it('stays open after a refused token, forgets it and asks for another', () => {
    const p = new Page().do({ kind: 'connect' }).do({ kind: 'opened' }).frame({ type: 'auth_error', message: 'Invalid token' });
    expect([p.s.link, p.s.auth, p.s.token]).toEqual(['connected', 'refused', null]);
    expect(p.has({ do: 'token_refused' })).toBe(true);
    p.sent();
    p.do({ kind: 'authenticate', token: 'better' });
    expect(p.sent()).toEqual([{ type: 'auth', token: 'better' }]);
  });

  it('comes back with full jitter under a growing ceiling, and starts anew once a server has answered', () => {
    const p = new Page().do({ kind: 'connect' });
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      p.effects = [];
      p.do({ kind: 'closed', code: 1006, random: 1 });
      waits.push(...p.effects.flatMap((e) => (e.do === 'timer' ? [e.ms] : [])));
      p.do({ kind: 'timer', name: 'retry' });
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]);
    p.do({ kind: 'opened' });
    expect(p.s.attempt).toBe(8);
    p.frame({ type: 'auth_success', message: '' });
    expect(p.s.attempt).toBe(0);
    expect(new Page().up().do({ kind: 'closed', code: 1012, random: 0 }).s.retryAt).toBe(40);
  });

  it('does not come back by itself after 4401 or 1008', () => {
    for (const code of [4401, 1008]) {
      const p = new Page(null).do({ kind: 'connect' }).do({ kind: 'opened' });
      p.effects = [];
      p.do({ kind: 'closed', code });
      expect(p.s.link).toBe('closed');
      expect(p.effects.some((e) => e.do === 'timer')).toBe(false);
      expect(p.s.problems[0]!.code).toBe(`CLOSED_${code}`);
      p.do({ kind: 'authenticate', token: 'jwt' });
      expect(p.has({ do: 'open' })).toBe(true);
    }
  });

  it('notices a connection that died without a word, but only with a server that answers pings', () => {
    const old = new Page().up().do({ kind: 'timer', name: 'ping' });
    expect(old.has({ do: 'timer', name: 'pong', ms: PONG_WITHIN })).toBe(false);
    const p = new Page().up().do({ kind: 'timer', name: 'ping' }).frame({ type: 'pong' });
    p.effects = [];
    p.do({ kind: 'timer', name: 'ping' });
    expect(p.effects).toEqual([
      { do: 'send', frame: { type: 'ping' } },
      { do: 'timer', name: 'ping', ms: PING_EVERY },
      { do: 'timer', name: 'pong', ms: PONG_WITHIN },
    ]);
    p.do({ kind: 'timer', name: 'pong' });
    expect(p.s.link).toBe('lost');
    expect(p.has({ do: 'abandon' })).toBe(true);
  });
});

describe('a turn', () => {
  it('goes from the four steps through text to its ending', () => {
    const p = asked();
    for (const [i, name] of ['starting', 'agent_routing', 'rag_retrieval', 'generating'].entries()) {
      p.frame({ type: 'progress', step: name, message: name, run_id: 'r1', seq: i + 1 });
    }
    p.token('r1', 5, '128', '128').token('r1', 6, ' hp', '128 hp');
    expect(p.turn()).toMatchObject({ phase: 'running', runId: 'r1', seq: 6, text: '128 hp' });
    expect(p.turn().steps).toHaveLength(4);
    const context = { sources: ['a.md'], classified_intent: 'SPECS' };
    p.frame({ type: 'complete', response: '128 hp.', session_id: 'sess', metadata: { agent: 'specs', confidence: 0.9, context }, run_id: 'r1', seq: 7 });
    expect(p.turn()).toMatchObject({ phase: 'completed', text: '128 hp.', agent: 'specs', confidence: 0.9, sources: ['a.md'], intent: 'SPECS' });
  });

  it('works with a server that sends no run_id, seq or metadata', () => {
    const p = asked();
    p.frame({ type: 'token', token: 'a', partial_response: 'a' }).frame({ type: 'token', token: 'b', partial_response: 'ab' });
    p.frame({ type: 'complete', response: 'ab', session_id: 'other' });
    expect(p.turn()).toMatchObject({ phase: 'completed', text: 'ab', confidence: null });
    expect(p.s.sessionId).toBe('other');
  });

  it('appends where the server sends no partial_response', () => {
    const p = asked().token('r1', 5, 'a', '').token('r1', 6, 'b', '');
    expect(p.turn().text).toBe('ab');
  });

  it('ignores what comes twice, late, or for a run that is not shown', () => {
    const p = asked().token('r1', 5, 'a', '').token('r1', 5, 'a', '').token('r1', 4, 'z', '');
    expect(p.turn().text).toBe('a');
    p.token('r2', 9, 'x', 'x');
    expect(p.turn().text).toBe('a');
    p.frame({ type: 'complete', response: 'a', run_id: 'r1', seq: 6 }).token('r1', 7, 'b', 'ab');
    expect(p.turn()).toMatchObject({ phase: 'completed', text: 'a' });
  });

  it('queues: the second question gets the second run', () => {
    const p = asked().do({ kind: 'ask', id: 'm2', text: 'And?' });
    p.token('r1', 5, 'a', 'a').frame({ type: 'complete', response: 'a', run_id: 'r1', seq: 6 }).token('r2', 5, 'b', 'b');
    expect(p.s.turns.map((t) => [t.runId, t.text, t.phase])).toEqual([['r1', 'a', 'completed'], ['r2', 'b', 'running']]);
  });

  it('a full queue refuses the newest question only', () => {
    const p = asked().token('r1', 5, 'a', 'a').do({ kind: 'ask', id: 'm2', text: '2' }).do({ kind: 'ask', id: 'm3', text: '3' });
    p.frame({ type: 'error', error: 'Too many', code: 'QUEUE_FULL' });
    expect(p.s.turns.map((t) => t.phase)).toEqual(['running', 'waiting', 'refused']);
  });

  it('fails with its partial text kept', () => {
    const p = asked().token('r1', 5, 'half', 'half');
    p.frame({ type: 'error', error: 'gone', code: 'PROCESSING_ERROR', run_id: 'r1', seq: 6, partial_response: 'half a', outcome: 'failed' });
    expect(p.turn()).toMatchObject({ phase: 'failed', text: 'half a', error: { code: 'PROCESSING_ERROR', text: 'gone' } });
  });

  it('sends an empty message without making a turn of it', () => {
    const p = asked().token('r1', 5, 'a', 'a');
    p.sent();
    p.do({ kind: 'ask', id: 'm2', text: '  ' });
    expect(p.sent()).toMatchObject([{ type: 'message', message: '  ' }]);
    p.frame({ type: 'error', error: 'Message is required', code: 'EMPTY_MESSAGE' });
    expect(p.s.turns.map((t) => t.phase)).toEqual(['running']);
  });
});

describe('what hangs on an answer', () => {
  it('shows tools and the hand-off, and takes what is not there', () => {
    const p = asked().token('r1', 5, 'a', 'a');
    const context = { tools: [{ name: 'book_appointment', ok: true }, { name: 'x', ok: false }, {}], escalation: { escalation_id: 'ESC-1', message: 'Somebody comes.' } };
    p.frame({ type: 'complete', response: 'a', run_id: 'r1', seq: 6, metadata: { agent: 'maintenance', context } });
    expect(p.turn().tools).toEqual([{ name: 'book_appointment', ok: true }, { name: 'x', ok: false }]);
    expect(p.turn().escalation).toEqual({ id: 'ESC-1', message: 'Somebody comes.' });
    const old = asked().frame({ type: 'complete', response: 'a', metadata: { context: { escalation: null } } });
    expect([old.turn().tools, old.turn().escalation]).toEqual([[], null]);
  });
});

describe('too much, too fast', () => {
  it('says when, and sends again what is asked again', () => {
    const p = asked().do({ kind: 'ask', id: 'm2', text: 'And?' });
    p.frame({ type: 'error', error: 'Slow down', code: 'RATE_LIMITED', message_id: 'm1', retry_after: 5 });
    expect(p.turn()).toMatchObject({ phase: 'refused', error: { code: 'RATE_LIMITED', until: p.now + 5_000 } });
    expect(p.s.problems[0]!.text).toBe('Slow down (again in 5 s)');
    // The server's own sentence says it already.
    const said = 'Too many questions; try again in 30 s';
    expect(asked().frame({ type: 'error', error: said, code: 'RATE_LIMITED', message_id: 'm1', retry_after: 30 }).s.problems[0]!.text).toBe(said);
    expect(p.turn(1).phase).toBe('waiting');
    p.sent();
    p.do({ kind: 'again', id: 'm1' });
    expect(p.sent()).toMatchObject([{ type: 'message', message: 'Hello?', message_id: 'm1' }]);
    expect(p.s.turns.map((t) => [t.id, t.phase])).toEqual([['m2', 'waiting'], ['m1', 'waiting']]);
    p.do({ kind: 'again', id: 'm1' });
    expect(p.sent()).toEqual([]);
  });

  it('without a time says what the server said', () => {
    const p = asked().frame({ type: 'error', error: 'Slow down', code: 'RATE_LIMITED' });
    expect(p.turn().error).toEqual({ code: 'RATE_LIMITED', text: 'Slow down' });
  });
});

describe('a sign-in that runs out', () => {
  const renewals = (p: Page) => p.effects.filter((e) => e.do === 'token_refused').length;

  it('is renewed once, and the run is resumed on the same connection', () => {
    const p = asked().token('r1', 5, 'a', 'a');
    p.effects = [];
    p.frame({ type: 'error', error: 'expired', code: 'TOKEN_EXPIRED' });
    expect([renewals(p), p.s.auth, p.s.problems.length, p.turn().phase]).toEqual([1, 'expired', 0, 'running']);
    // What is asked meanwhile waits; a second word on the same changes nothing.
    p.do({ kind: 'ask', id: 'm2', text: 'And?' }).frame({ type: 'error', error: 'expired', code: 'TOKEN_EXPIRED' });
    expect(renewals(p)).toBe(1);
    expect(p.sent()).toEqual([]);
    p.do({ kind: 'authenticate', token: 'new' }).frame({ type: 'auth_success', message: '' });
    expect(p.sent()).toMatchObject([{ type: 'auth', token: 'new' }, { type: 'resume', run_id: 'r1', after: 5 }, { type: 'message', message_id: 'm2' }]);
  });

  it('asks the user where no new token is to be had, and resumes when he is back', () => {
    const p = asked().token('r1', 5, 'a', 'a').frame({ type: 'error', error: 'expired', code: 'TOKEN_EXPIRED' }).do({ kind: 'not_renewed' });
    expect([p.s.token, p.s.user, p.s.problems[0]!.code]).toEqual([null, null, 'TOKEN_EXPIRED']);
    p.effects = [];
    p.do({ kind: 'closed', code: 4401 });
    expect([p.s.link, p.s.auth, p.s.problems.length]).toEqual(['closed', 'expired', 1]);
    expect(p.effects.some((e) => e.do === 'timer' || e.do === 'open')).toBe(false);
    // Connecting without signing in sends nothing that would only be refused.
    p.do({ kind: 'connect' }).do({ kind: 'opened' });
    expect(p.sent()).toEqual([]);
    p.do({ kind: 'authenticate', token: 'new' }).frame({ type: 'auth_success', message: '' });
    expect(p.sent()).toMatchObject([{ type: 'auth' }, { type: 'resume', run_id: 'r1', after: 5 }]);
  });

  it('closed with 4401 is renewed too, but never in a circle', () => {
    const p = asked().token('r1', 5, 'a', 'a');
    p.effects = [];
    p.do({ kind: 'closed', code: 4401 });
    expect([renewals(p), p.s.link, p.s.auth]).toEqual([1, 'closed', 'expired']);
    p.do({ kind: 'authenticate', token: 'new' });
    expect(p.has({ do: 'open' })).toBe(true);
    p.do({ kind: 'opened' }).frame({ type: 'auth_success', message: '' });
    p.effects = [];
    p.do({ kind: 'closed', code: 4401 });
    expect([renewals(p), p.s.link, p.s.token, p.s.problems.at(-1)!.code]).toEqual([0, 'closed', null, 'TOKEN_EXPIRED']);
    p.now += RENEW_EVERY;
    p.do({ kind: 'authenticate', token: 'newer' }).do({ kind: 'opened' }).frame({ type: 'auth_success', message: '' });
    p.effects = [];
    p.do({ kind: 'closed', code: 4401 });
    expect(renewals(p)).toBe(1);
  });

  it('a new token that met the end of the old connection is shown once more', () => {
    const p = asked().frame({ type: 'error', error: 'expired', code: 'TOKEN_EXPIRED' }).do({ kind: 'authenticate', token: 'new' });
    p.do({ kind: 'closed', code: 4401 });
    expect(p.s.link).toBe('lost');
    p.do({ kind: 'timer', name: 'retry' }).do({ kind: 'opened' });
    expect(p.s.auth).toBe('pending');
    p.do({ kind: 'closed', code: 4401 });
    expect([p.s.link, p.s.token]).toEqual(['closed', null]);
  });

  it('a token that is refused again right away is not renewed again', () => {
    const p = new Page().do({ kind: 'connect' }).do({ kind: 'opened' }).frame({ type: 'auth_error', message: 'Invalid token' });
    p.do({ kind: 'authenticate', token: 'new' }).frame({ type: 'auth_error', message: 'Invalid token' });
    expect(renewals(p)).toBe(1);
  });

  it('on purpose: everything of the user goes, and a fresh connection is nobody\'s', () => {
    const p = asked().token('r1', 5, 'a', 'a').do({ kind: 'past', sessionId: 'sess', messages: [{ role: 'user', text: 'x' }] });
    p.effects = [];
    p.do({ kind: 'leave', sessionId: 'next' });
    expect(p.s).toMatchObject({ token: null, user: null, turns: [], past: [], sessionId: 'next', link: 'connecting' });
    expect(p.effects.map((e) => e.do)).toEqual(['abandon', 'cancel', 'cancel', 'cancel', 'open']);
    p.do({ kind: 'opened' }).frame({ type: 'error', error: 'expired', code: 'TOKEN_EXPIRED' });
    expect([p.sent(), p.s.auth, p.s.problems]).toEqual([[], 'none', []]);
  });
});

describe('stop', () => {
  it('is sent once, and the answer ends cancelled with its partial text', () => {
    const p = asked().token('r1', 5, 'a', 'a');
    p.sent();
    p.do({ kind: 'stop' }).do({ kind: 'stop' });
    expect(p.sent()).toEqual([{ type: 'stop' }]);
    p.frame({ type: 'complete', response: 'a', outcome: 'cancelled', run_id: 'r1', seq: 6 });
    expect(p.turn()).toMatchObject({ phase: 'cancelled', text: 'a' });
  });

  it('pressed while offline is sent right after the resume', () => {
    const p = asked().token('r1', 5, 'a', 'a').do({ kind: 'closed', code: 1006 }).do({ kind: 'stop' });
    p.sent();
    p.do({ kind: 'timer', name: 'retry' }).do({ kind: 'opened' }).frame({ type: 'auth_success', message: '' });
    expect(p.sent().map((f) => f.type)).toEqual(['auth', 'resume', 'stop']);
  });
});

describe('resume', () => {
  it('after a drop waits the gap, then continues after the last seq', () => {
    const p = asked().token('r1', 5, 'a', 'a').token('r1', 6, 'b', 'ab');
    p.effects = [];
    p.do({ kind: 'drop' });
    expect(statusWord(p.s.link)).toBe('disconnected');
    expect(p.has({ do: 'abandon' }) && p.has({ do: 'timer', name: 'retry', ms: DROP_GAP })).toBe(true);
    // The socket that was let go may still report its end: it is not ours any more.
    p.do({ kind: 'closed', code: 1006 });
    expect(p.s.link).toBe('dropped');
    p.sent();
    p.do({ kind: 'timer', name: 'retry' }).do({ kind: 'opened' }).frame({ type: 'auth_success', message: '' });
    expect(p.sent()).toEqual([
      { type: 'auth', token: 'jwt' },
      { type: 'resume', session_id: 'sess', run_id: 'r1', after: 6 },
    ]);
    p.token('r1', 9, 'e', 'abcde').frame({ type: 'complete', response: 'abcde', run_id: 'r1', seq: 10 });
    expect(p.turn()).toMatchObject({ phase: 'completed', text: 'abcde', resumes: 1 });
  });

  it('asks again, under the same id, what was never acknowledged', () => {
    const p = asked().do({ kind: 'ask', id: 'm2', text: 'And?' }).token('r1', 5, 'a', 'a').do({ kind: 'closed', code: 1006 });
    p.sent();
    p.do({ kind: 'timer', name: 'retry' }).do({ kind: 'opened' }).frame({ type: 'auth_success', message: '' });
    expect(p.sent().slice(1)).toEqual([
      { type: 'resume', session_id: 'sess', run_id: 'r1', after: 5 },
      { type: 'message', message: 'And?', session_id: 'sess', message_id: 'm2' },
    ]);
  });

  it('that is refused ends the turn and keeps its text', () => {
    const p = asked().token('r1', 5, 'a', 'a').do({ kind: 'drop' }).do({ kind: 'timer', name: 'retry' }).do({ kind: 'opened' });
    p.frame({ type: 'auth_success', message: '' }).frame({ type: 'error', error: 'No such run', code: 'RUN_NOT_FOUND' });
    expect(p.turn()).toMatchObject({ phase: 'failed', text: 'a', error: { code: 'RUN_NOT_FOUND' } });
  });

  it('an error about something else leaves a resumed run alone', () => {
    const p = asked().token('r1', 5, 'a', 'a').do({ kind: 'drop' }).do({ kind: 'timer', name: 'retry' }).do({ kind: 'opened' });
    p.frame({ type: 'auth_success', message: '' }).token('r1', 6, 'b', 'ab').frame({ type: 'error', error: '?', code: 'INVALID_MESSAGE' });
    expect(p.turn().phase).toBe('running');
  });

  it('nothing is resumed when nothing was under way', () => {
    const p = asked().token('r1', 5, 'a', 'a').frame({ type: 'complete', response: 'a', run_id: 'r1', seq: 6 }).do({ kind: 'drop' });
    p.sent();
    p.do({ kind: 'timer', name: 'retry' }).do({ kind: 'opened' }).frame({ type: 'auth_success', message: '' });
    expect(p.sent().map((f) => f.type)).toEqual(['auth']);
  });

  it('after every possible drop point the text is whole and shown once', () => {
    const words = ['one', ' two', ' three', ' four', ' five'];
    for (let cut = 0; cut <= words.length; cut++) {
      const p = asked();
      const from = (after: number) => {
        for (const [i, w] of words.entries()) {
          if (i + 5 > after) p.token('r1', i + 5, w, words.slice(0, i + 1).join(''));
        }
      };
      for (const [i, w] of words.slice(0, cut).entries()) p.token('r1', i + 5, w, words.slice(0, i + 1).join(''));
      p.do({ kind: 'drop' }).do({ kind: 'timer', name: 'retry' }).do({ kind: 'opened' }).frame({ type: 'auth_success', message: '' });
      const resume = p.sent().find((f) => f.type === 'resume');
      from(resume?.type === 'resume' ? resume.after : 0);
      p.frame({ type: 'complete', response: '', run_id: 'r1', seq: 20 });
      expect(p.turn().text).toBe('one two three four five');
      expect(p.s.turns.filter(isLive)).toHaveLength(0);
    }
  });
});

describe('history', () => {
  it('leaves out what the live turn shows', () => {
    const p = asked();
    const messages = [{ role: 'user', text: 'Before' }, { role: 'assistant', text: 'Yes' }, { role: 'user', text: 'Hello?' }, { role: 'assistant', text: 'par' }];
    p.do({ kind: 'past', sessionId: 'sess', messages });
    expect(p.s.past).toEqual(messages.slice(0, 2));
    p.do({ kind: 'past', sessionId: 'elsewhere', messages: [] });
    expect(p.s.past).toHaveLength(2);
  });
});

describe('readFrame', () => {
  it('takes what it knows and nothing else', () => {
    expect(readFrame('{"type":"token","token":"a","partial_response":"a","new_key":1}')).toMatchObject({ type: 'token' });
    for (const bad of ['', 'null', '[]', '7', '{"type":7}', '{"type":"weather"}', '{"type":"token"}', '{"type":"constructor"}', '{"type":"complete","response":null}']) {
      expect(readFrame(bad)).toBeNull();
    }
  });
});

describe('what stands around an answer', () => {
  it('thoughts gather beside the text, once, also over a resume', () => {
    const p = asked();
    const thinks = (seq: number, text: string) => p.frame({ type: 'reasoning', text, run_id: 'r', seq });
    thinks(4, 'hm ');
    expect(p.turn()).toMatchObject({ phase: 'running', runId: 'r', seq: 4, thought: 'hm ', text: '' });
    thinks(4, 'hm ');
    p.do({ kind: 'drop' }).do({ kind: 'timer', name: 'retry' }).do({ kind: 'opened' });
    p.frame({ type: 'auth_success', message: '' });
    thinks(5, 'so');
    p.token('r', 6, 'Yes', 'Yes');
    const model = { provider: 'p', model: 'm', usage: { input_tokens: 4 } };
    const cited = { url: 'https://example.org' };
    p.frame({ type: 'complete', response: 'Yes', run_id: 'r', seq: 7, metadata: { context: { citations: [cited, cited, 5], model } } });
    expect(p.turn()).toMatchObject({ phase: 'completed', thought: 'hm so', text: 'Yes', citations: [cited], model: 'p · m', usage: { input_tokens: 4 } });
  });

  it('a run that failed may be tried again where the server says so, and not before', () => {
    const failed = (more: object) =>
      asked().token('r', 4, 'half', 'half').frame({ type: 'error', error: 'no', code: 'PROCESSING_ERROR', run_id: 'r', seq: 5, ...more });
    const p = failed({ recoverable: true, retry_after: 3 });
    expect(p.turn()).toMatchObject({ phase: 'failed', text: 'half', error: { again: true, until: p.now + 3_000 } });
    expect(failed({ recoverable: false }).turn().error?.again).toBeUndefined();
    expect(failed({}).turn().error?.again).toBeUndefined();
  });
});
