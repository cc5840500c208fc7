// The ai_stream dialect of the mock: one answer at a time, what comes meanwhile waits.
import { follow, startRun } from './runs.mjs';

/** Frames, and a count of what was generated. */
export function ai(socket, user, count) {
  const waiting = [];
  let run = null;
  const gone = new AbortController();
  const send = (frame) => socket.send(JSON.stringify(frame));
  const error = (message) => send({ type: 'error', message });

  async function next() {
    if (run || waiting.length === 0) return;
    run = startRun({ ...waiting.shift(), workflow: 'generate', owner: user.id });
    count(user.id);
    for await (const e of follow(run, 0, gone.signal)) {
      const at = { run_id: run.run_id, seq: e.seq };
      if (e.type === 'token') send({ type: 'chunk', text: e.text, ...at });
      if (e.type !== 'run_ended') continue;
      if (e.outcome === 'failed') send({ type: 'error', message: `API error: ${e.error?.message ?? 'it broke'}`, ...at });
      else send({ type: 'done', user_id: user.id, ...at, ...(e.outcome === 'cancelled' ? { stopped: true } : {}) });
    }
    run = null;
    if (!gone.signal.aborted) void next();
  }

  socket.on('close', () => {
    gone.abort();
    if (run) run.stopped = true;
  });
  socket.on('message', (data) => {
    let frame;
    try {
      frame = JSON.parse(String(data));
    } catch {
      return error('Expected one JSON object as text, such as {"action":"ping"}; this was text that is no JSON');
    }
    if (frame.action === 'ping') return send({ type: 'pong' });
    if (frame.action === 'stop') {
      if (run) run.stopped = true;
      return;
    }
    if (frame.action !== 'generate') return error(`Unknown action: ${frame.action ?? 'None'}`);
    if (!frame.prompt) return error('Prompt is required for generate action');
    waiting.push({ message: frame.prompt });
    void next();
  });
}
