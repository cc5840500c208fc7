// The teams of the mock: a job is a numbered list of frames, told at a pace. Shapes of docs/protocol/orchestrate.md.
// "fail" lets one team fail, "plan" has phases, "long" is long.
import { randomUUID } from 'node:crypto';

const GAP = Number(process.env.MOCK_GAP_MS ?? 45);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const TEAMS = { anthropic: ['mock-sonnet', null], google: ['mock-flash', 'in place of google: tiny local model'] };
const CODE = `export default function LoginForm() {
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const valid = email.includes('@') && password.length >= 8;
  return (
    <form aria-labelledby="title" onSubmit={(e) => e.preventDefault()}>
      <h1 id="title">Sign in</h1>
      <label>Email <input type="email" value={email} onChange={(e) => setEmail(e.target.value)} /></label>
      <label>Password <input type="password" value={password} onChange={(e) => setPassword(e.target.value)} /></label>
      <button disabled={!valid}>Sign in</button>
    </form>
  );
}
`;

const jobs = new Map();

function emit(job, team, type, data) {
  job.frames.push({ type, team, data, timestamp: new Date().toISOString(), job_id: job.id, seq: job.frames.length + 2 });
  for (const wake of job.wake) wake();
}

function status(job, team, word) {
  job.teams[team].status = word;
  emit(job, team, 'status_change', { status: word });
}

function think(job, team, text) {
  const one = { id: randomUUID(), text, timestamp: new Date().toISOString(), team };
  job.teams[team]?.thoughts.push(one);
  emit(job, team, 'thought_added', one);
}

function broken(job, team, error) {
  status(job, team, 'error');
  job.teams[team].error_message = error;
  emit(job, team, 'error', { error, status: 'error' });
}

async function work(job, team, slow) {
  const view = job.teams[team];
  status(job, team, 'thinking');
  for (const text of ['Asked with the brief and the framework.', 'Two fields, a button, and an error that a screen reader hears.', 'The code begins here.']) {
    await sleep(GAP * 4);
    if (job.cancelled) return;
    think(job, team, text);
  }
  status(job, team, 'generating');
  const code = /\blong\b/i.test(job.brief) ? CODE.repeat(8) : CODE;
  const pieces = code.match(/\s*\S+/g);
  for (const [i, text] of pieces.entries()) {
    if (job.cancelled) return;
    if (/\bfail\b/i.test(job.brief) && team === 'google' && i === 20) return broken(job, team, 'API rate limit exceeded');
    emit(job, team, 'code_delta', { text, seq: job.frames.length + 2 });
    await sleep(GAP * slow);
  }
  Object.assign(view, { generated_code: code, token_count: pieces.length });
  status(job, team, 'complete');
  emit(job, team, 'code_generated', { code, token_count: pieces.length });
}

async function run(job) {
  const phases = /\bplan\b/i.test(job.brief);
  const phase = (name, word) => phases && emit(job, 'workflow', 'phase_change', { phase: name, status: word });
  phase('planner', 'thinking');
  if (phases) {
    await sleep(GAP * 6);
    think(job, 'planner', 'Two fields, one button, and what happens when they are wrong.');
  }
  phase('planner', 'complete');
  await Promise.all(Object.keys(job.teams).map(async (team, n) => {
    phase(team, 'thinking');
    await work(job, team, n + 1);
    phase(team, job.teams[team].status);
  }));
  job.over = true;
}

const state = (job) => (!job.over ? 'awaiting' : Object.values(job.teams).every((t) => t.status === 'complete') ? 'complete' : 'error');
const tokens = (job) => Object.values(job.teams).reduce((n, t) => n + t.token_count, 0);
const line = (job) => ({ job_id: job.id, status: state(job), brief_summary: job.brief.length > 100 ? `${job.brief.slice(0, 100)}...` : job.brief, total_tokens: tokens(job), estimated_cost: tokens(job) * 0.00001 });
const progress = (job) => Object.values(job.teams).reduce((n, t, _, all) => n + { complete: 100, thinking: 50, generating: 50 }[t.status] / all.length || n, 0);

function begin(owner, body) {
  const names = body.include_teams ?? Object.keys(TEAMS);
  const teams = Object.fromEntries(names.map((team) => [team, { team, status: 'pending', thoughts: [], generated_code: null, model_used: TEAMS[team][0], token_count: 0, error_message: null, ...(TEAMS[team][1] ? { label: TEAMS[team][1] } : {}) }]));
  const job = { id: `run_${randomUUID()}`, owner, brief: body.brief, body, teams, frames: [], wake: new Set(), over: false, cancelled: false };
  jobs.set(job.id, job);
  void run(job);
  return job;
}

/** The socket of a job, for its owner; to anybody else it says nothing. */
export async function follow(socket, id, user, query) {
  socket.send(JSON.stringify({ type: 'connected', job_id: id, timestamp: new Date().toISOString() }));
  socket.on('message', (raw) => /ping/.test(String(raw)) && socket.send(JSON.stringify({ type: 'pong', timestamp: new Date().toISOString() })));
  const job = jobs.get(id);
  if (!job || job.owner !== user?.id || job.cancelled) return;
  let gone = false;
  let next = job.frames.findIndex((f) => f.seq > Number(query.get('after') ?? 0));
  if (next < 0) next = job.frames.length;
  const tell = () => {
    for (; !gone && next < job.frames.length; next++) if (job.frames[next].type !== 'code_delta' || query.get('stream') === 'code') socket.send(JSON.stringify(job.frames[next]));
  };
  job.wake.add(tell);
  socket.on('close', () => ((gone = true), job.wake.delete(tell)));
  tell();
}

/** The routes under /api/orchestrate. True where one answered. */
export function teamRoutes({ route, url, body, user, json }) {
  if (!url.pathname.startsWith('/api/orchestrate/')) return false;
  const mine = [...jobs.values()].filter((j) => j.owner === user.id && !j.cancelled);
  if (route === 'GET /api/orchestrate/models') {
    const of = ([team, [id, label]]) => [team, { models: [{ id, name: label ? `${id} (${label})` : id, tier: label ? 'local' : 'standard' }], default: id, team: true }];
    json(200, { ...Object.fromEntries(Object.entries(TEAMS).map(of)), scripted: { models: [{ id: 'mock-1', name: 'mock-1', tier: 'local' }], default: 'mock-1' } });
    return true;
  }
  if (route === 'POST /api/orchestrate/brief') {
    if (!String(body.brief ?? '').trim()) return json(422, { detail: [{ type: 'string_too_short', loc: ['body', 'brief'], msg: 'String should have at least 1 character', input: body.brief }] }), true;
    if (body.workspace && !body.workspace.project_path) return json(422, { detail: [{ type: 'missing', loc: ['body', 'workspace', 'project_path'], msg: 'Field required' }] }), true;
    const job = begin(user.id, body);
    json(200, { ...line(job), status: 'received', teams: job.teams, workspace: body.workspace ?? null });
    return true;
  }
  if (route === 'GET /api/orchestrate/history') {
    const wanted = url.searchParams.get('status');
    const all = mine.map(line).filter((j) => !wanted || j.status === wanted).reverse();
    const [limit, offset] = [Number(url.searchParams.get('limit') ?? 50), Number(url.searchParams.get('offset') ?? 0)];
    json(200, { jobs: all.slice(offset, offset + limit), total: all.length, limit, offset, page: 1, page_size: limit });
    return true;
  }
  const one = /^(GET|DELETE|POST) \/api\/orchestrate\/(status|job|generate)\/(.+)$/.exec(route);
  const job = one && mine.find((j) => j.id === decodeURIComponent(one[3]));
  if (!job) return json(404, { detail: 'Job not found' }), true;
  if (one[1] === 'DELETE') {
    job.cancelled = true;
    for (const [team, view] of Object.entries(job.teams)) if (view.status !== 'complete') broken(job, team, 'Job cancelled');
    return json(200, { message: 'Job cancelled', job_id: job.id }), true;
  }
  if (one[1] === 'POST') return json(200, { message: 'Generation triggered', job_id: job.id, run_id: begin(user.id, { ...job.body, brief: job.brief.replace(/\bfail\b/i, 'succeed') }).id }), true;
  json(200, { ...line(job), progress: progress(job), teams: job.teams, workspace: null });
  return true;
}
