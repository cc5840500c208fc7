import { describe, expect, it } from 'vitest';
import { fullJitter } from './backoff';
import { explain } from './http';
import { SseParser } from './sse';
import { memoryStore, readJson } from './storage';

describe('fullJitter', () => {
  it('is between nothing and the ceiling', () => {
    expect(fullJitter(0, 0)).toBe(0);
    expect(fullJitter(3, 1)).toBe(4_000);
    expect(fullJitter(1_000, 1)).toBe(15_000);
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
