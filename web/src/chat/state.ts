import type { User } from '../shared/account';
import type { Citation, Usage } from '../shared/usage';
import type { ClientFrame, ServerFrame } from './frames';

export type Phase = 'waiting' | 'running' | 'completed' | 'cancelled' | 'failed' | 'refused';

export interface Step {
  step: string;
  message: string;
  at: number;
}

/** One question and what came of it. */
export interface Turn {
  /** The client's own id of the turn: sending it twice is sending it once. */
  id: string;
  question: string;
  phase: Phase;
  /** Given to the present connection already (sent, or resumed there). */
  sent: boolean;
  runId: string | null;
  /** The last event seen of the run; a resume continues after it. */
  seq: number;
  /** The last event whose text is in `text`. */
  textSeq: number;
  text: string;
  /** What the model thought; no part of the text. */
  thought: string;
  steps: Step[];
  agent: string | null;
  intent: string | null;
  confidence: number | null;
  sources: string[];
  escalation: { id: string | null; message: string } | null;
  tools: { name: string; ok: boolean }[];
  citations: Citation[];
  /** Who answered, once that is known. */
  model: string | null;
  usage: Usage | null;
  /** `until`: when it may be tried again, where the server said so. `again`: asking again can succeed. */
  error: { code: string; text: string; until?: number; again?: boolean } | null;
  stopping: boolean;
  /** Asked to be resumed on this connection, nothing heard of it yet. */
  resuming: boolean;
  resumes: number;
  askedAt: number;
  firstTokenAt: number | null;
  endedAt: number | null;
}

export interface Problem {
  at: number;
  code: string;
  text: string;
}

/** `lost` waits for a retry; `dropped` waits for the one that the drop button promised; `closed` waits for the user. */
export type Link = 'idle' | 'connecting' | 'connected' | 'lost' | 'dropped' | 'closed';
export type Auth = 'none' | 'pending' | 'ok' | 'refused' | 'expired';

/** A message of before, as the history has it. */
export interface Past {
  role: string;
  text: string;
  runId?: string | null;
}

export interface ChatState {
  link: Link;
  auth: Auth;
  token: string | null;
  user: User | null;
  sessionId: string;
  /** Earlier messages of the session, as the server's history gave them. */
  past: Past[];
  turns: Turn[];
  problems: Problem[];
  attempt: number;
  retryAt: number | null;
  /** The server has answered a ping on this page: from then on silence means a dead connection. */
  ponged: boolean;
  /** When a new token was last asked for without the user: at most once a minute, so that nothing goes round in a circle. */
  renewedAt: number | null;
}

export type Input =
  | { kind: 'connect'; at: number }
  | { kind: 'opened'; at: number }
  | { kind: 'closed'; at: number; code: number; random: number }
  | { kind: 'frame'; at: number; frame: ServerFrame }
  | { kind: 'timer'; at: number; name: TimerName; random: number }
  | { kind: 'authenticate'; at: number; token: string | null }
  | { kind: 'ask'; at: number; id: string; text: string }
  /** The user signed out: nothing of his stays on the page, and his connection goes. */
  | { kind: 'leave'; at: number; sessionId: string }
  /** No new token was to be had: the user must sign in. */
  | { kind: 'not_renewed'; at: number }
  /** Once more what was not accepted. */
  | { kind: 'again'; at: number; id: string }
  | { kind: 'stop'; at: number }
  | { kind: 'drop'; at: number }
  | { kind: 'session'; at: number; sessionId: string; turns?: Turn[] }
  | { kind: 'past'; at: number; sessionId: string; messages: Past[] }
  | { kind: 'problem'; at: number; code: string; text: string }
  | { kind: 'clear_problems'; at: number };

export type TimerName = 'retry' | 'ping' | 'pong';

export type Effect =
  | { do: 'open' }
  /** Let go of the socket at once, without waiting for a closing handshake. */
  | { do: 'abandon' }
  | { do: 'send'; frame: ClientFrame }
  | { do: 'timer'; name: TimerName; ms: number }
  | { do: 'cancel'; name: TimerName }
  | { do: 'token_refused' };

export function initial(sessionId: string, token: string | null): ChatState {
  return {
    link: 'idle', auth: 'none', token, user: null, sessionId,
    past: [], turns: [], problems: [], attempt: 0, retryAt: null, ponged: false, renewedAt: null,
  };
}

export function newTurn(id: string, question: string, at: number): Turn {
  return {
    id, question, phase: 'waiting', sent: false, runId: null, seq: 0, textSeq: 0, text: '', thought: '', steps: [],
    agent: null, intent: null, confidence: null, sources: [], escalation: null, tools: [], citations: [], model: null, usage: null, error: null,
    stopping: false, resuming: false, resumes: 0, askedAt: at, firstTokenAt: null, endedAt: null,
  };
}

export const isLive = (turn: Turn) => turn.phase === 'waiting' || turn.phase === 'running';
/** The turn on the screen's stage: the one that runs, or will run next, or ran last. */
export const currentTurn = (s: ChatState): Turn | null => s.turns.find(isLive) ?? s.turns.at(-1) ?? null;

/** The one word that the page shows for the connection. */
export function statusWord(link: Link): string {
  return link === 'connected' || link === 'connecting' ? link : 'disconnected';
}
