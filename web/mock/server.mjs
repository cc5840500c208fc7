// `npm run mock`: the built pages with the headers of the real server, and enough of its API to work on them.
// Questions with the words "fail", "long", "unknown", "book", "person", "think", "cite", "too fast", "expire" or "expire
// for good" do what they say. Every password is right.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { ai } from './ai.mjs';
import { chat } from './chat.mjs';
import { documents } from './documents.mjs';
import { follow as followJob, teamRoutes } from './teams.mjs';
import { lessonRoutes, tutor } from './tutor.mjs';
import { MODELS, follow, runs, startRun, summary } from './runs.mjs';

const dist = fileURLToPath(new URL('../../crates/server/ui/dist', import.meta.url));
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const docs = fileURLToPath(new URL('../../docs', import.meta.url));
const TYPES = { '.json': 'application/json', '.md': 'text/plain; charset=utf-8', '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml' };
const PAGES = { '/': 'index.html', '/ws/test': 'ws-test.html', '/ws/ai/test': 'ai-test.html', '/tutor/test': 'tutor-test.html', '/orchestrate/test': 'orchestrate-test.html', '/docs': 'docs.html', '/knowledge': 'knowledge.html' };
const TEXTS = { '/openapi.json': 'openapi.json', '/docs/native.md': 'protocol/native.md', '/docs/chat.md': 'protocol/chat.md', '/docs/ai_stream.md': 'protocol/ai_stream.md', '/docs/tutor.md': 'protocol/tutor.md', '/docs/orchestrate.md': 'protocol/orchestrate.md' };

const feedback = new Map();
const generated = new Map();
const users = new Map();
const refreshers = new Map();
let issued = 0;
function session(email, name) {
  const id = createHash('sha256').update(email).digest('hex').slice(0, 12);
  return grant({ id, email, name: name || email.split('@')[0] });
}
function grant(user) {
  const n = ++issued;
  users.set(`mock.${user.id}.${n}`, user);
  refreshers.set(`refresh.${user.id}.${n}`, user);
  return { access_token: `mock.${user.id}.${n}`, refresh_token: `refresh.${user.id}.${n}`, token_type: 'bearer', expires_in: 1800, user };
}
function expire(token, forGood) {
  const user = users.get(token);
  users.delete(token);
  if (!forGood || !user) return;
  for (const kept of [users, refreshers]) for (const [key, owner] of kept) if (owner.id === user.id) kept.delete(key);
}
const userOf = (token) => users.get(String(token ?? '').replace(/^Bearer\s+/i, '')) ?? null;

const http = createServer(async (req, res) => {
  const url = new URL(req.url, 'http://mock');
  const json = (status, body) => res.writeHead(status, { 'content-type': 'application/json' }).end(body === undefined ? '' : JSON.stringify(body));
  const file = PAGES[url.pathname] ?? TEXTS[url.pathname] ?? (/^\/assets\/[\w.-]+$/.test(url.pathname) ? url.pathname.slice(1) : null);
  if (file && req.method === 'GET') {
    try {
      const body = await readFile(`${TEXTS[url.pathname] ? docs : dist}/${file}`);
      const cache = file.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache';
      return res
        .writeHead(200, { 'content-type': TYPES[extname(file)], 'cache-control': cache, 'content-security-policy': CSP, 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' })
        .end(body);
    } catch {
      return json(404, { detail: 'Not Found: run npm run build' });
    }
  }
  const pieces = [];
  for await (const piece of req) pieces.push(piece);
  const raw = Buffer.concat(pieces);
  const says = req.headers['content-type'] ?? '';
  const body = /json/.test(says) && raw.length ? JSON.parse(raw.toString()) : {};
  const route = `${req.method} ${url.pathname}`;
  if (route === 'GET /health') {
    return json(200, { status: 'healthy', provider: { name: 'scripted', model: 'mock-1', label: process.env.MOCK_LABEL ?? 'scripted' }, anonymous_chat: true });
  }
  if (route === 'POST /api/v1/auth/register' || route === 'POST /api/v1/auth/login') {
    if (!/@/.test(body.email ?? '')) return json(422, { detail: [{ loc: ['body', 'email'], msg: 'value is not a valid email address' }] });
    if ((body.password ?? '').length < 8) return json(401, { detail: 'Invalid email or password' });
    return json(200, session(body.email, body.name));
  }
  if (route === 'POST /api/v1/auth/guest') return json(200, session(`guest-${++issued}@example.com`, 'Guest'));
  if (route === 'POST /api/v1/auth/refresh') {
    const owner = refreshers.get(body.refresh_token);
    return owner ? json(200, grant(owner)) : json(401, { detail: 'Invalid token' });
  }
  const user = userOf(req.headers.authorization);
  if (!user) return json(401, { detail: 'Authentication required' });
  if (route === 'GET /api/v1/auth/me') return json(200, { user_id: user.id, email: user.email, name: user.name });
  if (route === 'POST /api/v1/auth/logout') {
    expire(req.headers.authorization.replace(/^Bearer\s+/i, ''), true);
    return json(200, { message: 'Logged out' });
  }
  if (route === 'POST /api/v1/feedback') {
    if (!/^(positive|negative)$/.test(body.sentiment ?? '')) return json(422, { detail: [{ loc: ['body', 'sentiment'], msg: 'Input should be positive or negative' }] });
    feedback.set(`${user.id}/${body.message_id}`, body);
    return json(200, { status: 'success', message: 'Feedback recorded', message_id: body.message_id, sentiment: body.sentiment });
  }
  // For the checks only: what was said of an answer.
  const said = /^\/mock\/feedback\/(.+)$/.exec(url.pathname);
  if (said) return json(200, feedback.get(`${user.id}/${said[1]}`) ?? null);
  if (url.pathname.startsWith('/api/v1/documents')) return documents({ route, url, raw, body, user, type: says, json });
  if (lessonRoutes({ route, url, user, json }) || teamRoutes({ route, url, body, user, json })) return;
  const mine = [...runs.values()].filter((r) => r.owner === user.id);
  const history = /^\/api\/v1\/chat\/history\/(.+)$/.exec(url.pathname);
  if (history) {
    const session_id = decodeURIComponent(history[1]);
    const messages = mine.filter((r) => r.session_id === session_id).flatMap((r) => {
      const answer = r.events.filter((e) => e.type === 'token').map((e) => e.text).join('');
      const of = { run_id: r.run_id };
      return [{ role: 'user', content: r.message, ...of }, ...(r.status === 'running' ? [] : [{ role: 'assistant', content: answer, ...of }])];
    });
    return json(200, { session_id, messages });
  }
  if (route === 'GET /api/user/limits') {
    const used = generated.get(user.id) ?? 0;
    return json(200, { ai_generations_used: used, ai_generations_limit: 50, remaining: 50 - used });
  }
  if (route === 'GET /api/v1/models') return json(200, { models: MODELS });
  if (route === 'GET /api/runs') return json(200, { runs: mine.map(summary).reverse() });
  if (route === 'POST /api/runs') {
    if (!body.message) return json(422, { detail: [{ loc: ['body', 'message'], msg: 'Field required' }] });
    const run = startRun({ ...body, owner: user.id });
    return json(201, { run_id: run.run_id, session_id: run.session_id });
  }
  const one = /^\/api\/runs\/([^/]+)(\/events|\/stop)?$/.exec(url.pathname);
  const run = one && mine.find((r) => r.run_id === one[1]);
  if (!run) return json(404, { detail: 'Not Found' });
  if (!one[2]) return json(200, summary(run));
  if (one[2] === '/stop') {
    run.stopped = true;
    return json(202, summary(run));
  }
  const cursor = req.headers['last-event-id'];
  const after = cursor ? Number(Buffer.from(cursor, 'base64url').toString().split(':')[1]) : Number(url.searchParams.get('after') ?? 0);
  if (!(after >= 0 && after <= run.events.length)) return json(409, { error: { code: 'CURSOR_AHEAD', message: 'The run has no such position yet' } });
  if (!/event-stream/.test(req.headers.accept ?? '')) return json(200, { events: run.events.slice(after) });
  const gone = new AbortController();
  res.on('close', () => gone.abort());
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  const beat = setInterval(() => res.write(': hb\n'), 10_000);
  for await (const e of follow(run, after, gone.signal)) {
    res.write(`id: ${Buffer.from(`${run.run_id}:${e.seq}`).toString('base64url')}\ndata: ${JSON.stringify(e)}\n\n`);
  }
  clearInterval(beat);
  res.end();
});

const sockets = new WebSocketServer({ noServer: true, maxPayload: 64 * 1024 });
http.on('upgrade', (req, socket, head) => {
  const url = new URL(req.url, 'http://mock');
  // The token is a subprotocol, as in the pages; of the two the protocol's own name is agreed to.
  const named = String(req.headers['sec-websocket-protocol'] ?? '').split(',').map((p) => p.trim());
  const bearer = named.find((p) => p.startsWith('base64url.bearer.'))?.slice('base64url.bearer.'.length);
  const user = bearer ? userOf(Buffer.from(bearer, 'base64url').toString()) : null;
  const job = /^\/ws\/orchestrate\/([^/]+)$/.exec(url.pathname);
  if (job) return sockets.handleUpgrade(req, socket, head, (ws) => followJob(ws, decodeURIComponent(job[1]), user, url.searchParams));
  if (url.pathname === '/ws/ai/stream' || url.pathname === '/api/ws') {
    if (!user) return socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    if (url.pathname === '/api/ws') return sockets.handleUpgrade(req, socket, head, (ws) => tutor(ws, user));
    return sockets.handleUpgrade(req, socket, head, (ws) => ai(ws, user, (id) => generated.set(id, (generated.get(id) ?? 0) + 1)));
  }
  if (url.pathname !== '/ws/chat') return socket.destroy();
  sockets.handleUpgrade(req, socket, head, (ws) => chat(ws, userOf, expire, url.searchParams.get('detail') === 'true'));
});
http.listen(Number(process.env.MOCK_PORT ?? 8787), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${http.address().port}`);
});
