/**
 * The chat connection as a pure function: what happened in, next state and effects out. No socket, clock or chance in
 * here, so every interleaving of drop, resume, stop and queue can be written down as a test.
 */
import { fullJitter } from '../shared/backoff';
import type { ServerFrame } from './frames';
import { isLive, newTurn, type ChatState, type Effect, type Input, type Problem, type Turn } from './state';

export const PING_EVERY = 25_000;
export const PONG_WITHIN = 10_000;
/** The drop button promises a visible gap: long enough to see that text went on without us. */
export const DROP_GAP = 1_000;
const MAX_PROBLEMS = 20;
/** Ended turns beyond this are forgotten by the page (the server still has them). */
const MAX_TURNS = 200;

type Out = [ChatState, Effect[]];

export function step(s: ChatState, input: Input): Out {
  switch (input.kind) {
    case 'connect':
      if (s.link === 'connecting' || s.link === 'connected') return [s, []];
      return open(s);
    case 'opened': {
      const up: ChatState = { ...s, link: 'connected', retryAt: null };
      if (s.token) return [{ ...up, auth: 'pending' }, [{ do: 'send', frame: { type: 'auth', token: s.token } }]];
      return handOver({ ...up, auth: 'none' });
    }
    case 'closed':
      return closed(s, input.code, input.at, input.random);
    case 'frame':
      return received(s, input.frame, input.at);
    case 'timer':
      return timer(s, input.name, input.at, input.random);
    case 'authenticate': {
      const next = { ...s, token: input.token, user: null };
      if (!input.token) return [{ ...next, auth: 'none' }, []];
      if (s.link === 'connected') {
        return [{ ...next, auth: 'pending' }, [{ do: 'send', frame: { type: 'auth', token: input.token } }]];
      }
      return s.link === 'connecting' ? [next, []] : open({ ...next, attempt: 0 });
    }
    case 'ask': {
      // An empty message makes no turn, but is sent: the page exists to show what the server says to it.
      if (input.text.trim() === '') {
        const frame = { type: 'message', message: input.text, session_id: s.sessionId } as const;
        return s.link === 'connected' ? [s, [{ do: 'send', frame }]] : problem(s, input.at, 'EMPTY_MESSAGE', 'Message is required');
      }
      const turns = [...s.turns, newTurn(input.id, input.text, input.at)].slice(-MAX_TURNS);
      const next = { ...s, turns };
      if (s.link === 'connected') return s.auth === 'pending' ? [next, []] : handOver(next);
      return s.link === 'idle' || s.link === 'closed' ? open(next) : [next, []];
    }
    case 'stop': {
      const turn = s.turns.find(isLive);
      if (!turn || turn.stopping) return [s, []];
      const next = patch(s, turn.id, { stopping: true });
      // Offline, or not handed over yet: it is sent right after the resume.
      return [next, s.link === 'connected' && turn.sent ? [{ do: 'send', frame: { type: 'stop' } }] : []];
    }
    case 'drop':
      if (s.link !== 'connected' && s.link !== 'connecting') return [s, []];
      return [
        { ...unsent(s), link: 'dropped', auth: 'none', retryAt: input.at + DROP_GAP },
        [{ do: 'abandon' }, ...quiet, { do: 'timer', name: 'retry', ms: DROP_GAP }],
      ];
    case 'session':
      return handOver({ ...s, sessionId: input.sessionId, past: [], turns: input.turns ?? [] });
    case 'past':
      // It may arrive after the user has moved on to another session.
      return [input.sessionId === s.sessionId ? { ...s, past: withoutLive(input.messages, s.turns) } : s, []];
    case 'problem':
      return problem(s, input.at, input.code, input.text);
    case 'clear_problems':
      return [{ ...s, problems: [] }, []];
  }
}

const quiet: Effect[] = [{ do: 'cancel', name: 'ping' }, { do: 'cancel', name: 'pong' }];
const open = (s: ChatState): Out => [
  { ...s, link: 'connecting', auth: 'none', retryAt: null },
  [{ do: 'cancel', name: 'retry' }, { do: 'open' }],
];
const unsent = (s: ChatState): ChatState => ({ ...s, turns: s.turns.map((t) => (t.sent ? { ...t, sent: false } : t)) });
const patch = (s: ChatState, id: string, change: Partial<Turn>): ChatState => ({
  ...s,
  turns: s.turns.map((t) => (t.id === id ? { ...t, ...change } : t)),
});

function problem(s: ChatState, at: number, code: string, text: string): Out {
  const one: Problem = { at, code, text };
  return [{ ...s, problems: [...s.problems, one].slice(-MAX_PROBLEMS) }, []];
}

/** Gives the connection every live turn that it does not have: a known run is resumed, any other is asked (again). */
function handOver(s: ChatState): Out {
  const effects: Effect[] = [];
  const turns = s.turns.map((t): Turn => {
    if (!isLive(t) || t.sent || s.link !== 'connected') return t;
    if (t.runId) {
      effects.push({ do: 'send', frame: { type: 'resume', session_id: s.sessionId, run_id: t.runId, after: t.seq } });
    } else {
      const frame = { type: 'message', message: t.question, session_id: s.sessionId, message_id: t.id } as const;
      effects.push({ do: 'send', frame });
    }
    if (t.stopping) effects.push({ do: 'send', frame: { type: 'stop' } });
    return { ...t, sent: true, resuming: t.runId !== null, resumes: t.resumes + (t.runId ? 1 : 0) };
  });
  return [{ ...s, turns }, effects];
}

/** Close codes that coming back cannot cure: policy (1008) and the 44xx family (4401: nobody signed in for too long). */
const isFinal = (code: number) => code === 1008 || (code >= 4400 && code < 4500);

function closed(s: ChatState, code: number, at: number, random: number): Out {
  if (s.link !== 'connected' && s.link !== 'connecting') return [s, []];
  const down: ChatState = { ...unsent(s), auth: 'none' };
  if (isFinal(code)) {
    const why = code === 4401 ? 'The server closed the connection: nobody signed in' : 'The server closed the connection';
    const [next] = problem({ ...down, link: 'closed', retryAt: null }, at, `CLOSED_${code}`, why);
    return [next, quiet];
  }
  return retry(down, at, random);
}

function retry(s: ChatState, at: number, random: number): Out {
  const ms = fullJitter(s.attempt, random);
  return [
    { ...s, link: 'lost', attempt: s.attempt + 1, retryAt: at + ms },
    [...quiet, { do: 'timer', name: 'retry', ms }],
  ];
}

function timer(s: ChatState, name: 'retry' | 'ping' | 'pong', at: number, random: number): Out {
  if (name === 'retry') return s.link === 'lost' || s.link === 'dropped' ? open(s) : [s, []];
  if (s.link !== 'connected') return [s, []];
  if (name === 'ping') {
    const effects: Effect[] = [{ do: 'send', frame: { type: 'ping' } }, { do: 'timer', name: 'ping', ms: PING_EVERY }];
    // An older server ignores pings; only one that has answered before is held to it.
    if (s.ponged) effects.push({ do: 'timer', name: 'pong', ms: PONG_WITHIN });
    return [s, effects];
  }
  const [next, effects] = retry({ ...unsent(s), auth: 'none' }, at, random);
  return [next, [{ do: 'abandon' }, ...effects]];
}

function received(s: ChatState, frame: ServerFrame, at: number): Out {
  switch (frame.type) {
    case 'pong':
      return [{ ...s, ponged: true }, [{ do: 'cancel', name: 'pong' }]];
    case 'auth_success': {
      // Only now is the server known to work: the backoff starts anew here, not when the socket opened.
      const [next, effects] = handOver({ ...s, auth: 'ok', user: frame.user ?? {}, attempt: 0 });
      return [next, [...effects, { do: 'timer', name: 'ping', ms: PING_EVERY }]];
    }
    case 'auth_error': {
      const [next] = problem({ ...s, auth: 'refused', token: null, user: null }, at, 'AUTH_ERROR', frame.message ?? 'Invalid token');
      return [next, [{ do: 'token_refused' }]];
    }
    case 'error':
      return failed(s, frame, at);
    case 'progress':
    case 'token':
    case 'complete':
      return advance(s, frame, at);
  }
}

/** The turn that a frame is about. A run that the page has not seen belongs to the oldest question without one. */
function turnOf(s: ChatState, runId: string | undefined): Turn | undefined {
  if (runId === undefined) return s.turns.find((t) => isLive(t) && t.sent);
  return s.turns.find((t) => t.runId === runId) ?? s.turns.find((t) => isLive(t) && t.sent && t.runId === null);
}

type RunFrame = Extract<ServerFrame, { type: 'progress' | 'token' | 'complete' }>;

function advance(s: ChatState, frame: RunFrame, at: number): Out {
  const turn = turnOf(s, frame.run_id);
  // Ended turns stay as they ended: a late or repeated frame changes nothing.
  if (!turn || !isLive(turn)) return [s, []];
  const seen: Partial<Turn> = {
    phase: 'running',
    resuming: false,
    runId: frame.run_id ?? turn.runId,
    seq: Math.max(turn.seq, frame.seq ?? 0),
  };
  if (frame.type === 'progress') {
    const known = turn.steps.some((p) => p.step === frame.step);
    const steps = known ? turn.steps : [...turn.steps, { step: frame.step, message: frame.message, at }];
    return [patch(s, turn.id, { ...seen, steps }), []];
  }
  if (frame.type === 'token') {
    if (frame.seq !== undefined && frame.seq <= turn.textSeq) return [s, []];
    // `partial_response` is the whole text so far; a client that asked to go without gets "" there.
    const text = frame.partial_response || turn.text + frame.token;
    const textSeq = frame.seq ?? turn.textSeq;
    return [patch(s, turn.id, { ...seen, text, textSeq, firstTokenAt: turn.firstTokenAt ?? at }), []];
  }
  const { agent, confidence, context } = frame.metadata ?? {};
  const ended = patch(s, turn.id, {
    ...seen,
    phase: frame.outcome === 'cancelled' ? 'cancelled' : 'completed',
    text: frame.response || turn.text,
    agent: agent ?? null,
    confidence: confidence ?? null,
    intent: context?.classified_intent ?? null,
    sources: context?.sources ?? [],
    escalation: context?.escalation?.message ?? null,
    endedAt: at,
  });
  return [{ ...ended, sessionId: frame.session_id ?? s.sessionId }, []];
}

type ErrorFrame = Extract<ServerFrame, { type: 'error' }>;

function failed(s: ChatState, frame: ErrorFrame, at: number): Out {
  const code = frame.code ?? 'ERROR';
  const [next] = problem(s, at, code, frame.error);
  // A failure of a run ends it. Anything else that names no run refuses the newest question that has none yet.
  const ofRun = frame.run_id !== undefined || code === 'PROCESSING_ERROR';
  const known = s.turns.filter((t) => isLive(t) && t.sent);
  // No question waits, but a resume does: the run is not there to be followed any more.
  const turn = ofRun ? turnOf(s, frame.run_id) : (known.findLast((t) => t.runId === null) ?? known.findLast((t) => t.resuming));
  const harmless = code === 'EMPTY_MESSAGE' || code === 'UNKNOWN_TYPE';
  if (!turn || !isLive(turn) || harmless) return [next, []];
  return [
    patch(next, turn.id, {
      phase: ofRun || turn.runId ? 'failed' : 'refused',
      runId: frame.run_id ?? turn.runId,
      seq: Math.max(turn.seq, frame.seq ?? 0),
      text: frame.partial_response || turn.text,
      error: { code, text: frame.error },
      endedAt: at,
    }),
    [],
  ];
}

/** The server's history has the question of a run that still goes; the page shows that one, and what follows, as turns. */
function withoutLive<M extends { role: string; text: string }>(messages: M[], turns: Turn[]): M[] {
  const first = turns.find(isLive);
  const from = first ? messages.findLastIndex((m) => m.role === 'user' && m.text === first.question) : -1;
  return from < 0 ? messages : messages.slice(0, from);
}
