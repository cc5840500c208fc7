/** What the page of `/api/ws` knows: one session, its turns, and who else is in its room. */
export type Link = 'disconnected' | 'connecting' | 'connected';

export interface Feeling {
  emotion: string;
  /** 0 to 1. */
  arousal: number;
  /** -1 to 1. */
  valence: number;
  readiness: string;
}

export interface Used {
  recent: number;
  relevant: number;
  semantic: boolean;
  rag: boolean;
  sources: string[];
}

export interface Thought {
  n: number;
  mode: string;
  text: string;
  /** 0 to 1; `null` where there is no measure. */
  confidence: number | null;
}

/** Text of one kind: what stands in a block of code, or what does not. */
export interface Piece {
  code: boolean;
  text: string;
}

export interface Ability {
  subject: string;
  level: number;
  confidence: number | null;
}

/** `waiting` has not been sent; `asked` was, and nothing has come; a `running` one has begun. */
export type Phase = 'waiting' | 'asked' | 'running' | 'completed' | 'stopped' | 'failed';

export interface Turn {
  /** The message's id. */
  id: string;
  /** `null`: asked on another connection, and not read yet. */
  question: string | null;
  subject: string;
  reasoning: boolean;
  documents: boolean;
  phase: Phase;
  stopping: boolean;
  askedAt: number;
  endedAt: number | null;
  runId: string | null;
  /** The number of the last event that was shown, and on which connection it came. */
  seq: number;
  line: number;
  /** The text up to `seq`. */
  firm: Piece[];
  /** What came behind `firm` without a number: of the event whose number comes next, or comes again with it. */
  loose: Piece[];
  /** What was here when this connection began: where the server goes on from once it hears of it. */
  from: { seq: number; pieces: Piece[] };
  resumes: number;
  provider: string | null;
  category: string | null;
  estimated: number | null;
  used: Used | null;
  feeling: Feeling | null;
  thoughts: Thought[];
  pieces: Piece[];
  tokens: number | null;
  cost: number | null;
  ms: number | null;
  ability: Ability | null;
  error: { code: string; text: string; again: boolean; until?: number | undefined } | null;
}

export interface Person {
  id: string;
  here: boolean;
  typing: boolean;
}

export interface Problem {
  at: number;
  code: string;
  text: string;
}

export interface State {
  link: Link;
  /** Counts connections: what came twice is told apart by it. */
  line: number;
  attempt: number;
  retryAt: number | null;
  /** Nobody is signed in any more: the page waits for a token. */
  signedOut: boolean;
  userId: string | null;
  sessionId: string;
  turns: Turn[];
  /** Older turns are at the server. */
  older: boolean;
  joined: boolean;
  people: Person[];
  problems: Problem[];
}

/** What the server takes, in bytes. */
export const SUBJECT_BYTES = 100;
export const SESSION_BYTES = 128;
export const MAX_TURNS = 200;
export const MAX_THOUGHTS = 100;
const MAX_PROBLEMS = 20;
export const MAX_PEOPLE = 50;

export function start(sessionId: string): State {
  return {
    link: 'disconnected', line: 0, attempt: 0, retryAt: null, signedOut: false, userId: null, sessionId,
    turns: [], older: false, joined: false, people: [], problems: [],
  };
}

/** What a reload of the tab keeps: whose it is, the room, and what is under way with how far it is. */
export type Kept = Pick<State, 'userId' | 'sessionId' | 'joined'> & { turns: Omit<Turn, 'loose' | 'pieces' | 'from'>[] };

export function keep({ userId, sessionId, joined, turns, line }: State): Kept {
  // Of what was asked elsewhere, only what was heard of lately: nobody here can ask what became of it.
  const under = turns.filter((t) => isLive(t) && (t.question !== null || t.line === line));
  // The text once: a tab keeps so many characters.
  return { userId, sessionId, joined, turns: under.map(({ loose, pieces, from, ...t }) => t) };
}

export function restored({ userId, sessionId, joined, turns }: Kept): State {
  const line = turns.reduce((most, t) => Math.max(most, t.line), 0);
  return { ...start(sessionId), userId, joined, line, turns: turns.map((t) => ({ ...newTurn(t.id, t.question, t.askedAt), ...t, pieces: t.firm, from: { seq: t.seq, pieces: t.firm } })) };
}

export function newTurn(id: string, question: string | null, at: number): Turn {
  return {
    id, question, subject: '', reasoning: false, documents: false, phase: 'waiting', stopping: false, askedAt: at, endedAt: null,
    runId: null, seq: 0, line: 0, firm: [], loose: [], from: { seq: 0, pieces: [] }, resumes: 0, provider: null, category: null, estimated: null, used: null, feeling: null,
    thoughts: [], pieces: [], tokens: null, cost: null, ms: null, ability: null, error: null,
  };
}

export const isLive = (t: Turn) => t.phase === 'waiting' || t.phase === 'asked' || t.phase === 'running';

export const textOf = (t: Turn) => t.pieces.map((p) => p.text).join('');

export function wrong(s: State, code: string, text: string, at: number): State {
  return { ...s, problems: [{ at, code, text }, ...s.problems].slice(0, MAX_PROBLEMS) };
}

/** What is inside a fenced block, and its language; an indented block is itself. */
export function inside(text: string): { language: string; code: string } {
  const fence = /^\s*(?:[*+-]\s|\d+[.)]\s)?[ \t]*(`{3,}|~{3,})[ \t]*([^\s`]*)[^\n]*(?:\n|$)/.exec(text);
  if (!fence) return { language: '', code: text.replace(/^\n+/, '') };
  const mark = fence[1]!;
  const rest = text.slice(fence[0].length);
  const end = new RegExp(`(^|\\n)[ \\t]*${mark[0]}{${mark.length},}[ \\t]*\\s*$`).exec(rest);
  return { language: fence[2] ?? '', code: end ? rest.slice(0, end.index) : rest };
}

/** How an ability went over the turns that this page has seen, by subject, in the order of their last change. */
export function abilities(turns: Turn[]): { subject: string; levels: number[]; confidence: number | null }[] {
  const all = new Map<string, { subject: string; levels: number[]; confidence: number | null }>();
  for (const { ability } of turns) {
    if (!ability) continue;
    const one = all.get(ability.subject) ?? { subject: ability.subject, levels: [], confidence: null };
    all.delete(ability.subject);
    all.set(ability.subject, { ...one, levels: [...one.levels, ability.level], confidence: ability.confidence });
  }
  return [...all.values()].reverse();
}
