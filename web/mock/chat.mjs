// The chat dialect of the mock: a projection of a run's log onto frames, one socket at a time.
import { follow, runs, startRun } from './runs.mjs';

/** Runs whose viewer was signed out once, and messages that were too fast once: the next time they pass. */
const expired = new WeakSet();
const limited = new Set();
const STEPS = {
  run_started: ['starting', 'Processing your question...'],
  route: ['agent_routing', 'Routing to the right expert...'],
  retrieve: ['rag_retrieval', 'Searching knowledge base...'],
  generate: ['generating', 'Generating response...'],
};

/** `expire` ends a sign-in: a token's, or (for good) everything of its user. */
export function chat(socket, userOf, expire, detail) {
  let user = null;
  let token = null;
  let stop = new AbortController();
  const queue = [];
  let busy = null;
  const send = (frame) => socket.send(JSON.stringify(frame));
  const error = (code, error, more = {}) => send({ type: 'error', error, code, ...more });

  async function show(run, after) {
    busy = run;
    const seen = { text: '', agent: undefined, intent: undefined, confidence: undefined, sources: [], tools: [], escalation: undefined, citations: [], model: undefined };
    const own = stop;
    for await (const e of follow(run, 0, own.signal)) {
      const at = { run_id: run.run_id, seq: e.seq };
      if (e.type === 'token') seen.text += e.text;
      if (e.type === 'routed') Object.assign(seen, { agent: e.agent, intent: e.intent, confidence: e.confidence });
      if (e.type === 'retrieved') seen.sources = e.sources.map((s) => s.source);
      if (e.type === 'tool_returned') seen.tools.push({ name: e.name, ok: e.ok });
      if (e.type === 'escalated') seen.escalation = { escalation_id: e.escalation_id, status: e.status, estimated_wait_time: null, agent_name: null, message: e.message };
      if (e.type === 'cited') seen.citations.push({ url: e.url, title: e.title, quote: e.quote });
      if (e.type === 'model_started') seen.model = { provider: e.provider, model: e.model, label: e.label };
      if (e.seq <= after) continue;
      if (e.type === 'reasoning' && detail) send({ type: 'reasoning', text: e.text, ...at });
      const step = STEPS[e.type === 'stage_started' ? e.stage : e.type];
      if (step) send({ type: 'progress', step: step[0], message: step[1], ...at });
      if (e.type === 'token') send({ type: 'token', token: e.text, partial_response: seen.text, ...at });
      if (/\bexpire\b/i.test(run.message) && seen.text.length > 60 && !expired.has(run)) {
        expired.add(run);
        const good = /for good/i.test(run.message);
        expire(token, good);
        [user, token, busy, stop] = [null, null, null, new AbortController()];
        error('TOKEN_EXPIRED', 'The token has run out; sign in again');
        if (good) socket.close(4401, 'token expired');
        return;
      }
      if (e.type !== 'run_ended') continue;
      const model = seen.model && { ...seen.model, usage: e.usage };
      const { recoverable, retry_after } = e.error ?? {};
      if (e.outcome === 'failed') error('PROCESSING_ERROR', e.error.message, { ...at, outcome: 'failed', partial_response: seen.text, retry_after, recoverable, ...(detail ? { model } : {}) });
      else {
        const { agent, confidence, intent, sources, tools, escalation } = seen;
        const context = { sources, classified_intent: intent, confidence, agent, ...(tools.length ? { tools } : {}), ...(escalation ? { escalation } : {}), ...(detail ? { model } : {}), ...(detail && seen.citations.length ? { citations: seen.citations } : {}) };
        send({ type: 'complete', response: seen.text, session_id: run.session_id, metadata: { agent, confidence, context }, ...at, outcome: e.outcome });
      }
    }
    if (own.signal.aborted) return;
    busy = null;
    const next = queue.shift();
    if (next && !stop.signal.aborted) void show(startRun(next), 0);
  }

  socket.on('close', (code) => {
    stop.abort();
    if (process.env.MOCK_LOG) console.error('socket closed', code);
  });
  socket.on('message', (raw, binary) => {
    let f;
    try {
      f = JSON.parse(raw.toString());
      if (binary || typeof f !== 'object' || f === null || Array.isArray(f)) throw 0;
    } catch {
      return error('INVALID_MESSAGE', 'A frame is one JSON object');
    }
    switch (f.type) {
      case 'auth':
        user = userOf(f.token);
        token = user && f.token;
        if (!user) return send({ type: 'auth_error', message: 'Invalid token' });
        return send({ type: 'auth_success', message: 'Authentication successful', user });
      case 'ping':
        return send({ type: 'pong' });
      case 'message': {
        if (!user) return error('AUTH_REQUIRED', 'Authentication required');
        if (!f.message?.trim()) return error('EMPTY_MESSAGE', 'Message is required');
        if (/too fast/i.test(f.message) && !limited.has(f.message_id)) {
          limited.add(f.message_id);
          return error('RATE_LIMITED', 'Too many messages; try again in 2 s', { message_id: f.message_id, retry_after: 2 });
        }
        const turn = { owner: user.id, workflow: 'assist', message: f.message, session_id: f.session_id, message_id: f.message_id };
        if (!busy) return void show(startRun(turn), 0);
        if (queue.length >= 8) return error('QUEUE_FULL', 'Too many messages are waiting');
        queue.push(turn);
        return;
      }
      case 'stop':
        if (busy) busy.stopped = true;
        return;
      case 'resume': {
        if (!user) return error('AUTH_REQUIRED', 'Authentication required');
        const mine = [...runs.values()].filter((r) => r.owner === user.id && r.session_id === f.session_id);
        const run = f.run_id ? mine.find((r) => r.run_id === f.run_id) : mine.at(-1);
        if (!run) return error('RUN_NOT_FOUND', 'No such run');
        return void show(run, f.after ?? 0);
      }
      default:
        return error('UNKNOWN_TYPE', `Unknown message type: ${f.type}`);
    }
  });
}
