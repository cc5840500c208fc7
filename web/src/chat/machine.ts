/**
 * The chat connection as a pure function: what happened in, next state and effects out. No socket, clock or chance in
 * here, so every interleaving of drop, resume, stop and queue can be written down as a test.
 */
import { fullJitter } from '../shared/backoff';
import { withWait } from '../shared/http';
import { readCitation, withCitation, type Citation } from '../shared/usage';
import type { Answerer, ServerFrame } from './frames';
import { initial, isLive, newTurn, type ChatState, type Effect, type Input, type Problem, type Turn } from './state';

export const PING_EVERY = 25_000;
export const PONG_WITHIN = 10_000;
/** The drop button promises a visible gap: long enough to see that text went on without us. */
export const DROP_GAP = 1_000;
/** A token that was just renewed and is refused again is not renewed once more: somebody has signed out elsewhere. */
export const RENEW_EVERY = 60_000;
const SIGN_IN_AGAIN = 'Your sign-in has run out: sign in again to go on';
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
      // Whose sign-in ran out is waited for; what he asked must not be refused meanwhile.
      return s.auth === 'expired' ? [up, []] : handOver({ ...up, auth: 'none' });
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
    case 'leave': {
      // A socket stays signed in as long as it lives: the next user, or nobody, gets a new one.
      const nobody = { ...initial(input.sessionId, null), problems: s.problems };
      const [next, effects] = open(nobody);
      return [next, [{ do: 'abandon' }, ...quiet, ...effects]];
    }
    case 'not_renewed':
      if (s.auth !== 'expired') return [s, []];
      return problem({ ...s, token: null, user: null }, input.at, 'TOKEN_EXPIRED', SIGN_IN_AGAIN);
    case 'again': {
      const turn = s.turns.find((t) => t.id === input.id && t.phase === 'refused');
      if (!turn) return [s, []];
      // It goes to the end of the line: what was asked after it may run already.
      const turns = [...s.turns.filter((t) => t !== turn), newTurn(turn.id, turn.question, input.at)];
      const next = { ...s, turns };
      return mayHandOver(s) ? handOver(next) : [next, []];
    }
    case 'ask': {
      // An empty message makes no turn, but is sent: the page exists to show what the server says to it.
      if (input.text.trim() === '') {
        const frame = { type: 'message', message: input.text, session_id: s.sessionId } as const;
        return s.link === 'connected' ? [s, [{ do: 'send', frame }]] : problem(s, input.at, 'EMPTY_MESSAGE', 'Message is required');
      }
      const turns = [...s.turns, newTurn(input.id, input.text, input.at)].slice(-MAX_TURNS);
      const next = { ...s, turns };
      if (s.link === 'connected') return mayHandOver(s) ? handOver(next) : [next, []];
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
  { ...s, link: 'connecting', auth: s.auth === 'expired' && !s.token ? 'expired' : 'none', retryAt: null },
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

/** While a token is checked, or a new one is looked for, questions wait: the answer to them would be a refusal. */
const mayHandOver = (s: ChatState) => s.link === 'connected' && s.auth !== 'pending' && s.auth !== 'expired';

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

const CLOSED: Record<number, string> = {
  4401: 'nobody signed in',
  4403: 'pages of this origin may not connect',
  4429: 'too much in too short a time',
};

function closed(s: ChatState, code: number, at: number, random: number): Out {
  if (s.link !== 'connected' && s.link !== 'connecting') return [s, []];
  const down: ChatState = { ...unsent(s), auth: 'none' };
  if (!isFinal(code)) return retry(down, at, random);
  const off: ChatState = { ...down, link: 'closed', retryAt: null };
  if (code === 4401) {
    // A token that was given while the old one's connection was on its way out has not been looked at: once more with it.
    if (s.auth === 'pending' && s.renewedAt !== null && at - s.renewedAt < RENEW_EVERY) {
      return s.attempt === 0 ? retry(down, at, random) : expire(off, at, quiet);
    }
    // Whoever was signed in is so no longer; whoever was not has waited too long, and is told below.
    if (s.auth === 'ok') return expire(off, at, quiet);
    if (s.auth === 'expired') return [{ ...off, auth: 'expired' }, quiet];
  }
  const [next] = problem(off, at, `CLOSED_${code}`, `The server closed the connection${CLOSED[code] ? `: ${CLOSED[code]}` : ''}`);
  return [next, quiet];
}

/**
 * The sign-in has run out, or ended elsewhere. Runs go on at the server; the page tries to get a new token, once, and then
 * resumes. Where there is none the user is asked, and the page resumes after that.
 */
function expire(s: ChatState, at: number, effects: Effect[] = []): Out {
  const lately = s.renewedAt !== null && at - s.renewedAt < RENEW_EVERY;
  const waiting: ChatState = { ...unsent(s), auth: 'expired' };
  if (!lately) return [{ ...waiting, renewedAt: at }, [...effects, { do: 'token_refused' }]];
  const [next] = problem({ ...waiting, token: null, user: null }, at, 'TOKEN_EXPIRED', SIGN_IN_AGAIN);
  return [next, effects];
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
      if (s.renewedAt !== null && at - s.renewedAt < RENEW_EVERY) return [next, []];
      return [{ ...next, renewedAt: at }, [{ do: 'token_refused' }]];
    }
    case 'error':
      return failed(s, frame, at);
    case 'progress':
    case 'token':
    case 'reasoning':
    case 'complete':
      return advance(s, frame, at);
  }
}

/** The turn that a frame is about. A run that the page has not seen belongs to the oldest question without one. */
function turnOf(s: ChatState, runId: string | undefined): Turn | undefined {
  if (runId === undefined) return s.turns.find((t) => isLive(t) && t.sent);
  return s.turns.find((t) => t.runId === runId) ?? s.turns.find((t) => isLive(t) && t.sent && t.runId === null);
}

type RunFrame = Extract<ServerFrame, { type: 'progress' | 'token' | 'reasoning' | 'complete' }>;

/** Who answered, as far as the server says so. */
const answerer = (model: Answerer | undefined): Partial<Turn> =>
  model ? { model: [model.provider, model.model].filter(Boolean).join(' · ') || null, usage: model.usage ?? null } : {};

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
  if (frame.type === 'reasoning') {
    // What came before is not told again, unless a resume began before it.
    if (frame.seq !== undefined && frame.seq <= turn.seq) return [s, []];
    return [patch(s, turn.id, { ...seen, thought: turn.thought + frame.text }), []];
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
    escalation: context?.escalation ? { id: context.escalation.escalation_id ?? null, message: context.escalation.message ?? '' } : null,
    tools: (context?.tools ?? []).flatMap((t) => (typeof t.name === 'string' ? [{ name: t.name, ok: t.ok !== false }] : [])),
    citations: (context?.citations ?? []).reduce<Citation[]>((list, c) => withCitation(list, readCitation(c)), []),
    ...answerer(context?.model),
    endedAt: at,
  });
  return [{ ...ended, sessionId: frame.session_id ?? s.sessionId }, []];
}

type ErrorFrame = Extract<ServerFrame, { type: 'error' }>;

function failed(s: ChatState, frame: ErrorFrame, at: number): Out {
  const code = frame.code ?? 'ERROR';
  if (code === 'TOKEN_EXPIRED') {
    // Signed out on purpose: that was the answer to it.
    if (s.token === null) return [{ ...s, auth: s.auth === 'expired' ? 'expired' : 'none' }, []];
    return s.auth === 'expired' ? [s, []] : expire(s, at);
  }
  const seconds = frame.retry_after;
  const until = typeof seconds === 'number' && seconds >= 0 ? at + seconds * 1000 : undefined;
  const text = until === undefined ? frame.error : withWait(frame.error, seconds!);
  const [next] = problem(s, at, code, text);
  // A failure of a run ends it. Anything else that names no run refuses the newest question that has none yet.
  const ofRun = frame.run_id !== undefined || code === 'PROCESSING_ERROR';
  const known = s.turns.filter((t) => isLive(t) && t.sent);
  // No question waits, but a resume does: the run is not there to be followed any more.
  const newest = () => known.findLast((t) => t.runId === null) ?? known.findLast((t) => t.resuming);
  const named = frame.message_id === undefined ? undefined : known.find((t) => t.id === frame.message_id);
  const turn = ofRun ? turnOf(s, frame.run_id) : (named ?? newest());
  const harmless = code === 'EMPTY_MESSAGE' || code === 'UNKNOWN_TYPE';
  if (!turn || !isLive(turn) || harmless) return [next, []];
  return [
    patch(next, turn.id, {
      phase: ofRun || turn.runId ? 'failed' : 'refused',
      runId: frame.run_id ?? turn.runId,
      seq: Math.max(turn.seq, frame.seq ?? 0),
      text: frame.partial_response || turn.text,
      error: { code, text: frame.error, ...(until === undefined ? {} : { until }), ...(frame.recoverable ? { again: true } : {}) },
      ...answerer(frame.model),
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
