// Runs of the mock: numbered logs in memory, told at a chosen pace. A stand-in for people who work on the pages; it
// keeps the shapes of docs and contracts, none of the promises (nothing is durable here).
import { randomUUID } from 'node:crypto';

const GAP = Number(process.env.MOCK_GAP_MS ?? 45);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

const SPECS = `The **GenAuto X1** has a 1.0-litre turbo engine:

| Fuel | Power | Torque |
| --- | --- | --- |
| Ethanol | **128 hp** | 20.4 kgfm |
| Gasoline | **116 hp** | 20.4 kgfm |

It is a *flex* engine, so any mixture of the two works. A few things that matter in daily use:

1. Use at least 91 RON gasoline.
2. After changing the fuel, drive some ten minutes before parking, so that the engine learns the mixture.
3. The figures are measured at \`5,500 rpm\`.

More is in the [owner's manual](https://example.com/manual).`;
const ANSWERS = [
  [/squeal|brake|noise|smoke/i, 'troubleshoot', 0.82, ['troubleshooting_genautox1.md', 'safety_manual_genautox1.md'],
    '⚠️ **SAFETY WARNING**: Have the brakes checked before you drive further.\n\nA squeal when braking usually means one of these:\n\n- **Worn pads**: the wear indicator touches the disc. Replace them soon.\n- **Dust or moisture**: goes away after a few stops.\n- **Glazed pads**: after long descents.\n\nDoes it also squeal when you are *not* braking?'],
  [/service|often|oil|schedule/i, 'maintenance', 0.91, ['maintenance_genautox1.md'],
    'The service is due every **10,000 km** or every 12 months, whichever comes first.\n\n- Oil and filter: every service\n- Cabin filter: every service\n- Spark plugs: every 40,000 km'],
  [/./s, 'specs', 0.87, ['manual_genautox1.md', 'faq_genautox1.md'], SPECS],
];

const SLOT = '2026-11-24T09:00';
const TOOLS = [
  ['check_available_slots', { date: '2026-11-24' }, true, { slots: [SLOT, '2026-11-24T10:30'] }],
  ['get_service_history', { vehicle: 'GenAuto X1' }, false, { error: 'no vehicle of this name' }],
  ['book_appointment', { service: 'oil_change', slot: SLOT }, true, { appointment_id: 'APT-20261121093000', slot: SLOT }],
];

const THOUGHT = 'The question is about the **engine**: power and torque differ by fuel, so a table fits. <b>Not bold.</b>';
const CITED = [
  { url: 'https://example.com/specs', title: 'GenAuto X1: specifications', quote: '128 hp with ethanol' },
  { url: 'javascript:alert(1)', title: 'No page' },
  { title: 'specs_genautox1_2024.md' },
];
export const MODELS = [
  { alias: 'default', default: true, provider: 'scripted', model: 'mock-1', label: 'scripted', tools: false },
  { alias: 'large', default: false, provider: 'elsewhere', model: 'mock-9', label: null, tools: true },
];

export const runs = new Map();

export function startRun({ owner, workflow, message, session_id, message_id, model }) {
  const who = MODELS.find((m) => m.alias === model) ?? MODELS[0];
  const joined = message_id && [...runs.values()].find((r) => r.owner === owner && r.message_id === message_id);
  if (joined) return joined;
  const run = {
    run_id: randomUUID(), session_id: session_id ?? randomUUID(), message_id, owner, workflow, message,
    status: 'running', provider: who.provider, model: who.model, created_at: new Date().toISOString(),
    events: [], wake: new Set(), stopped: false,
  };
  runs.set(run.run_id, run);
  void tell(run);
  return run;
}

export const summary = ({ run_id, session_id, workflow, status, provider, model, created_at, events }) => ({
  run_id, session_id, workflow, status, provider, model, created_at, tail: events.length,
});

export function append(run, type, fields = {}) {
  run.events.push({ run_id: run.run_id, seq: run.events.length + 1, type, at: new Date().toISOString(), ...fields });
  for (const wake of run.wake) wake();
}

/** Every event after a position, live, until the ending. */
export async function* follow(run, after, signal) {
  for (let next = after; !signal.aborted; ) {
    while (next < run.events.length) {
      const event = run.events[next++];
      yield event;
      if (event.type === 'run_ended') return;
    }
    await new Promise((done) => {
      const wake = () => (run.wake.delete(wake), signal.removeEventListener('abort', wake), done());
      run.wake.add(wake);
      signal.addEventListener('abort', wake);
    });
  }
}

function end(run, outcome, more = {}) {
  run.status = outcome;
  append(run, 'run_ended', { outcome, ...more });
}

async function tell(run) {
  const [, agent, confidence, sources, text] = ANSWERS.find(([test]) => test.test(run.message));
  append(run, 'run_started', { session_id: run.session_id, workflow: run.workflow });
  const steps = run.workflow !== 'assist' ? [] : [
    ['route', 'routed', { agent, intent: agent.toUpperCase(), confidence }],
    ['retrieve', 'retrieved', { sources: sources.map((source, i) => ({ source, heading: 'Engine > Figures', score: 0.87 - i / 10 })) }],
  ];
  for (const [stage, type, fields] of steps) {
    await sleep(GAP * 3);
    if (run.stopped) return end(run, 'cancelled');
    append(run, 'stage_started', { stage });
    await sleep(GAP * 3);
    append(run, type, fields);
  }
  append(run, 'stage_started', { stage: 'generate' });
  for (const [n, [name, args, ok, result]] of (run.workflow === 'assist' && /\bbook\b/i.test(run.message) ? TOOLS : []).entries()) {
    append(run, 'tool_called', { call_id: `call_${n}`, name, arguments: args });
    await sleep(GAP);
    append(run, 'tool_returned', { call_id: `call_${n}`, name, ok, result });
  }
  if (run.workflow === 'assist' && /\bperson\b/i.test(run.message)) {
    const message = 'A person will take over as soon as one is free. You need not wait here.';
    append(run, 'escalated', { escalation_id: 'ESC-20261121-7F3A', status: 'queued', reason: 'user_request', estimated_wait_time: null, agent_name: null, message });
  }
  append(run, 'model_started', { provider: run.provider, model: run.model, label: 'scripted' });
  // Type it to see how the page shows an event that it does not know.
  if (/unknown/i.test(run.message)) append(run, 'weather_changed', { sky: 'blue', clouds: 2 });
  if (/\bthink\b/i.test(run.message)) {
    for (const word of THOUGHT.match(/\s*\S+/g)) {
      append(run, 'reasoning', { text: word });
      await sleep(GAP / 2);
    }
  }
  await sleep(GAP * 6);
  const words = (/\blong\b/i.test(run.message) ? `${text}\n\n`.repeat(12) : text).match(/\s*\S+/g);
  for (const [i, word] of words.entries()) {
    if (run.stopped) return end(run, 'cancelled', { usage: { input_tokens: 212, output_tokens: i, cost_usd: 0.0001, estimated: true } });
    if (/\bfail\b/i.test(run.message) && i === 18) {
      return end(run, 'failed', { error: { code: 'provider_interrupted', message: 'The provider closed the stream', recoverable: true, retry_after: 1 } });
    }
    append(run, 'token', { text: word });
    await sleep(/\bslowly\b/i.test(run.message) ? GAP * 4 : GAP);
  }
  if (/\bcite\b/i.test(run.message)) for (const cited of CITED) append(run, 'cited', cited);
  end(run, 'completed', { usage: { input_tokens: 1212, output_tokens: words.length, reasoning_tokens: 20, cost_usd: 0.002137 }, finish_reason: 'stop' });
}
