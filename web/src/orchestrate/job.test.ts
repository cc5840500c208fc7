import { describe, expect, it } from 'vitest';
import { codeOf, type Input, isOver, type Job, newJob, readStyle, type Snapshot, step } from './job';

class Page {
  j: Job = newJob('run_1');
  do(...inputs: Input[]): this {
    for (const input of inputs) this.j = step(this.j, input);
    return this;
  }
  up(): this {
    return this.do({ kind: 'opened' });
  }
  f(team: string, type: string, seq: number, data: Record<string, unknown>): this {
    return this.do({ kind: 'frame', text: JSON.stringify({ type, team, data, timestamp: 't', job_id: 'run_1', seq }) });
  }
  snapshot(of: Snapshot): this {
    return this.do({ kind: 'snapshot', of });
  }
  team(name = 'a') {
    return this.j.teams.find((t) => t.name === name)!;
  }
}

const two = (): Snapshot => ({
  job_id: 'run_1', status: 'received', brief_summary: 'A form',
  teams: { b: { status: 'pending', model_used: 'big', label: null }, a: { status: 'pending', model_used: 'tiny', label: 'tiny local model' } },
});

const written = () =>
  new Page().snapshot(two()).up().f('a', 'status_change', 2, { status: 'thinking' }).f('a', 'thought_added', 3, { id: 't1', text: 'Two fields', team: 'a' })
    .f('a', 'status_change', 4, { status: 'generating' }).f('a', 'code_delta', 5, { text: 'let ', seq: 5 }).f('a', 'code_delta', 6, { text: 'x', seq: 6 });

describe('a team', () => {
  it('thinks, writes and ends; its place is the job’s', () => {
    const p = written();
    expect(p.j.teams.map((t) => [t.name, t.label])).toEqual([['b', null], ['a', 'tiny local model']]);
    expect(p.team()).toMatchObject({ status: 'generating', written: 'let x', code: null, model: 'tiny', thoughts: [{ id: 't1', text: 'Two fields' }] });
    p.f('a', 'status_change', 7, { status: 'complete' }).f('a', 'code_generated', 7, { code: 'let x;', token_count: 3 });
    expect(p.team()).toMatchObject({ status: 'complete', tokens: 3 });
    expect(codeOf(p.team())).toBe('let x;');
    p.f('b', 'status_change', 8, { status: 'error' }).f('b', 'error', 8, { error: 'API rate limit exceeded', status: 'error' });
    expect(p.team('b')).toMatchObject({ status: 'error', error: 'API rate limit exceeded' });
  });

  it('is told once, however often it is told', () => {
    const p = written().up();
    p.f('a', 'code_delta', 6, { text: 'x' }).f('a', 'code_delta', 7, { text: ';' }).f('a', 'thought_added', 8, { id: 't1', text: 'Two fields' });
    expect(p.team().written).toBe('let x;');
    expect(p.team().thoughts).toHaveLength(1);
    expect(p.j.seq).toBe(8);
  });

  it('begins anew when its code is refined', () => {
    const p = written().f('a', 'status_change', 7, { status: 'complete' }).f('a', 'code_generated', 7, { code: 'one', token_count: 3 });
    p.f('a', 'status_change', 8, { status: 'generating' }).f('a', 'code_delta', 9, { text: 'two' });
    expect(codeOf(p.team())).toBe('two');
  });
});

describe('an answer of a route', () => {
  it('ends the job, and stands where no socket is', () => {
    const p = written().snapshot({ status: 'awaiting', progress: 50, total_tokens: 4, teams: { a: { status: 'thinking', thoughts: [{ id: 't2', text: 'More' }] } } });
    // Of a team that is at work the socket knows more.
    expect(p.team()).toMatchObject({ status: 'generating', written: 'let x' });
    expect(p.team().thoughts.map((t) => t.id)).toEqual(['t1', 't2']);
    expect([isOver(p.j), p.j.progress, p.j.tokens]).toEqual([false, 50, 4]);
    p.snapshot({ status: 'complete', estimated_cost: 0.02, teams: { a: { status: 'complete', generated_code: 'all', token_count: 9 }, b: { status: 'error', error_message: 'broke' } } });
    expect([isOver(p.j), p.j.progress, p.j.cost]).toEqual([true, 100, 0.02]);
    expect(p.team()).toMatchObject({ status: 'complete', code: 'all', tokens: 9 });
    expect(p.team('b')).toMatchObject({ status: 'error', error: 'broke' });
  });

  it('of a job that is over is not undone by its log', () => {
    const p = new Page().snapshot({ ...two(), status: 'error', teams: { a: { status: 'complete', generated_code: 'all' }, b: { status: 'error', error_message: 'broke' } } }).up();
    p.f('a', 'status_change', 2, { status: 'thinking' }).f('b', 'status_change', 2, { status: 'thinking' }).f('b', 'code_delta', 3, { text: 'half' });
    expect(p.team()).toMatchObject({ status: 'complete', code: 'all' });
    expect(codeOf(p.team('b'))).toBe('half');
    expect(p.team('b').status).toBe('error');
  });
});

describe('the job', () => {
  it('has phases and thoughts of its own', () => {
    const p = written().f('workflow', 'phase_change', 7, { phase: 'planner', status: 'thinking' }).f('planner', 'thought_added', 8, { id: 'p1', text: 'First' });
    p.f('workflow', 'phase_change', 9, { phase: 'planner', status: 'complete' }).f('workflow', 'phase_change', 10, { phase: 'refiner', status: 'pending', refinement_iteration: 1 });
    expect(p.j.phases).toEqual([{ name: 'planner', status: 'complete', round: null }, { name: 'refiner', status: 'pending', round: 1 }]);
    expect(p.j.thoughts).toEqual([{ id: 'p1', text: 'First', by: 'planner' }]);
    expect(p.j.teams).toHaveLength(2);
  });
  it('is cancelled, and stays so', () => {
    const p = written().do({ kind: 'cancelled' }).f('a', 'status_change', 7, { status: 'error' }).f('a', 'error', 7, { error: 'Job cancelled' });
    expect([isOver(p.j), p.snapshot({ status: 'error' }).j.status, p.team().error]).toEqual([true, 'cancelled', 'Job cancelled']);
  });
  it('survives frames of any kind', () => {
    const p = written();
    const before = p.j.teams;
    for (const text of ['x', 'null', '7', '{"type":"connected","job_id":"run_1"}', '{"type":"pong"}']) p.do({ kind: 'frame', text });
    p.f('a', 'status_change', 7, { status: 'dancing' }).f('a', 'weather', 8, {});
    expect(p.j.teams).toEqual(before);
  });
});

describe('style preferences', () => {
  it('are lines of key and value', () => {
    expect(readStyle('color: blue\n\n radius : 4.5\nrounded: true\nurl: a:b\n')).toEqual({ style: { color: 'blue', radius: 4.5, rounded: true, url: 'a:b' }, wrong: [] });
    expect(readStyle('blue\n: x\ny:')).toEqual({ style: {}, wrong: ['blue', ': x', 'y:'] });
    expect(readStyle('')).toEqual({ style: {}, wrong: [] });
  });
});
