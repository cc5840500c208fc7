import { describe, expect, it } from 'vitest';
import { fullJitter } from './backoff';
import { explain } from './http';
import { SseParser } from './sse';
import { memoryStore, readJson } from './storage';
import { MAX_CITATIONS, readCitation, usageDetail, usageText, withCitation, type Citation } from './usage';

describe('fullJitter', () => {
  it('is between nothing and the ceiling', () => {
    expect(fullJitter(0, 0)).toBe(0);
    expect(fullJitter(3, 1)).toBe(4_000);
    expect(fullJitter(1_000, 1)).toBe(15_000);
  });
});

describe('usage', () => {
  it('is said in a few words, and "about" where it is an estimate', () => {
    expect(usageText({ input_tokens: 412, output_tokens: 96, cost_usd: 0.0021 })).toBe('412 in, 96 out, $0.0021');
    expect(usageText({ input_tokens: 12_345, output_tokens: 0, estimated: true })).toBe('about 12,345 in, 0 out');
    expect([0, 0.000000123, 0.00001, 0.5, 12.345].map((cost_usd) => usageText({ cost_usd }))).toEqual(['$0', '$0.00000012', '$0.000010', '$0.5000', '$12.35']);
    expect([usageText(null), usageText({}), usageText({ input_tokens: 'x' as never })]).toEqual(['', '', '']);
    expect(usageDetail({ cached_tokens: 5, estimated: true })).toBe('5 of the prompt from a cache; estimated: the provider did not say');
  });

  it('citations are read carefully, once each, and so many at most', () => {
    expect(readCitation({ url: '', title: 'T', quote: 5 })).toEqual({ title: 'T' });
    expect([readCitation(null), readCitation({}), readCitation('x')]).toEqual([null, null, null]);
    let list: Citation[] = [];
    for (let i = 0; i < 2 * MAX_CITATIONS; i++) list = withCitation(withCitation(list, { title: `${i}` }), { title: `${i}` });
    expect(list).toHaveLength(MAX_CITATIONS);
  });
});

describe('SseParser', () => {
  const stream = '\uFEFF: hb\nid: c1\ndata: {"a":1}\n\n: hb\n\nid:c2\r\nevent: e\r\ndata: x\r\ndata: y\r\n\r\ndata: kept id\n\n';
  const events = [
    { id: 'c1', event: 'message', data: '{"a":1}' },
    { id: 'c2', event: 'e', data: 'x\ny' },
    { id: 'c2', event: 'message', data: 'kept id' },
  ];

  it('gives the same events wherever the stream is cut', () => {
    expect(new SseParser().feed(stream)).toEqual(events);
    for (let i = 0; i <= stream.length; i++) {
      const p = new SseParser();
      expect([...p.feed(stream.slice(0, i)), ...p.feed(stream.slice(i))]).toEqual(events);
    }
    const bytewise = new SseParser();
    expect([...stream].flatMap((c) => bytewise.feed(c))).toEqual(events);
  });

  it('does not dispatch what the end cut off', () => {
    expect(new SseParser().feed('data: half')).toEqual([]);
  });
});

describe('explain', () => {
  it('reads every shape of error', () => {
    expect(explain(400, { detail: 'Email already registered' }).message).toBe('Email already registered');
    expect(explain(422, { detail: [{ loc: ['body', 'name'], msg: 'too short' }] }).message).toBe('name: too short');
    expect(explain(409, { error: { code: 'CURSOR_AHEAD', message: 'no' } })).toMatchObject({ code: 'CURSOR_AHEAD', message: 'no' });
    expect(explain(502, null)).toMatchObject({ status: 502, code: 'HTTP 502' });
  });
});

describe('storage', () => {
  it('survives nonsense', () => {
    const store = memoryStore();
    expect(readJson(store, 'turns')).toBeNull();
    store.set('turns', '{broken');
    expect(readJson(store, 'turns')).toBeNull();
    store.set('turns', null);
    expect(store.get('turns')).toBeNull();
  });
});
