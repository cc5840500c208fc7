import { readCitation, usageText, type Usage } from '../shared/usage';

/** Events of the native protocol, version 1, as they stand in a run's log. */
export interface RunEvent {
  run_id: string;
  seq: number;
  type: string;
  at?: string | number;
  [field: string]: unknown;
}

export interface RunSummary {
  run_id: string;
  session_id?: string;
  workflow?: string;
  status?: string;
  provider?: string;
  model?: string;
  created_at?: string | number;
  tail?: number;
}

/** What a run is asked for. */
export interface Start {
  workflow: string;
  message: string;
  session_id?: string;
  model?: string;
}

/** A model that can be asked for. */
export interface ModelRow {
  alias: string;
  default?: boolean;
  provider?: string;
  model?: string;
  label?: string | null;
  tools?: boolean;
}

export function readEvent(data: string): RunEvent | null {
  try {
    const e = JSON.parse(data) as RunEvent;
    return typeof e === 'object' && e !== null && Number.isInteger(e.seq) && typeof e.type === 'string' ? e : null;
  } catch {
    return null;
  }
}

const text = (v: unknown) => (typeof v === 'string' ? v : v === undefined || v === null ? '' : JSON.stringify(v));
const joined = (...parts: unknown[]) => parts.filter((p) => p !== false).map(text).filter(Boolean).join(' · ');

/** One line that says what happened. A type that this page does not know is shown as it came. */
export function describe(e: RunEvent): string {
  switch (e.type) {
    case 'run_started':
      return joined(e.workflow, e.session_id && `session ${text(e.session_id)}`);
    case 'stage_started':
      return text(e.stage);
    case 'routed':
      return joined(e.agent, e.intent, typeof e.confidence === 'number' && `confidence ${e.confidence.toFixed(2)}`);
    case 'retrieved':
      return Array.isArray(e.sources) ? (e.sources as Source[]).map(source).join(', ') || 'nothing found' : text(e.sources);
    case 'model_started':
      return joined(e.provider, e.model, e.label, typeof e.estimated_input_tokens === 'number' && `about ${e.estimated_input_tokens} tokens in`);
    case 'cited': {
      const c = readCitation(e);
      return joined(c?.title, c?.url, c?.quote && `“${c.quote}”`);
    }
    case 'tool_called':
      return `${text(e.name)}(${args(e.arguments)})`;
    case 'tool_returned':
      return `${e.ok === false ? '✕ ' : '✓ '}${text(e.name)}: ${text(e.result)}`;
    case 'escalated':
      return joined(
        e.escalation_id,
        e.status,
        typeof e.reason === 'string' && e.reason.replaceAll('_', ' '),
        typeof e.estimated_wait_time === 'number' && `about ${e.estimated_wait_time} min`,
        e.agent_name && `with ${text(e.agent_name)}`,
        e.message,
      );
    case 'token':
    case 'reasoning':
      return text(e.text);
    case 'run_ended': {
      const error = e.error as { code?: string; message?: string } | null | undefined;
      return joined(e.outcome, e.finish_reason, error && `${error.code ?? 'error'}: ${error.message ?? ''}`, usageText(e.usage as Usage | undefined));
    }
    default: {
      const { run_id: _run, seq: _seq, type: _type, at: _at, ...rest } = e;
      return JSON.stringify(rest);
    }
  }
}

/** What a tool is given, as a call is written: `service: "oil_change", date: "2026-11-24"`. */
const args = (v: unknown) =>
  typeof v === 'object' && v !== null && !Array.isArray(v)
    ? Object.entries(v).map(([k, x]) => `${k}: ${JSON.stringify(x)}`).join(', ')
    : text(v);

interface Source {
  source?: string;
  heading?: string;
  score?: number;
}

const source = (s: Source) =>
  [s.source, s.heading && `› ${s.heading}`, typeof s.score === 'number' && `(${s.score.toFixed(2)})`].filter(Boolean).join(' ');
