/** What the page of `/ws/ai/stream` knows, as a fold over what happens. Sockets, clocks and storage only obey. */
export type Link = 'disconnected' | 'connecting' | 'connected';

export interface Answer {
  text: string;
  chunks: number;
  runId: string | null;
  seq: number;
  askedAt: number;
  firstAt: number | null;
  endedAt: number | null;
  phase: 'running' | 'done' | 'stopped' | 'failed';
  userId: string | null;
}

export interface Problem {
  at: number;
  text: string;
}

export interface State {
  link: Link;
  answer: Answer | null;
  /** Asked for and not begun: the server answers in order. */
  waiting: number;
  problems: Problem[];
}

export type Input =
  | { kind: 'connecting' }
  | { kind: 'opened' }
  | { kind: 'closed'; code: number; reason: string; asked: boolean }
  | { kind: 'sent'; action: string }
  | { kind: 'frame'; text: string }
  | { kind: 'problem'; text: string }
  | { kind: 'clear' };

const MAX_PROBLEMS = 20;
const FRESH: Answer = { text: '', chunks: 0, runId: null, seq: 0, askedAt: 0, firstAt: null, endedAt: null, phase: 'running', userId: null };

export const start = (): State => ({ link: 'disconnected', answer: null, waiting: 0, problems: [] });

export const isLive = (s: State) => s.answer?.phase === 'running';

function wrong(s: State, text: string, now: number): State {
  return { ...s, problems: [{ at: now, text }, ...s.problems].slice(0, MAX_PROBLEMS) };
}

function read(s: State, text: string, now: number): State {
  let frame: Record<string, unknown>;
  try {
    frame = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return wrong(s, 'a frame came that is no JSON', now);
  }
  const runId = typeof frame.run_id === 'string' ? frame.run_id : null;
  const seq = typeof frame.seq === 'number' ? frame.seq : 0;
  // The first frame of a run that waited is how its turn is seen.
  const next = s.waiting > 0 && (!s.answer || (s.answer.phase !== 'running' && runId !== null && runId !== s.answer.runId));
  const base = next ? { ...s, waiting: s.waiting - 1, answer: { ...FRESH, askedAt: now } } : s;
  const a = base.answer;
  switch (frame.type) {
    case 'chunk': {
      if (!a || typeof frame.text !== 'string') return s;
      return { ...base, answer: { ...a, text: a.text + frame.text, chunks: a.chunks + 1, runId, seq, firstAt: a.firstAt ?? now } };
    }
    case 'done': {
      if (!a) return s;
      const userId = typeof frame.user_id === 'string' ? frame.user_id : null;
      return { ...base, answer: { ...a, runId, seq, userId, endedAt: now, phase: frame.stopped === true ? 'stopped' : 'done' } };
    }
    case 'error': {
      const message = typeof frame.message === 'string' ? frame.message : 'an error without a message';
      // Only of a run that failed it names one; a refusal of another frame ends nothing.
      const mine = a && a.phase === 'running' && (runId !== null ? a.runId === null || a.runId === runId : a.runId === null && s.waiting === 0);
      const over = mine ? { ...base, answer: { ...a, runId, seq: seq || a.seq, endedAt: now, phase: 'failed' as const } } : base;
      return wrong(over, message, now);
    }
    // `pong`, and what a newer server may say.
    default:
      return s;
  }
}

export function step(s: State, input: Input, now: number): State {
  switch (input.kind) {
    case 'connecting':
      return { ...s, link: 'connecting', waiting: 0 };
    case 'opened':
      return { ...s, link: 'connected' };
    case 'closed': {
      const refused = s.link === 'connecting' && !input.asked;
      const lost: State = { ...s, link: 'disconnected', waiting: 0 };
      const cut = lost.answer?.phase === 'running' ? { ...lost, answer: { ...lost.answer, phase: 'stopped' as const, endedAt: now } } : lost;
      if (input.asked) return cut;
      if (refused) return wrong(cut, 'The handshake was refused: log in again, as the token may have run out, or see whether the server runs', now);
      return wrong(cut, `The connection was closed (${input.code}): ${input.reason || 'connect again, then ask again'}`, now);
    }
    case 'sent':
      if (input.action !== 'generate') return s;
      return isLive(s) ? { ...s, waiting: s.waiting + 1 } : { ...s, answer: { ...FRESH, askedAt: now } };
    case 'frame':
      return read(s, input.text, now);
    case 'problem':
      return wrong(s, input.text, now);
    case 'clear':
      return { ...s, problems: [] };
  }
}
