/** A job of several teams as a fold over frames of its socket and answers of its routes; each alone tells enough. */

export type TeamStatus = 'pending' | 'thinking' | 'generating' | 'complete' | 'error';

export interface Thought {
  id: string;
  text: string;
}

export interface Team {
  name: string;
  status: TeamStatus;
  thoughts: Thought[];
  /** What its model has written so far, in this round. */
  written: string;
  /** Once it is whole. */
  code: string | null;
  tokens: number;
  error: string | null;
  model: string | null;
  label: string | null;
}

export interface Phase {
  name: string;
  status: string;
  round: number | null;
}

export interface Job {
  id: string;
  summary: string;
  status: string;
  progress: number;
  tokens: number;
  cost: number;
  teams: Team[];
  phases: Phase[];
  /** What the planner and the reviewer say. */
  thoughts: (Thought & { by: string })[];
  /** The number of the last event that was shown, and on which connection it came. */
  seq: number;
  seenOn: number;
  /** Counts connections. */
  line: number;
  /** It has been cancelled on this page. */
  cancelled: boolean;
}

/** As a route answers it. */
export interface Snapshot {
  job_id?: string;
  status?: string;
  progress?: number;
  brief_summary?: string;
  teams?: Record<string, { status?: string; thoughts?: { id?: string; text?: string }[]; generated_code?: string | null; model_used?: string | null; token_count?: number; error_message?: string | null; label?: string | null }>;
  total_tokens?: number;
  estimated_cost?: number;
  phases?: unknown;
}

export type Input =
  | { kind: 'snapshot'; of: Snapshot }
  | { kind: 'opened' }
  | { kind: 'frame'; text: string }
  | { kind: 'cancelled' };

const MAX_THOUGHTS = 500;
/** A team's code is shown up to this; the whole of it is behind "Copy" and in the job. */
export const MAX_SHOWN = 200_000;

const STATUSES = new Set(['pending', 'thinking', 'generating', 'complete', 'error']);
const NOT_TEAMS = new Set(['workflow', 'planner', 'reviewer', 'refiner']);

type Data = Record<string, unknown>;
const text = (v: unknown) => (typeof v === 'string' ? v : '');
const number = (v: unknown): number | null => (typeof v === 'number' && Number.isFinite(v) ? v : null);
const object = (v: unknown): Data => (typeof v === 'object' && v !== null && !Array.isArray(v) ? (v as Data) : {});

export const newJob = (id: string): Job => ({
  id, summary: '', status: 'received', progress: 0, tokens: 0, cost: 0, teams: [], phases: [], thoughts: [], seq: 0, seenOn: 0, line: 0, cancelled: false,
});

const newTeam = (name: string): Team => ({
  name, status: 'pending', thoughts: [], written: '', code: null, tokens: 0, error: null, model: null, label: null,
});

export const isOver = (j: Job) => j.cancelled || j.status === 'complete' || j.status === 'error';

/** What is shown of a team's code: the whole, or what there is. */
export const codeOf = (t: Team) => t.code ?? t.written;

function change(j: Job, name: string, how: (t: Team) => Team): Job {
  const at = j.teams.findIndex((t) => t.name === name);
  if (at < 0) return { ...j, teams: [...j.teams, how(newTeam(name))] };
  return { ...j, teams: j.teams.with(at, how(j.teams[at]!)) };
}

/** Each once, however often it is told. */
function withThought<T extends Thought>(list: T[], one: T): T[] {
  return list.length >= MAX_THOUGHTS || list.some((o) => o.id === one.id) ? list : [...list, one];
}

function statusOf(v: unknown, before: TeamStatus): TeamStatus {
  return STATUSES.has(text(v)) ? (v as TeamStatus) : before;
}

/** A team that begins again (its code is refined) begins with an empty page. */
function moved(t: Team, status: TeamStatus): Team {
  const anew = (t.status === 'complete' || t.status === 'error') && (status === 'thinking' || status === 'generating');
  return anew ? { ...t, status, written: '', code: null, error: null } : { ...t, status };
}

function phase(j: Job, d: Data): Job {
  const name = text(d.phase);
  if (!name) return j;
  const next: Phase = { name, status: text(d.status), round: number(d.refinement_iteration) };
  const at = j.phases.findIndex((p) => p.name === name);
  return { ...j, phases: at < 0 ? [...j.phases, next] : j.phases.with(at, next) };
}

function read(j: Job, raw: string): Job {
  let frame: Data;
  try {
    frame = object(JSON.parse(raw));
  } catch {
    return j;
  }
  const type = text(frame.type);
  const team = text(frame.team);
  if (!team) return j;
  const seq = number(frame.seq) ?? 0;
  // Several frames of one event share its number, on one connection.
  if (seq > 0 && (seq < j.seq || (seq === j.seq && j.line !== j.seenOn))) return j;
  const d = object(frame.data);
  const at: Job = { ...j, seq: Math.max(seq, j.seq), seenOn: j.line };
  switch (type) {
    case 'status_change':
      // A job that is known to be over is told from its beginning: its teams stay what they became.
      if (j.status === 'complete' || j.status === 'error') return change(at, team, (t) => (d.status === 'thinking' ? { ...t, written: '' } : t));
      return change(at, team, (t) => moved(t, statusOf(d.status, t.status)));
    case 'thought_added': {
      const one = { id: text(d.id), text: text(d.text) };
      const known = j.teams.some((t) => t.name === team);
      if (!known && NOT_TEAMS.has(team)) return { ...at, thoughts: withThought(at.thoughts, { ...one, by: team }) };
      return change(at, team, (t) => ({ ...t, thoughts: withThought(t.thoughts, one) }));
    }
    case 'code_delta':
      return change(at, team, (t) => ({ ...t, written: t.written + text(d.text) }));
    case 'code_generated':
      return change(at, team, (t) => ({ ...t, code: text(d.code), tokens: number(d.token_count) ?? t.tokens }));
    case 'error':
      return change(at, team, (t) => ({ ...t, status: 'error', error: text(d.error) || 'The server did not say why' }));
    case 'phase_change':
      return phase(at, d);
    default:
      return at;
  }
}

/** An answer of a route is right in what it says, and may be older than what came by the socket. */
function merged(j: Job, of: Snapshot): Job {
  let next: Job = {
    ...j,
    summary: text(of.brief_summary) || j.summary,
    status: j.cancelled ? j.status : text(of.status) || j.status,
    progress: number(of.progress) ?? j.progress,
    tokens: number(of.total_tokens) ?? j.tokens,
    cost: number(of.estimated_cost) ?? j.cost,
  };
  const over = isOver(next);
  for (const [name, view] of Object.entries(of.teams ?? {})) {
    next = change(next, name, (t) => {
      const thoughts = (view.thoughts ?? []).reduce((all, one) => withThought(all, { id: text(one.id), text: text(one.text) }), t.thoughts);
      return {
        ...t,
        thoughts,
        model: text(view.model_used) || t.model,
        label: text(view.label) || t.label,
        tokens: Math.max(t.tokens, number(view.token_count) ?? 0),
        ...(over || t.status === 'pending'
          ? { status: statusOf(view.status, t.status), code: view.generated_code ?? t.code, error: view.error_message ?? t.error }
          : {}),
      };
    });
  }
  return over && next.status === 'complete' ? { ...next, progress: 100 } : next;
}

export function step(j: Job, input: Input): Job {
  switch (input.kind) {
    case 'snapshot':
      return merged(j, input.of);
    case 'opened':
      return { ...j, line: j.line + 1 };
    case 'frame':
      return read(j, input.text);
    case 'cancelled':
      return { ...j, cancelled: true, status: 'cancelled' };
  }
}

/** Lines `key: value`; what is a number or true or false is sent as that. `wrong`: the lines that are none. */
export function readStyle(lines: string): { style: Record<string, unknown>; wrong: string[] } {
  const style: Record<string, unknown> = {};
  const wrong: string[] = [];
  for (const line of lines.split('\n').map((l) => l.trim()).filter(Boolean)) {
    const colon = line.indexOf(':');
    const key = line.slice(0, Math.max(0, colon)).trim();
    const value = line.slice(colon + 1).trim();
    if (!key || !value) wrong.push(line);
    else if (value === 'true' || value === 'false') style[key] = value === 'true';
    else style[key] = /^-?\d{1,15}(\.\d{1,15})?$/.test(value) ? Number(value) : value;
  }
  return { style, wrong };
}
