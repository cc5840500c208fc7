/** A lesson as a fold over what happens. Sockets, clocks and storage only obey. */
import { isLive, MAX_PEOPLE, MAX_THOUGHTS, MAX_TURNS, newTurn, type Piece, start, type State, textOf, type Turn, wrong } from './state';

export interface Message {
  id?: string;
  role?: string;
  content?: string;
  run_id?: string;
  emotion_state?: unknown;
  provider_used?: string | null;
  response_time_ms?: number | null;
  cost?: number | null;
  ability_updated?: unknown;
}

export type Input =
  | { kind: 'connecting' }
  | { kind: 'opened' }
  | { kind: 'closed'; code: number; reason: string }
  | { kind: 'retry'; until: number }
  | { kind: 'frame'; text: string }
  | { kind: 'ask'; id: string; text: string; subject: string; reasoning: boolean; documents: boolean }
  | { kind: 'sent'; id: string }
  | { kind: 'stop'; id: string }
  | { kind: 'session'; sessionId: string }
  | { kind: 'join'; joined: boolean }
  | { kind: 'past'; sessionId: string; messages: Message[]; older: boolean }
  | { kind: 'signed_out'; forget: boolean }
  | { kind: 'typed_out'; person: string }
  | { kind: 'problem'; code: string; text: string }
  | { kind: 'clear' };

type Data = Record<string, unknown>;

const text = (v: unknown) => (typeof v === 'string' ? v : '');
const number = (v: unknown): number | null => (typeof v === 'number' && Number.isFinite(v) ? v : null);
const object = (v: unknown): Data => (typeof v === 'object' && v !== null && !Array.isArray(v) ? (v as Data) : {});
const within = (v: unknown, low: number, high: number) => Math.min(high, Math.max(low, number(v) ?? 0));

const turnOf = (s: State, id: string) => s.turns.find((t) => t.id === id);

function put(s: State, turn: Turn): State {
  const at = s.turns.findIndex((t) => t.id === turn.id);
  if (at < 0) return { ...s, turns: [...s.turns, turn].slice(-MAX_TURNS) };
  return { ...s, turns: s.turns.with(at, turn) };
}

const joined = (before: Piece[], more: Piece[]) => more.reduce((all, p) => withPiece(all, p.code, p.text), before);

/** The same kind joins what stands before it. */
export function withPiece(pieces: Piece[], code: boolean, more: string): Piece[] {
  if (!more) return pieces;
  const last = pieces.at(-1);
  if (last?.code === code) return [...pieces.slice(0, -1), { code, text: last.text + more }];
  return [...pieces, { code, text: more }];
}

function feelingOf(v: unknown): Turn['feeling'] {
  const e = object(v);
  if (!text(e.primary_emotion)) return null;
  return { emotion: text(e.primary_emotion), arousal: within(e.arousal, 0, 1), valence: within(e.valence, -1, 1), readiness: text(e.learning_readiness) };
}

function learnedOf(v: unknown): Turn['ability'] {
  const learned = object(v);
  const level = number(learned.new_ability);
  return level === null ? null : { subject: text(learned.subject), level, confidence: number(learned.confidence) };
}

/** Where pieces were lost with a connection the whole text is right, and is shown in their place. */
function whole(t: Turn, full: unknown): Piece[] {
  if (typeof full !== 'string' || full === textOf(t)) return t.pieces;
  return full ? [{ code: false, text: full }] : [];
}

function priced(meta: Data): Pick<Turn, 'tokens' | 'cost'> {
  return { tokens: number(meta.tokens_used), cost: meta.cost_unknown === true ? null : number(meta.cost) };
}

/** One frame of a stream, for the turn that it is of. */
function stream(t: Turn, type: string, d: Data, now: number): Turn {
  const meta = object(d.metadata);
  switch (type) {
    case 'stream_start':
      return {
        ...t, phase: 'running', runId: text(d.ai_message_id) || t.runId,
        provider: text(meta.provider) || null, category: text(meta.category) || null, estimated: number(meta.estimated_tokens),
      };
    case 'context_info': {
      const c = object(d.context);
      return {
        ...t,
        used: {
          recent: number(c.recent_messages_used) ?? 0, relevant: number(c.relevant_messages_used) ?? 0, semantic: c.semantic_search_enabled === true,
          rag: c.rag_enabled === true, sources: Array.isArray(c.rag_sources) ? c.rag_sources.filter((n) => typeof n === 'string') : [],
        },
      };
    }
    case 'emotion_update':
      return { ...t, feeling: feelingOf(d.emotion) };
    case 'thinking_chunk': {
      const step = object(d.reasoning_step);
      const n = number(step.step_number) ?? t.thoughts.length + 1;
      if (t.thoughts.some((o) => o.n === n) || t.thoughts.length >= MAX_THOUGHTS) return t;
      return { ...t, thoughts: [...t.thoughts, { n, mode: text(step.thinking_mode), text: text(step.description), confidence: number(step.confidence) }] };
    }
    case 'content_chunk': {
      const more = (pieces: Piece[]) => withPiece(pieces, d.is_code === true, text(d.content));
      return { ...t, phase: 'running', pieces: more(t.pieces), loose: more(t.loose) };
    }
    case 'stream_complete':
      return {
        ...t, ...priced(meta), phase: 'completed', stopping: false, endedAt: now, runId: text(d.ai_message_id) || t.runId,
        provider: text(meta.provider_used) || t.provider, ms: number(meta.response_time_ms), pieces: whole(t, d.full_content),
        ability: learnedOf(meta.ability_updated),
      };
    case 'generation_stopped':
      return { ...t, ...priced(meta), phase: 'stopped', stopping: false, endedAt: now, ms: number(meta.stopped_at_ms), pieces: whole(t, d.partial_content) };
    case 'stream_error': {
      const e = object(d.error);
      const after = number(object(e.details).retry_after);
      return {
        ...t, phase: 'failed', stopping: false, endedAt: now, pieces: whole(t, d.partial_content || undefined),
        error: { code: text(e.code), text: text(e.message) || 'The server did not say why', again: e.recoverable === true, until: after === null ? undefined : now + after * 1000 },
      };
    }
    default:
      return t;
  }
}

const STREAM = new Set(['stream_start', 'context_info', 'emotion_update', 'thinking_chunk', 'content_chunk', 'stream_complete', 'stream_error', 'generation_stopped']);

function person(s: State, id: string, change: Partial<State['people'][number]>): State {
  if (!id || id === s.userId) return s;
  const before = s.people.find((p) => p.id === id) ?? { id, here: true, typing: false };
  return { ...s, people: [...s.people.filter((p) => p.id !== id), { ...before, ...change }].slice(-MAX_PEOPLE) };
}

function read(s: State, raw: string, now: number): State {
  let frame: Data;
  try {
    frame = object(JSON.parse(raw));
  } catch {
    return wrong(s, 'NOT_JSON', 'A frame came that is no JSON', now);
  }
  const type = text(frame.type);
  const d = object(frame.data);
  if (type === 'connect') {
    const userId = text(d.user_id) || null;
    // Somebody else signed in: what the one before asked is none of his business.
    const other = s.userId !== null && userId !== s.userId;
    return { ...s, userId, ...(other ? { turns: [], older: false, people: [] } : {}) };
  }
  const ours = text(d.session_id) === s.sessionId;
  if (STREAM.has(type)) {
    const id = text(d.message_id);
    const seq = number(d.seq) ?? 0;
    const t = turnOf(s, id);
    if (!ours && !t) return s;
    // Asked on another connection: shown, and its words are read from the history.
    const turn = t ?? { ...newTurn(id, null, number(d.timestamp) ?? now), phase: 'asked' as const };
    const fresh = turn.line !== s.line;
    // Told from its beginning (once more), in pieces that may be cut elsewhere: what was there is not needed.
    const again = type === 'stream_start' && fresh;
    // What only the history told of may be under way in truth.
    if (!isLive(turn) && !(again && turn.line === 0)) return s;
    // The server goes on where the connection before was, as far as it knows, and then where this page says that it is.
    const rewound = !fresh && seq > turn.from.seq && seq <= turn.seq;
    // Told already, by an earlier connection or before on this one; its pieces without a number are nothing new, neither.
    if (!again && !rewound && seq > 0 && seq <= turn.seq) return turn.loose.length > 0 ? put(s, { ...turn, pieces: turn.firm, loose: [] }) : s;
    const resumed = fresh && turn.line > 0 ? 1 : 0;
    let before: Turn = turn;
    if (again) before = { ...turn, pieces: [], firm: [], thoughts: [], used: null, feeling: null, seq: 0 };
    else if (rewound) before = { ...turn, pieces: joined(turn.from.pieces, turn.loose), seq: turn.from.seq };
    // Of an event that came without its end, all comes again; and a rewind goes back to what was here now.
    if (fresh) before = { ...before, loose: [], pieces: again ? [] : turn.firm, from: { seq: turn.seq, pieces: turn.firm } };
    const next = stream({ ...before, seq: Math.max(seq, before.seq), line: s.line, resumes: turn.resumes + resumed }, type, d, now);
    return put(s, seq > 0 ? { ...next, firm: next.pieces, loose: [] } : next);
  }
  switch (type) {
    case 'stop_acknowledged': {
      const t = turnOf(s, text(d.message_id));
      if (!t || !isLive(t)) return s;
      // Nothing was left to be stopped: it never began, or its ending was lost on the way.
      return d.already_completed === true ? put(s, { ...t, phase: 'stopped', stopping: false, endedAt: now }) : s;
    }
    case 'error': {
      const code = text(d.code) || 'ERROR';
      const said = text(d.message) || 'The server did not say why';
      const after = number(d.retry_after);
      const t = turnOf(s, text(d.message_id));
      if (!t || !isLive(t) || t.phase === 'running') return wrong(s, code, after === null ? said : `${said} (again in ${Math.ceil(after)} s)`, now);
      return put(s, { ...t, phase: 'failed', endedAt: now, error: { code, text: said, again: true, until: after === null ? undefined : now + after * 1000 } });
    }
    case 'user_joined':
      return ours ? person(s, text(d.user_id), { here: true }) : s;
    case 'user_left':
      return ours ? person(s, text(d.user_id), { here: false, typing: false }) : s;
    case 'typing_indicator':
      return ours ? person(s, text(d.user_id), { here: true, typing: d.isTyping === true }) : s;
    case 'session_update':
      return ours ? person(s, text(d.user_id), { typing: false }) : s;
    // `pong`, `session_joined`, `health_info`, and what a newer server may say.
    default:
      return s;
  }
}

/** The turns that the server has, oldest first; those that the page has seen stay as they were seen. */
function past(s: State, messages: Message[]): Turn[] {
  const turns: Turn[] = [];
  for (const m of messages) {
    const runId = m.run_id ?? null;
    if (m.role === 'user') {
      turns.push({ ...newTurn(m.id ?? runId ?? '', m.content ?? '', 0), runId, phase: 'completed', feeling: feelingOf(m.emotion_state) });
      continue;
    }
    const at = turns.findIndex((t) => t.runId !== null && t.runId === runId);
    const answered = { pieces: [{ code: false, text: m.content ?? '' }], provider: m.provider_used ?? null, ms: m.response_time_ms ?? null, cost: m.cost ?? null, ability: learnedOf(m.ability_updated) };
    if (at >= 0) turns[at] = { ...turns[at]!, ...answered };
  }
  const seen = (t: Turn) => s.turns.find((o) => o.id === t.id || (o.runId !== null && o.runId === t.runId));
  const before = turns.filter((t) => !seen(t));
  const after = s.turns.map((o) => (o.question === null ? { ...o, question: turns.find((t) => t.id === o.id || t.runId === o.runId)?.question ?? null } : o));
  return [...before, ...after].slice(-MAX_TURNS);
}

export function step(s: State, input: Input, now: number): State {
  switch (input.kind) {
    case 'connecting':
      return { ...s, link: 'connecting', retryAt: null, signedOut: false };
    case 'opened':
      return { ...s, link: 'connected', line: s.line + 1, attempt: 0, retryAt: null };
    case 'closed': {
      const lost: State = { ...s, link: 'disconnected', people: s.people.map((p) => ({ ...p, typing: false })) };
      const told = input.code > 1006 && input.code !== 4401;
      return told ? wrong(lost, `closed ${input.code}`, input.reason || 'The server closed the connection', now) : lost;
    }
    case 'retry':
      return { ...s, retryAt: input.until, attempt: s.attempt + 1 };
    case 'frame':
      return read(s, input.text, now);
    case 'ask': {
      const { id, text: question, subject, reasoning, documents } = input;
      return put(s, { ...newTurn(id, question, now), subject, reasoning, documents });
    }
    case 'sent': {
      const t = turnOf(s, input.id);
      return t?.phase === 'waiting' ? put(s, { ...t, phase: 'asked' }) : s;
    }
    case 'stop': {
      const t = turnOf(s, input.id);
      if (!t || !isLive(t)) return s;
      // What was never sent needs nobody to stop it.
      return put(s, t.phase === 'waiting' ? { ...t, phase: 'stopped', endedAt: now } : { ...t, stopping: true });
    }
    case 'session':
      return { ...start(input.sessionId), link: s.link, line: s.line, attempt: s.attempt, retryAt: s.retryAt, signedOut: s.signedOut, userId: s.userId };
    case 'join':
      return { ...s, joined: input.joined, people: input.joined ? s.people : [] };
    case 'past':
      return input.sessionId === s.sessionId ? { ...s, turns: past(s, input.messages), older: input.older } : s;
    case 'signed_out': {
      const out: State = { ...s, link: 'disconnected', retryAt: null, signedOut: true };
      // What was asked by nobody knows whom is not asked by who signs in next.
      return input.forget || s.userId === null ? { ...out, userId: null, turns: [], older: false, joined: false, people: [] } : out;
    }
    case 'typed_out':
      return s.people.some((p) => p.id === input.person && p.typing) ? person(s, input.person, { typing: false }) : s;
    case 'problem':
      return wrong(s, input.code, input.text, now);
    case 'clear':
      return { ...s, problems: [] };
  }
}

/** What asks for a turn, or for the rest of it: the same frame again joins the run that there is. */
export function chatStream(s: State, t: Turn): Data {
  return {
    message_id: t.id,
    session_id: s.sessionId,
    message: t.question,
    context: { ...(t.subject ? { subject: t.subject } : {}), enable_reasoning: t.reasoning, enable_rag: t.documents },
    ...(t.seq > 0 ? { after: t.seq } : {}),
  };
}
