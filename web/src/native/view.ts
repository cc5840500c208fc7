/** One viewer's picture of a run: a pure fold over its events, which also proves that none is missing or doubled. */
import { readCitation, withCitation, type Citation, type Usage } from '../shared/usage';
import type { RunEvent } from './events';

/** The table shows the newest of these; the text is whole in any case. */
export const MAX_ROWS = 200;

export interface RunView {
  /** The position that the viewer asked to begin after. */
  from: number;
  /** The last event seen. */
  seq: number;
  text: string;
  rows: RunEvent[];
  received: number;
  /** Events that should have come and did not. The protocol promises that this stays 0. */
  missing: number;
  /** Events that came twice; they are not shown again. */
  repeated: number;
  stage: string | null;
  model: string | null;
  /** What the model thought; no part of the text. */
  thought: string;
  citations: Citation[];
  usage: Usage | null;
  outcome: string | null;
  error: string | null;
  /** The same may be asked again; `until`: not before this time. */
  again: { until?: number } | null;
}

export function emptyView(from: number): RunView {
  return {
    from, seq: from, text: '', rows: [], received: 0, missing: 0, repeated: 0, stage: null, model: null,
    thought: '', citations: [], usage: null, outcome: null, error: null, again: null,
  };
}

export function fold(v: RunView, events: readonly RunEvent[]): RunView {
  const next = { ...v };
  const fresh: RunEvent[] = [];
  for (const e of events) {
    next.received++;
    if (e.seq <= next.seq) {
      next.repeated++;
      continue;
    }
    next.missing += e.seq - next.seq - 1;
    next.seq = e.seq;
    fresh.push(e);
    if (e.type === 'token' && typeof e.text === 'string') next.text += e.text;
    else if (e.type === 'reasoning' && typeof e.text === 'string') next.thought += e.text;
    else if (e.type === 'cited') next.citations = withCitation(next.citations, readCitation(e));
    else if (e.type === 'stage_started' && typeof e.stage === 'string') next.stage = e.stage;
    else if (e.type === 'model_started') next.model = [e.provider, e.model].filter(Boolean).join(' · ') || null;
    else if (e.type === 'run_ended') {
      const error = e.error as Failure | null | undefined;
      next.usage = typeof e.usage === 'object' && e.usage !== null ? (e.usage as Usage) : null;
      if (error?.recoverable === true) next.again = waits(e.at, error.retry_after);
      next.outcome = typeof e.outcome === 'string' ? e.outcome : 'completed';
      next.error = error ? `${error.code ?? 'ERROR'}: ${error.message ?? ''}` : null;
    }
  }
  next.rows = [...v.rows, ...fresh].slice(-MAX_ROWS);
  return next;
}

interface Failure {
  code?: string;
  message?: string;
  recoverable?: boolean;
  /** Seconds. */
  retry_after?: number;
}

/** Counted from when the run ended: who opens it an hour later need not wait any more. */
function waits(at: RunEvent['at'], seconds: number | undefined): { until?: number } {
  const ended = at === undefined ? Number.NaN : new Date(at).getTime();
  return typeof seconds === 'number' && !Number.isNaN(ended) ? { until: ended + seconds * 1000 } : {};
}
