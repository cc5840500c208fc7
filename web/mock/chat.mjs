// The chat dialect of the mock: a projection of a run's log onto frames, one socket at a time.
import { follow, runs, startRun } from './runs.mjs';

const STEPS = {
  run_started: ['starting', 'Processing your question...'],
  route: ['agent_routing', 'Routing to the right expert...'],
  retrieve: ['rag_retrieval', 'Searching knowledge base...'],
  generate: ['generating', 'Generating response...'],
};

export function chat(socket, userOf) {
  let user = null;
  let stop = new AbortController();
  const queue = [];
  let busy = null;
  const send = (frame) => socket.send(JSON.stringify(frame));
  const error = (code, error, more = {}) => send({ type: 'error', error, code, ...more });

  async function show(run, after) {
    busy = run;
    const seen = { text: '', agent: undefined, intent: undefined, confidence: undefined, sources: [] };
    for await (const e of follow(run, 0, stop.signal)) {
      const at = { run_id: run.run_id, seq: e.seq };
      if (e.type === 'token') seen.text += e.text;
      if (e.type === 'routed') Object.assign(seen, { agent: e.agent, intent: e.intent, confidence: e.confidence });
      if (e.type === 'retrieved') seen.sources = e.sources.map((s) => s.source);
      if (e.seq <= after) continue;
      const step = STEPS[e.type === 'stage_started' ? e.stage : e.type];
      if (step) send({ type: 'progress', step: step[0], message: step[1], ...at });
      if (e.type === 'token') send({ type: 'token', token: e.text, partial_response: seen.text, ...at });
      if (e.type !== 'run_ended') continue;
      if (e.outcome === 'failed') error('PROCESSING_ERROR', e.error.message, { ...at, partial_response: seen.text, outcome: 'failed' });
      else {
        const { agent, confidence, intent, sources } = seen;
        const context = { sources, classified_intent: intent, confidence, agent };
        send({ type: 'complete', response: seen.text, session_id: run.session_id, metadata: { agent, confidence, context }, ...at, outcome: e.outcome });
      }
    }
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
        if (!user) return send({ type: 'auth_error', message: 'Invalid token' });
        return send({ type: 'auth_success', message: 'Authentication successful', user });
      case 'ping':
        return send({ type: 'pong' });
      case 'message': {
        if (!user) return error('AUTH_REQUIRED', 'Authentication required');
        if (!f.message?.trim()) return error('EMPTY_MESSAGE', 'Message is required');
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
