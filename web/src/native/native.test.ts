import { describe, expect, it } from 'vitest';
import { describe as say, readEvent, type RunEvent } from './events';
import { Follow, type FollowState, type Outside } from './follow';
import { emptyView, fold, MAX_ROWS } from './view';

const event = (seq: number, type = 'token', more: object = { text: `w${seq} ` }): RunEvent => ({ run_id: 'r', seq, type, ...more });

describe('view', () => {
  it('adds up text and ending, and counts what is missing or doubled', () => {
    let v = fold(emptyView(0), [event(1, 'run_started', {}), event(2), event(3)]);
    v = fold(v, [event(3), event(6), event(7, 'run_ended', { outcome: 'failed', error: { code: 'X', message: 'y' } })]);
    expect(v).toMatchObject({ seq: 7, text: 'w2 w3 w6 ', missing: 2, repeated: 1, outcome: 'failed', error: 'X: y' });
  });

  it('from a position counts from there, and keeps its table bounded', () => {
    const v = fold(emptyView(10), Array.from({ length: 1_000 }, (_, i) => event(i + 11)));
    expect([v.missing, v.repeated, v.rows.length, v.seq]).toEqual([0, 0, MAX_ROWS, 1_010]);
  });
});

describe('what stands around an answer', () => {
  it('thoughts are no text, sources stand once, and the ending says what was used', () => {
    const cited = { url: 'https://example.com', title: 'A' };
    const v = fold(emptyView(0), [
      event(1, 'model_started', { provider: 'p', model: 'm' }),
      event(2, 'reasoning', { text: 'hm ' }),
      event(3, 'reasoning', { text: 'so' }),
      event(4),
      event(5, 'cited', cited),
      event(6, 'cited', cited),
      event(7, 'cited', { url: 7 }),
      event(8, 'run_ended', { outcome: 'completed', usage: { input_tokens: 5 } }),
    ]);
    expect(v).toMatchObject({ text: 'w4 ', thought: 'hm so', citations: [cited], model: 'p · m', usage: { input_tokens: 5 }, again: null });
  });

  it('a failure that passes may be tried again, from when the server said', () => {
    const ended = (error: object) => fold(emptyView(0), [event(1, 'run_ended', { at: 1_000, outcome: 'failed', error })]).again;
    expect(ended({ code: 'x', recoverable: true, retry_after: 2 })).toEqual({ until: 3_000 });
    expect(ended({ code: 'x', recoverable: true })).toEqual({});
    expect(ended({ code: 'x', recoverable: false })).toBeNull();
    expect(ended({ code: 'x' })).toBeNull();
  });
});

describe('events', () => {
  it('unknown ones are shown raw, broken ones not at all', () => {
    expect(say(event(1, 'weather', { sky: 'blue' }))).toBe('{"sky":"blue"}');
    expect(say(event(1, 'routed', { agent: 'specs', intent: 'SPECS', confidence: 0.5 }))).toBe('specs · SPECS · confidence 0.50');
    expect(say(event(1, 'retrieved', { sources: [{ source: 'a.md', heading: 'H', score: 0.9 }] }))).toBe('a.md › H (0.90)');
    expect(say(event(1, 'retrieved', { sources: null }))).toBe('');
    expect(say(event(1, 'tool_called', { call_id: 'c', name: 'book', arguments: { service: 'oil', slot: 9 } }))).toBe('book(service: "oil", slot: 9)');
    expect(say(event(1, 'tool_called', { name: 'slots', arguments: {} }))).toBe('slots()');
    expect(say(event(1, 'tool_returned', { name: 'book', ok: true, result: { id: 'APT-1' } }))).toBe('✓ book: {"id":"APT-1"}');
    expect(say(event(1, 'tool_returned', { name: 'book', ok: false, result: { error: 'taken' } }))).toBe('✕ book: {"error":"taken"}');
    expect(
      say(event(1, 'escalated', { escalation_id: 'ESC-1', status: 'queued', reason: 'user_request', estimated_wait_time: null, agent_name: null, message: 'Wait.' })),
    ).toBe('ESC-1 · queued · user request · Wait.');
    expect(say(event(1, 'reasoning', { text: 'hm' }))).toBe('hm');
    expect(say(event(1, 'cited', { url: 'https://e.org', title: 'T', quote: 'Q' }))).toBe('T · https://e.org · “Q”');
    expect(say(event(1, 'model_started', { provider: 'p', model: 'm', estimated_input_tokens: 9 }))).toBe('p · m · about 9 tokens in');
    expect(say(event(1, 'run_ended', { outcome: 'cancelled', usage: { output_tokens: 3, estimated: true } }))).toBe('cancelled · about 3 out');
    expect(readEvent('{"type":"token"}')).toBeNull();
    expect(readEvent('nope')).toBeNull();
  });
});

describe('Follow', () => {
  const wire = (...events: RunEvent[]) => events.map((e) => `id: c${e.seq}\ndata: ${JSON.stringify(e)}\n\n`).join(': hb\n');
  type Answer = string | Response | 'down' | 'hang';

  /** Gives the answers one after another; records what was asked. */
  function outside(answers: Answer[]) {
    const asked: { path: string; cursor: string | null }[] = [];
    const slept: number[] = [];
    const io: Outside = {
      fetch: async (path, init) => {
        asked.push({ path: String(path), cursor: new Headers(init?.headers).get('last-event-id') });
        const answer = answers.shift();
        if (answer === undefined || answer === 'down') throw new TypeError('network');
        if (answer !== 'hang') return typeof answer === 'string' ? new Response(answer) : answer;
        // Some events, then silence until the reader lets go.
        const body = new ReadableStream<Uint8Array>({
          start(c) {
            c.enqueue(new TextEncoder().encode(wire(event(1), event(2))));
            init?.signal?.addEventListener('abort', () => c.error(new Error('aborted')));
          },
        });
        return new Response(body);
      },
      random: () => 1,
      sleep: async (ms) => void slept.push(ms),
    };
    return { io, asked, slept };
  }

  async function watch(answers: Answer[], after = 0, onEvents?: (f: Follow) => void) {
    const { io, asked, slept } = outside(answers);
    const seen: number[] = [];
    const states: FollowState[] = [];
    let why = '';
    const f: Follow = new Follow(
      {
        run_id: 'r', token: 't', after,
        onEvents: (es) => (seen.push(...es.map((e) => e.seq)), onEvents?.(f)),
        onState: (s, w) => (states.push(s), (why = w ?? why)),
      },
      io,
    );
    await f.run();
    return { seen, states, asked, slept, why, f };
  }

  it('an end of the stream without run_ended is a lost connection: it goes on after the cursor', async () => {
    const r = await watch([wire(event(1), event(2)), 'down', wire(event(3), event(4, 'run_ended', { outcome: 'completed' }))]);
    expect(r.seen).toEqual([1, 2, 3, 4]);
    expect(r.asked).toEqual([
      { path: '/api/runs/r/events', cursor: null },
      { path: '/api/runs/r/events', cursor: 'c2' },
      { path: '/api/runs/r/events', cursor: 'c2' },
    ]);
    expect(r.states.at(-1)).toBe('ended');
    expect(r.f.resumes).toBe(1);
    expect(r.slept).toEqual([500, 1000]);
  });

  it('begins after a number, then trusts the cursor', async () => {
    const r = await watch([wire(event(8)), wire(event(9, 'run_ended', {}))], 7);
    expect(r.asked.map((a) => [a.path, a.cursor])).toEqual([['/api/runs/r/events?after=7', null], ['/api/runs/r/events', 'c8']]);
  });

  it('drop waits a second and resumes', async () => {
    let first = true;
    const r = await watch(['hang', wire(event(3, 'run_ended', {}))], 0, (f) => {
      if (first) f.drop();
      first = false;
    });
    expect(r.seen).toEqual([1, 2, 3]);
    expect(r.slept).toEqual([1_000]);
    expect(r.states).toEqual(['connecting', 'live', 'dropped', 'connecting', 'live', 'ended']);
  });

  it('does not insist on what is refused, and does on what passes', async () => {
    const r = await watch([new Response('{}', { status: 503 }), Response.json({ error: { code: 'CURSOR_AHEAD', message: 'no' } }, { status: 409 })]);
    expect(r.states.at(-1)).toBe('refused');
    expect(r.why).toBe('CURSOR_AHEAD: no');
    expect(r.asked).toHaveLength(2);
  });
});
