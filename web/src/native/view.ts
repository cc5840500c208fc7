/** One viewer's picture of a run: a pure fold over its events, which also proves that none is missing or doubled. */
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
  outcome: string | null;
  error: string | null;
}

export function emptyView(from: number): RunView {
  return { from, seq: from, text: '', rows: [], received: 0, missing: 0, repeated: 0, stage: null, model: null, outcome: null, error: null };
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
    else if (e.type === 'stage_started' && typeof e.stage === 'string') next.stage = e.stage;
    else if (e.type === 'model_started') next.model = [e.provider, e.model].filter(Boolean).join(' · ') || null;
    else if (e.type === 'run_ended') {
      const error = e.error as { code?: string; message?: string } | null | undefined;
      next.outcome = typeof e.outcome === 'string' ? e.outcome : 'completed';
      next.error = error ? `${error.code ?? 'ERROR'}: ${error.message ?? ''}` : null;
    }
  }
  next.rows = [...v.rows, ...fresh].slice(-MAX_ROWS);
  return next;
}
