import { expect, it } from 'vitest';
import { FrameLog, MAX_ENTRIES } from './framelog';

it('is bounded in entries and in text, counts on, and hides tokens', () => {
  const log = new FrameLog();
  for (let i = 0; i < MAX_ENTRIES + 50; i++) log.add('in', `{"type":"token","seq":${i}}`, i);
  expect(log.entries).toHaveLength(MAX_ENTRIES);
  expect(log.total).toBe(MAX_ENTRIES + 50);
  expect(log.entries.at(-1)).toMatchObject({ seq: MAX_ENTRIES + 49, type: 'token' });
  log.add('in', 'x'.repeat(50_000), 0);
  expect(log.entries.at(-1)!.text.length).toBeLessThan(2_100);
  expect(log.entries.at(-1)!.type).toBe('not JSON');
  log.add('out', '{"type":"auth","token":"secret"}', 0);
  expect(log.entries.at(-1)!.text).not.toContain('secret');
});
