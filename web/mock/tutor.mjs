// The tutor of the mock: lessons told frame by frame, rooms, what was missed while away, and the history. One process,
// nothing durable; the shapes are those of docs/protocol/tutor.md. "code" has a block of code, "fail" fails, "long" is long,
// "slowly" is slow.
import { randomUUID } from 'node:crypto';

const GAP = Number(process.env.MOCK_GAP_MS ?? 45);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

const ANSWER = 'Grass is green because of **chlorophyll**. It takes red and blue light out of what the sun sends:\n\n1. Red light and blue light are used.\n2. Green light is thrown back, and *that* is what you see.\n\nWhat do you think: which colour would a leaf have under a red lamp?';
const CODE = 'A loop does something once for each thing in a list:\n\n```python\nfor name in ["Ann", "Bob"]:\n    print("Hello, " + name)\n```\n\nThe indented line is done twice. Which line would you change to greet a third person?';
const STEPS = [
  ['analytical', 'The question is about light and a pigment.', 0.82],
  ['creative', 'A picture helps: a sieve that lets green through.', 0.7],
  ['metacognitive', 'Ask something back, so that it is not only read.', null],
];

const lessons = new Map();
const abilities = new Map();
const members = new Map();
const sockets = new Set();

const named = (session, id) => `${session}\n${id}`;

function emit(run, type, data) {
  const seq = run.frames.length + 2;
  const frame = { type, data: { message_id: run.id, session_id: run.session, timestamp: Date.now(), ...data, seq } };
  run.frames.push(frame);
  for (const at of sockets) if (at.sees(run)) at.send(frame);
}

async function tell(run) {
  const words = (/\bcode\b|Python/i.test(run.message) ? CODE : /\blong\b/i.test(run.message) ? `${ANSWER}\n\n`.repeat(12) : ANSWER).match(/\s*\S+/g);
  const began = Date.now();
  await sleep(GAP * 2);
  emit(run, 'stream_start', { ai_message_id: run.run, metadata: { provider: 'scripted', category: /code|Python/i.test(run.message) ? 'coding' : 'research', estimated_tokens: 40 } });
  emit(run, 'context_info', { context: { recent_messages_used: 4, relevant_messages_used: 1, semantic_search_enabled: true, rag_enabled: run.context.enable_rag === true, ...(run.context.enable_rag ? { rag_sources: ['biology.md', 'light.md'] } : {}) } });
  const down = /not understand/i.test(run.message);
  run.feeling = { primary_emotion: down ? 'confusion' : 'curiosity', arousal: 0.5, valence: down ? -0.4 : 0.25, learning_readiness: down ? 'moderate_readiness' : 'high_readiness' };
  emit(run, 'emotion_update', { emotion: run.feeling });
  for (const [n, [thinking_mode, description, confidence]] of (run.context.enable_reasoning ? STEPS : []).entries()) {
    await sleep(GAP * 4);
    if (run.stopped) break;
    emit(run, 'thinking_chunk', { reasoning_step: { step_number: n + 1, thinking_mode, description, confidence, timestamp: Date.now() } });
  }
  let code = false;
  for (const [i, word] of words.entries()) {
    if (run.stopped) break;
    if (/\bfail\b/i.test(run.message) && i === 12) {
      run.over = true;
      return emit(run, 'stream_error', { error: { code: 'AI_PROVIDER_UNAVAILABLE', message: 'AI generation failed: the connection broke off', details: { code: 'provider_interrupted', retry_after: 1 }, recoverable: true }, partial_content: run.text });
    }
    const fence = word.includes('```');
    const is_code = code || fence;
    if (fence) code = !code;
    run.text += word;
    emit(run, 'content_chunk', { content: word, chunk_index: i, is_code });
    await sleep(/\bslowly\b/i.test(run.message) ? GAP * 4 : GAP);
  }
  run.over = true;
  run.ms = Date.now() - began;
  const spent = { tokens_used: 42, cost: 0.0003 };
  if (run.stopped) return emit(run, 'generation_stopped', { ai_message_id: run.run, reason: 'user_cancelled', partial_content: run.text, metadata: { tokens_used: 12, cost: 0, cost_unknown: true, stopped_at_ms: run.ms } });
  const subject = run.context.subject || 'general';
  const key = named(run.owner, subject);
  abilities.set(key, Math.min(0.95, (abilities.get(key) ?? 0.5) + 0.03));
  run.learned = { subject, new_ability: abilities.get(key), confidence: 0.2 };
  emit(run, 'stream_complete', { ai_message_id: run.run, full_content: run.text, metadata: { provider_used: 'scripted', response_time_ms: run.ms, ...spent, ability_updated: run.learned } });
}

export function tutor(socket, user) {
  const rooms = new Set();
  const shows = new Set();
  const at = {
    user,
    sees: (run) => run.owner === user.id && (shows.has(run) || rooms.has(run.session)),
    send: (frame) => socket.send(JSON.stringify(frame)),
    rooms,
  };
  const now = () => Date.now();
  const others = (session_id, type, more = {}) => {
    for (const one of sockets) if (one !== at && one.rooms.has(session_id)) one.send({ type, data: { user_id: user.id, session_id, ...more, timestamp: now() } });
  };
  sockets.add(at);
  at.send({ type: 'connect', data: { user_id: user.id, connection_id: randomUUID(), timestamp: now(), features: { streaming: true } } });
  // What the connection before this one left unfinished goes on: everything that it was not sent.
  for (const [run, from] of away.get(user.id) ?? []) {
    for (const frame of run.frames.slice(from)) at.send(frame);
    shows.add(run);
  }
  away.delete(user.id);
  socket.on('close', () => {
    sockets.delete(at);
    const left = [...shows].filter((run) => !run.over).map((run) => [run, run.frames.length]);
    if (left.length) away.set(user.id, left);
    for (const room of rooms) others(room, 'user_left');
  });
  socket.on('message', (raw) => {
    const { type, data = {} } = JSON.parse(String(raw));
    const session_id = data.session_id ?? data.sessionId;
    if (type === 'ping') return at.send({ type: 'pong', data: { timestamp: now() } });
    if (type === 'join_session') {
      rooms.add(session_id);
      at.send({ type: 'session_joined', data: { session_id, timestamp: now() } });
      return others(session_id, 'user_joined');
    }
    if (type === 'leave_session') return rooms.delete(session_id), others(session_id, 'user_left');
    if (type === 'user_typing') return others(session_id, 'typing_indicator', { isTyping: data.isTyping });
    if (type === 'message_sent') return others(session_id, 'session_update', { action: 'message_sent' });
    const key = named(named(user.id, session_id), data.message_id);
    const run = lessons.get(key);
    if (type === 'stop_generation') {
      if (run) run.stopped = true;
      return at.send({ type: 'stop_acknowledged', data: { message_id: data.message_id, session_id, timestamp: now(), ...(run && !run.over ? {} : { already_completed: true }) } });
    }
    if (type !== 'chat_stream') return;
    if (run) {
      if (shows.has(run) && data.after === undefined) return;
      for (const frame of run.frames) if (!(frame.data.seq <= data.after)) at.send(frame);
      return shows.add(run);
    }
    if (/too fast/i.test(data.message)) {
      return at.send({ type: 'error', data: { message: 'Rate limit exceeded. Please slow down.', code: 'RATE_LIMIT_EXCEEDED', retry_after: 1, message_id: data.message_id, session_id } });
    }
    const made = { id: data.message_id, session: session_id, owner: user.id, message: data.message, context: data.context ?? {}, run: `run_${randomUUID()}`, frames: [], text: '', stopped: false, over: false, at: new Date().toISOString() };
    lessons.set(key, made);
    shows.add(made);
    void tell(made);
  });
}
/** What the last connection of a user left unfinished: runs, and how far it was. */
const away = new Map();

/** The routes of the tutor, and those of sharing. True where one answered. */
export function lessonRoutes({ route, url, user, json }) {
  const history = /^GET \/tutor\/api\/v1\/chat\/history\/(.+)$/.exec(route);
  if (history) {
    const session_id = decodeURIComponent(history[1]);
    const all = [...lessons.values()].filter((r) => r.owner === user.id && r.session === session_id);
    if (all.length === 0) return json(404, { detail: 'Session not found' }), true;
    const before = all.findIndex((r) => r.run === url.searchParams.get('before'));
    const upto = before < 0 ? all.length : before;
    const from = Math.max(0, upto - Number(url.searchParams.get('limit') ?? 250));
    const messages = all.slice(from, upto).flatMap((r) => [
      { id: r.id, role: 'user', content: r.message, timestamp: r.at, emotion_state: r.feeling, provider_used: null, response_time_ms: null, cost: null, run_id: r.run },
      ...(r.over ? [{ id: r.run, role: 'assistant', content: r.text, timestamp: r.at, emotion_state: null, provider_used: 'scripted', response_time_ms: r.ms, cost: 0.0003, run_id: r.run, ability_updated: r.learned }] : []),
    ]);
    json(200, { session_id, messages, total_messages: all.length * 2, session_started: all[0].at, total_cost: 0, ...(from > 0 ? { truncated: true } : {}) });
    return true;
  }
  const member = /^PUT \/api\/sessions\/([^/]+)\/members\/([^/]+)$/.exec(route);
  if (member) {
    members.set(named(member[1], member[2]), { session_id: decodeURIComponent(member[1]), owner_id: user.id, to: decodeURIComponent(member[2]) });
    return json(204), true;
  }
  if (route === 'GET /api/shared') {
    json(200, { sessions: [...members.values()].filter((m) => m.to === user.id).map(({ session_id, owner_id }) => ({ session_id, owner_id, shared_at: 0 })) });
    return true;
  }
  return false;
}
