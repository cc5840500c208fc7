import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { tooLong } from '../shared/bytes';
import { waitFor } from './client';
import { chatStream, type Input, step } from './lesson';
import { abilities, inside, type Kept, keep, newTurn, restored, start, type State, SUBJECT_BYTES, textOf } from './state';

/** A page without a browser. */
class Page {
  s: State = start('bio');
  now = 1000;
  do(...inputs: Input[]): this {
    for (const input of inputs) this.s = step(this.s, input, (this.now += 10));
    return this;
  }
  frame(type: string, data: Record<string, unknown> = {}): this {
    return this.do({ kind: 'frame', text: JSON.stringify({ type, data: { timestamp: 1, ...data } }) });
  }
  /** A frame of the stream of message `m1` in this session. */
  of(type: string, seq: number, more: Record<string, unknown> = {}): this {
    return this.frame(type, { message_id: 'm1', session_id: 'bio', seq, ...more });
  }
  /** A reload of the tab: what was kept goes through its storage. */
  reload(): this {
    this.s = restored(JSON.parse(JSON.stringify(keep(this.s))) as Kept);
    return this;
  }
  up(): this {
    return this.do({ kind: 'connecting' }, { kind: 'opened' }).frame('connect', { user_id: 'ann' });
  }
  ask(id = 'm1'): this {
    return this.do({ kind: 'ask', id, text: 'Why?', subject: 'biology', reasoning: true, documents: false }, { kind: 'sent', id });
  }
  begun(): this {
    return this.of('stream_start', 2, { ai_message_id: 'run_1', metadata: { provider: 'gemini', category: 'research', estimated_tokens: 40 } });
  }
  say(seq: number, content: string, is_code = false): this {
    return this.of('content_chunk', seq, { content, is_code });
  }
  /** A piece of an event whose last one has its number. */
  piece(content: string, is_code = false): this {
    return this.frame('content_chunk', { message_id: 'm1', session_id: 'bio', content, is_code });
  }
  get t() {
    return this.s.turns[0]!;
  }
}

describe('a stream', () => {
  it('is understood, felt, thought and written, and ends with what it took', () => {
    const p = new Page().up().ask().begun();
    p.of('context_info', 3, { context: { recent_messages_used: 4, relevant_messages_used: 1, semantic_search_enabled: true, rag_enabled: true, rag_sources: ['a.md', 7] } });
    p.of('emotion_update', 4, { emotion: { primary_emotion: 'curiosity', arousal: 7, valence: -0.25, learning_readiness: 'high_readiness' } });
    p.of('thinking_chunk', 5, { reasoning_step: { step_number: 1, thinking_mode: 'analytical', description: 'A leaf', confidence: null } });
    p.say(6, 'Because ').piece('```\nx\n', true).say(7, 'so.');
    expect(p.t).toMatchObject({ phase: 'running', provider: 'gemini', category: 'research', estimated: 40, runId: 'run_1', seq: 7 });
    expect(p.t.used).toEqual({ recent: 4, relevant: 1, semantic: true, rag: true, sources: ['a.md'] });
    expect(p.t.feeling).toEqual({ emotion: 'curiosity', arousal: 1, valence: -0.25, readiness: 'high_readiness' });
    expect(p.t.thoughts).toEqual([{ n: 1, mode: 'analytical', text: 'A leaf', confidence: null }]);
    expect(p.t.pieces).toEqual([{ code: false, text: 'Because ' }, { code: true, text: '```\nx\n' }, { code: false, text: 'so.' }]);
    const ability_updated = { subject: 'biology', new_ability: 0.53, confidence: 0.2 };
    p.of('stream_complete', 9, { full_content: textOf(p.t), metadata: { provider_used: 'gemini', response_time_ms: 1698, tokens_used: 42, cost: 0.0003, ability_updated } });
    expect(p.t).toMatchObject({ phase: 'completed', tokens: 42, cost: 0.0003, ms: 1698, ability: { subject: 'biology', level: 0.53, confidence: 0.2 } });
    expect(p.t.pieces).toHaveLength(3);
  });

  it('shows what came twice once, and pieces of one event all', () => {
    const p = new Page().up().ask().begun().piece('a').say(5, 'b', true).say(6, 'c');
    p.do({ kind: 'closed', code: 1006, reason: '' }).up();
    p.piece('a').say(5, 'b', true).say(6, 'c').say(7, 'd');
    expect(textOf(p.t)).toBe('abcd');
    expect(p.t.resumes).toBe(1);
  });

  it('begins again where it is told from its beginning once more', () => {
    const p = new Page().up().ask().begun().say(5, 'one ').say(6, 'two ');
    p.do({ kind: 'closed', code: 1006, reason: '' }).up().begun().say(7, 'one two three');
    expect(textOf(p.t)).toBe('one two three');
  });

  it('is whole at its end, whatever was lost on the way', () => {
    const p = new Page().up().ask().begun().say(5, 'a');
    p.of('stream_complete', 9, { full_content: 'abc', metadata: {} });
    expect(textOf(p.t)).toBe('abc');
    p.of('stream_error', 10, { error: { code: 'X', message: 'late' } });
    expect(p.t.phase).toBe('completed');
  });

  it('fails with what was written, and says when to ask again', () => {
    const p = new Page().up().ask().begun().say(5, 'a');
    p.of('stream_error', 9, { error: { code: 'AI_PROVIDER_UNAVAILABLE', message: 'broke', recoverable: true, details: { retry_after: 3 } }, partial_content: '' });
    expect(p.t).toMatchObject({ phase: 'failed', error: { code: 'AI_PROVIDER_UNAVAILABLE', text: 'broke', again: true, until: p.now + 3000 } });
    expect(textOf(p.t)).toBe('a');
  });

  it('is stopped, with or without a word; an unknown price is none', () => {
    const p = new Page().up().ask().begun().say(5, 'a').do({ kind: 'stop', id: 'm1' });
    expect(p.t.stopping).toBe(true);
    p.frame('stop_acknowledged', { message_id: 'm1' });
    expect(p.t.phase).toBe('running');
    p.of('generation_stopped', 9, { partial_content: 'a', metadata: { tokens_used: 3, cost: 0, cost_unknown: true, stopped_at_ms: 5 } });
    expect(p.t).toMatchObject({ phase: 'stopped', stopping: false, tokens: 3, cost: null });
    const q = new Page().do({ kind: 'ask', id: 'm1', text: 'x', subject: '', reasoning: false, documents: false }, { kind: 'stop', id: 'm1' });
    expect(q.t.phase).toBe('stopped');
    const r = new Page().up().ask().do({ kind: 'stop', id: 'm1' }).frame('stop_acknowledged', { message_id: 'm1', already_completed: true });
    expect(r.t.phase).toBe('stopped');
  });
});

describe('a reload', () => {
  const past = (answer?: object): Input => ({
    kind: 'past', sessionId: 'bio', older: false,
    messages: [{ id: 'm1', role: 'user', content: 'Why?', run_id: 'run_1' }, ...(answer ? [{ id: 'run_1', role: 'assistant', run_id: 'run_1', ...answer }] : [])],
  });

  it('shows the running answer again, asks for what comes behind it, and goes on', () => {
    const p = new Page().up().ask().begun().say(5, 'one ').say(6, 'two ').do({ kind: 'join', joined: true }).reload();
    expect(p.s).toMatchObject({ sessionId: 'bio', userId: 'ann', joined: true, link: 'disconnected' });
    expect([textOf(p.t), p.t.phase, chatStream(p.s, p.t).after]).toEqual(['one two ', 'running', 6]);
    p.up().do(past()).say(6, 'two ').say(7, 'three');
    expect(p.s.turns).toHaveLength(1);
    expect([textOf(p.t), p.t.resumes]).toEqual(['one two three', 1]);
  });
  it('keeps nothing that is over, and nothing of somebody else', () => {
    const p = new Page().up().ask().begun().of('stream_complete', 9, { full_content: 'x', metadata: {} }).ask('m2');
    expect(p.reload().s.turns.map((t) => t.id)).toEqual(['m2']);
    expect(p.do({ kind: 'connecting' }, { kind: 'opened' }).frame('connect', { user_id: 'eve' }).s.turns).toEqual([]);
  });
  it('keeps what was asked elsewhere as long as something is heard of it', () => {
    const p = new Page().up().begun().say(5, 'a').reload();
    expect([p.t.question, textOf(p.t)]).toEqual([null, 'a']);
    expect(p.up().reload().s.turns).toEqual([]);
  });
  it('loses nothing that was on its way to the connection before', () => {
    // The server goes on where it had written to, and then where the page says that it is.
    const p = new Page().up().ask().begun().say(5, 'one ').reload().up();
    p.say(8, 'four ').say(6, 'two ').say(7, 'three ').say(8, 'four ').say(9, 'five');
    expect(textOf(p.t)).toBe('one two three four five');
  });
  it('goes back to what was here, also where it was told from the beginning first', () => {
    const p = new Page().up().ask().begun().say(5, 'one ').say(6, 'two ').do({ kind: 'closed', code: 1006, reason: '' }).up();
    p.begun().say(5, 'one ').say(6, 'two ').say(7, 'three ').say(8, 'four ').say(7, 'three ').say(8, 'four ').say(9, 'five');
    expect(textOf(p.t)).toBe('one two three four five');
  });
  it('goes back before what is told again in one piece', () => {
    const p = new Page().up().ask().begun().say(5, 'one ').reload().up().say(8, 'four ').say(8, 'two three four ').say(9, 'five');
    expect(textOf(p.t)).toBe('one two three four five');
  });
  it('goes back before an event of several pieces, and shows all of them', () => {
    const p = new Page().up().ask().begun().say(5, 'one ').reload().up().say(8, 'four ');
    p.piece('```\n').say(6, 'x\n', true).piece('y\n').say(7, 'z ').piece('fo').say(8, 'ur ');
    expect(textOf(p.t)).toBe('one ```\nx\ny\nz four ');
    expect(p.t.pieces).toMatchObject([{ code: false }, { code: true, text: 'x\n' }, { code: false }]);
  });
  it('shows nothing twice of an event of several pieces that it has', () => {
    const p = new Page().up().ask().begun().piece('on').say(5, 'e ').say(6, 'two ').do({ kind: 'closed', code: 1006, reason: '' }).up();
    p.piece('on').say(5, 'e ').piece('tw').say(6, 'o ').piece('thr').say(7, 'ee');
    expect(textOf(p.t)).toBe('one two three');
  });
  it('keeps a text once, however long it is', () => {
    const p = new Page().up().ask().begun().say(5, 'x'.repeat(10_000)).reload().up().say(6, 'y'.repeat(10_000));
    expect(JSON.stringify(keep(p.s)).length).toBeLessThan(21_000);
    expect(textOf(p.reload().t)).toHaveLength(20_000);
  });
  it('shows a piece of an event that was not whole once', () => {
    const p = new Page().up().ask().begun().say(5, 'a ').piece('b ');
    expect(textOf(p.t)).toBe('a b ');
    p.reload().up().say(6, 'b c');
    expect(textOf(p.t)).toBe('a b c');
  });
  it('follows an answer that the history told of before its room did', () => {
    const p = new Page().up().do(past());
    expect(p.t).toMatchObject({ question: 'Why?', phase: 'completed', pieces: [] });
    p.begun().say(5, 'a');
    expect([p.s.turns.length, p.t.phase, textOf(p.t)]).toEqual([1, 'running', 'a']);
    p.of('stream_complete', 9, { full_content: 'a', metadata: {} }).begun();
    expect(p.t.phase).toBe('completed');
  });
  it('has the line of the ability out of the history', () => {
    const p = new Page().up().do(past({ content: 'x', ability_updated: { subject: 'biology', new_ability: 0.53, confidence: 0.2 } }));
    expect(abilities(p.s.turns)).toEqual([{ subject: 'biology', levels: [0.53], confidence: 0.2 }]);
    expect(new Page().up().do(past({ content: 'x' })).t.ability).toBeNull();
  });
});

describe('what a question asks for', () => {
  it('says the same message again behind what is here', () => {
    const t = { ...newTurn('m1', 'Why?', 0), subject: 'biology', reasoning: true };
    const s = start('bio');
    expect(chatStream(s, t)).toEqual({ message_id: 'm1', session_id: 'bio', message: 'Why?', context: { subject: 'biology', enable_reasoning: true, enable_rag: false } });
    expect(chatStream(s, { ...t, seq: 7 })).toMatchObject({ after: 7 });
  });
  it('has a subject of as many bytes as the server takes, whatever the letters', () => {
    const found = /"subject": \{[^}]*"maxLength": (\d+)/.exec(readFileSync('../docs/openapi.json', 'utf8'));
    expect(SUBJECT_BYTES).toBe(Number(found?.[1]));
    expect(tooLong('é'.repeat(50), SUBJECT_BYTES)).toBe('');
    expect(tooLong('é'.repeat(51), SUBJECT_BYTES)).toMatch(/102 bytes, and 100 are the most/);
  });
  it('waits as the original does', () => {
    expect([0, 1, 2, 3, 50].map(waitFor)).toEqual([1000, 2000, 4000, 5000, 5000]);
  });
});

describe('a refusal', () => {
  it('is of the question that it names, or of the page', () => {
    const p = new Page().up().ask();
    p.frame('error', { message: 'Slow down.', code: 'RATE_LIMIT_EXCEEDED', retry_after: 2, message_id: 'm1', session_id: 'bio' });
    expect(p.t).toMatchObject({ phase: 'failed', error: { code: 'RATE_LIMIT_EXCEEDED', again: true } });
    p.frame('error', { message: 'Slow down.', code: 'RATE_LIMIT_EXCEEDED', retry_after: 2 });
    expect(p.s.problems[0]).toMatchObject({ code: 'RATE_LIMIT_EXCEEDED', text: 'Slow down. (again in 2 s)' });
    p.do({ kind: 'frame', text: 'nonsense' });
    expect(p.s.problems[0]!.code).toBe('NOT_JSON');
    for (const text of ['null', '[]', '{}', '{"type":7,"data":null}', '{"type":"content_chunk"}']) p.do({ kind: 'frame', text });
    expect(p.s.turns).toHaveLength(1);
  });
});

describe('a room', () => {
  it('knows who came, who types and who left, and not oneself', () => {
    const p = new Page().up().do({ kind: 'join', joined: true });
    const bob = { user_id: 'bob', session_id: 'bio' };
    p.frame('user_joined', bob).frame('user_joined', { user_id: 'ann', session_id: 'bio' }).frame('user_joined', { user_id: 'eve', session_id: 'other' });
    expect(p.s.people).toEqual([{ id: 'bob', here: true, typing: false }]);
    p.frame('typing_indicator', { ...bob, isTyping: true });
    expect(p.s.people[0]!.typing).toBe(true);
    expect(p.do({ kind: 'typed_out', person: 'bob' }).s.people[0]!.typing).toBe(false);
    p.frame('user_left', bob);
    expect(p.s.people[0]!.here).toBe(false);
    expect(p.do({ kind: 'join', joined: false }).s.people).toEqual([]);
  });
  it('shows a question of another window, whose words come with the history', () => {
    const p = new Page().up().begun().say(5, 'Because');
    expect(p.t).toMatchObject({ question: null, phase: 'running' });
    p.do({ kind: 'past', sessionId: 'bio', older: false, messages: [{ id: 'm1', role: 'user', content: 'Why?', run_id: 'run_1' }] });
    expect(p.s.turns).toHaveLength(1);
    expect(p.t).toMatchObject({ question: 'Why?', phase: 'running' });
    expect(new Page().up().frame('content_chunk', { message_id: 'x', session_id: 'other', content: 'n', seq: 1 }).s.turns).toEqual([]);
  });
});

describe('the history', () => {
  it('stands before what the page has seen, each turn once', () => {
    const p = new Page().up().ask('m2');
    const messages = [
      { id: 'm1', role: 'user', content: 'First?', run_id: 'run_1', emotion_state: { primary_emotion: 'joy', arousal: 0.5, valence: 0.5, learning_readiness: 'high_readiness' } },
      { id: 'run_1', role: 'assistant', content: 'Yes.', run_id: 'run_1', provider_used: 'gemini', response_time_ms: 7, cost: 0.1 },
      { id: 'm2', role: 'user', content: 'Why?', run_id: 'run_2' },
    ];
    p.do({ kind: 'past', sessionId: 'bio', messages, older: true });
    expect(p.s.turns.map((t) => [t.id, t.phase])).toEqual([['m1', 'completed'], ['m2', 'asked']]);
    expect(p.t).toMatchObject({ question: 'First?', provider: 'gemini', ms: 7, cost: 0.1, feeling: { emotion: 'joy' } });
    expect(p.s.older).toBe(true);
    expect(p.do({ kind: 'past', sessionId: 'gone', messages: [], older: false }).s.older).toBe(true);
  });
  it('is nobody else’s', () => {
    const p = new Page().up().ask();
    expect(p.frame('connect', { user_id: 'eve' }).s.turns).toEqual([]);
    const q = new Page().up().ask().do({ kind: 'signed_out', forget: true });
    expect([q.s.turns, q.s.userId, q.s.signedOut]).toEqual([[], null, true]);
    expect(new Page().up().ask().do({ kind: 'signed_out', forget: false }).s.turns).toHaveLength(1);
  });
});

describe('code and ability', () => {
  it('is what stands between the fences', () => {
    expect(inside('```python\nx = 1\n```\n')).toEqual({ language: 'python', code: 'x = 1' });
    expect(inside('\n\n- ```js\n  x\n  ```')).toEqual({ language: 'js', code: '  x' });
    expect(inside('~~~\na\n```\nb\n~~~')).toEqual({ language: '', code: 'a\n```\nb' });
    expect(inside('```js\nhalf')).toEqual({ language: 'js', code: 'half' });
    expect(inside('    indented\n')).toEqual({ language: '', code: '    indented\n' });
    expect(inside('```\n```')).toEqual({ language: '', code: '' });
  });
  it('is a line by subject, the last changed first', () => {
    const at = (id: string, subject: string, level: number) => ({ ...newTurn(id, 'q', 0), ability: { subject, level, confidence: 0.2 } });
    const all = abilities([at('1', 'a', 0.5), at('2', 'b', 0.4), at('3', 'a', 0.6), newTurn('4', 'q', 0)]);
    expect(all).toEqual([{ subject: 'a', levels: [0.5, 0.6], confidence: 0.2 }, { subject: 'b', levels: [0.4], confidence: 0.2 }]);
  });
});
