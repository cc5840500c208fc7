/**
 * The `chat` dialect as a client sees it. The first keys are the original protocol's; `run_id`, `seq`, `outcome` and
 * the client's `ping`, `stop`, `resume`, `message_id` are Headwater's additions and may be missing on both sides.
 */
import type { User } from '../shared/account';
import type { Usage } from '../shared/usage';

interface Numbered {
  run_id?: string;
  /** Of the last event that this frame carries: where to resume after. */
  seq?: number;
}

/** Null where the run ended before it came to them. */
export interface Metadata {
  agent?: string | null;
  confidence?: number | null;
  context?: {
    sources?: string[];
    classified_intent?: string | null;
    escalation?: { escalation_id?: string; message?: string } | null;
    /** Tools that were called for the answer, in their order. */
    tools?: { name?: string; ok?: boolean }[];
    /** With `detail` only: whom the model cites, and who answered. */
    citations?: unknown[];
    model?: Answerer;
  };
}

/** Who answered, and what was used. */
export interface Answerer {
  provider?: string;
  model?: string;
  label?: string | null;
  usage?: Usage;
}

export type ServerFrame =
  | { type: 'auth_success'; message: string; user?: User }
  | { type: 'auth_error'; message: string }
  | ({ type: 'progress'; step: string; message: string } & Numbered)
  | ({ type: 'token'; token: string; partial_response: string } & Numbered)
  | ({ type: 'reasoning'; text: string } & Numbered)
  | ({ type: 'complete'; response: string; session_id?: string; metadata?: Metadata; outcome?: string } & Numbered)
  | ({
      type: 'error';
      error: string;
      code?: string;
      partial_response?: string;
      outcome?: string;
      message_id?: string;
      /** Seconds until it may be tried again. */
      retry_after?: number;
      /** Of a run that failed: whether asking again can succeed. */
      recoverable?: boolean;
      model?: Answerer;
    } & Numbered)
  | { type: 'pong' };

export type ClientFrame =
  | { type: 'auth'; token: string }
  | { type: 'message'; message: string; session_id?: string; message_id?: string }
  | { type: 'ping' }
  | { type: 'stop' }
  | { type: 'resume'; session_id: string; run_id?: string; after: number };

const STRINGS: Record<ServerFrame['type'], string[]> = {
  auth_success: [],
  auth_error: [],
  progress: ['step', 'message'],
  token: ['token'],
  reasoning: ['text'],
  complete: ['response'],
  error: ['error'],
  pong: [],
};

/** `null` for what this client does not know: it is shown in the inspector and otherwise ignored. */
export function readFrame(text: string): ServerFrame | null {
  let frame: Record<string, unknown>;
  try {
    frame = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null;
  }
  if (typeof frame !== 'object' || frame === null || typeof frame.type !== 'string') return null;
  if (!Object.hasOwn(STRINGS, frame.type)) return null;
  const needed = STRINGS[frame.type as ServerFrame['type']];
  if (!needed.every((key) => typeof frame[key] === 'string')) return null;
  return frame as unknown as ServerFrame;
}
