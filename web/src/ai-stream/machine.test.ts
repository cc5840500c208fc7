import { describe, expect, it } from 'vitest';
import { type Input, start, step } from './machine';

const run = (inputs: Input[]) => inputs.reduce((s, input, n) => step(s, input, 1_000 * n), start());
const frame = (value: object): Input => ({ kind: 'frame', text: JSON.stringify(value) });
const asked: Input[] = [{ kind: 'connecting' }, { kind: 'opened' }, { kind: 'sent', action: 'generate' }];

describe('the page of /ws/ai/stream', () => {
  it('puts chunks together, until done', () => {
    const s = run([...asked, frame({ type: 'chunk', text: 'a ', run_id: 'r', seq: 4 }), frame({ type: 'chunk', text: 'b', run_id: 'r', seq: 5 }), frame({ type: 'done', user_id: 'ann', run_id: 'r', seq: 6 })]);
    expect(s.answer).toMatchObject({ text: 'a b', chunks: 2, runId: 'r', seq: 6, phase: 'done', userId: 'ann', firstAt: 3_000, endedAt: 5_000 });
    expect(s.problems).toEqual([]);
  });

  it('shows what waited when its first frame comes', () => {
    const s = run([
      ...asked,
      { kind: 'sent', action: 'generate' },
      frame({ type: 'chunk', text: 'one', run_id: 'r', seq: 4 }),
      frame({ type: 'done', user_id: 'ann', run_id: 'r', seq: 5, stopped: true }),
    ]);
    expect(s).toMatchObject({ waiting: 1, answer: { text: 'one', phase: 'stopped' } });
    const next = step(s, frame({ type: 'chunk', text: 'two', run_id: 'q', seq: 4 }), 9_000);
    expect(next).toMatchObject({ waiting: 0, answer: { text: 'two', runId: 'q', phase: 'running' } });
  });

  it('keeps an answer running when another frame is refused', () => {
    const live: Input[] = [...asked, frame({ type: 'chunk', text: 'a', run_id: 'r', seq: 4 })];
    const s = run([...live, frame({ type: 'error', message: 'Unknown action: x' }), frame({ type: 'pong' }), frame({ type: 'new' })]);
    expect(s.answer?.phase).toBe('running');
    expect(s.problems.map((p) => p.text)).toEqual(['Unknown action: x']);
    expect(step(s, frame({ type: 'error', message: 'API error: x', run_id: 'r', seq: 5 }), 9_000).answer?.phase).toBe('failed');
    expect(run([...asked, frame({ type: 'error', message: 'API key not configured' })]).answer?.phase).toBe('failed');
  });

  it('says why a connection ended, unless it was asked to', () => {
    const closed = (asked: boolean): Input => ({ kind: 'closed', code: 1006, reason: '', asked });
    expect(run([{ kind: 'connecting' }, closed(false)]).problems[0]?.text).toMatch(/handshake was refused/);
    expect(run([...asked, closed(false)])).toMatchObject({ link: 'disconnected', answer: { phase: 'stopped' }, problems: [{ text: 'The connection was closed (1006): connect again, then ask again' }] });
    expect(run([...asked, closed(true)]).problems).toEqual([]);
    const many = run([...Array(30)].map((): Input => ({ kind: 'problem', text: 'x' })));
    expect(many.problems).toHaveLength(20);
    expect(step(many, { kind: 'clear' }, 0).problems).toEqual([]);
  });
});
