// `npm run mock`: the built pages with the headers of the real server, and enough of its API to work on them.
// Questions with the words "fail", "long" or "unknown" do what they say. Every password is right.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { chat } from './chat.mjs';
import { follow, runs, startRun, summary } from './runs.mjs';

const dist = fileURLToPath(new URL('../../crates/server/ui/dist', import.meta.url));
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml' };
const PAGES = { '/': 'index.html', '/ws/test': 'ws-test.html' };

const users = new Map();
function session(email, name) {
  const id = createHash('sha256').update(email).digest('hex').slice(0, 12);
  const user = { id, email, name: name || email.split('@')[0] };
  users.set(`mock.${id}`, user);
  return { access_token: `mock.${id}`, refresh_token: `refresh.${id}`, token_type: 'bearer', expires_in: 1800, user };
}
const userOf = (token) => users.get(String(token ?? '').replace(/^Bearer\s+/i, '')) ?? null;

const http = createServer(async (req, res) => {
  const url = new URL(req.url, 'http://mock');
  const json = (status, body) => res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  const file = PAGES[url.pathname] ?? (/^\/assets\/[\w.-]+$/.test(url.pathname) ? url.pathname.slice(1) : null);
  if (file && req.method === 'GET') {
    try {
      const body = await readFile(`${dist}/${file}`);
      const cache = file.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache';
      return res
        .writeHead(200, { 'content-type': TYPES[extname(file)], 'cache-control': cache, 'content-security-policy': CSP, 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' })
        .end(body);
    } catch {
      return json(404, { detail: 'Not Found: run npm run build' });
    }
  }
  let text = '';
  for await (const piece of req) text += piece;
  const body = text ? JSON.parse(text) : {};
  const route = `${req.method} ${url.pathname}`;
  if (route === 'GET /health') {
    return json(200, { status: 'healthy', provider: { name: 'scripted', model: 'mock-1', label: process.env.MOCK_LABEL ?? 'scripted' } });
  }
  if (route === 'POST /api/v1/auth/register' || route === 'POST /api/v1/auth/login') {
    if (!/@/.test(body.email ?? '')) return json(422, { detail: [{ loc: ['body', 'email'], msg: 'value is not a valid email address' }] });
    if ((body.password ?? '').length < 8) return json(401, { detail: 'Invalid email or password' });
    return json(200, session(body.email, body.name));
  }
  const user = userOf(req.headers.authorization);
  if (!user) return json(401, { detail: 'Authentication required' });
  const mine = [...runs.values()].filter((r) => r.owner === user.id);
  const history = /^\/api\/v1\/chat\/history\/(.+)$/.exec(url.pathname);
  if (history) {
    const session_id = decodeURIComponent(history[1]);
    const messages = mine.filter((r) => r.session_id === session_id).flatMap((r) => {
      const answer = r.events.filter((e) => e.type === 'token').map((e) => e.text).join('');
      return [{ role: 'user', content: r.message }, ...(r.status === 'running' ? [] : [{ role: 'assistant', content: answer }])];
    });
    return json(200, { session_id, messages });
  }
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
  if (url.pathname !== '/ws/chat') return socket.destroy();
  sockets.handleUpgrade(req, socket, head, (ws) => chat(ws, userOf));
});
http.listen(Number(process.env.MOCK_PORT ?? 8787), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${http.address().port}`);
});
