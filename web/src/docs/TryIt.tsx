import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Account } from '../shared/account';
import { exampleOf, resolve, type Api, type Operation, type Schema } from './openapi';
import { ask, curl, holes, type Filled } from './request';

/** Characters of an answer that are shown; a stream may be endless. */
const MOST = 30_000;

interface Answer {
  line: string;
  good: boolean;
  headers: string[];
  text: string;
}

const SHOWN_HEADERS = ['content-type', 'x-request-id', 'x-response-time', 'retry-after', 'etag', 'www-authenticate'];

function begin(api: Api, op: Operation): Filled {
  const json = op.body?.media === 'application/json';
  const body = json ? JSON.stringify(op.body!.example ?? exampleOf(api, op.body!.schema ?? undefined), null, 2) : '';
  const form: Record<string, string> = {};
  if (op.body && !json) {
    for (const [name, field] of Object.entries(fieldsOf(api, op))) {
      form[name] = field.default === undefined || field.default === null ? '' : String(field.default);
    }
  }
  const medias = op.answers.find((a) => a.status.startsWith('2'))?.contents.map((c) => c.media) ?? [];
  return { parameters: {}, body, form, accept: medias.length > 1 ? medias[0]! : null };
}

const fieldsOf = (api: Api, op: Operation): Record<string, Schema> =>
  (op.body?.schema && resolve(api, op.body.schema).schema.properties) || {};

function pretty(text: string, kind: string): string {
  if (!kind.includes('json')) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

export function TryIt({ api, op, account }: { api: Api; op: Operation; account: Account }) {
  const filled = useSignal<Filled>(begin(api, op));
  const answer = useSignal<Answer | null>(null);
  const busy = useSignal(false);
  const copied = useSignal(false);
  const files = useRef<Record<string, File>>({});
  const under = useRef<AbortController | null>(null);
  // Whoever leaves the page, or closes the operation, lets go of its stream.
  useEffect(() => () => under.current?.abort(), []);

  const f = filled.value;
  const set = (more: Partial<Filled>) => (filled.value = { ...filled.value, ...more });
  const missing = holes(op, f);
  const line = curl(op, f, location.origin);
  const medias = op.answers.find((a) => a.status.startsWith('2'))?.contents.map((c) => c.media) ?? [];

  const send = async () => {
    const { method, url, headers, body } = ask(op, f, account.token.value);
    let sent: BodyInit | null = body;
    if (op.body?.media === 'multipart/form-data') {
      const form = new FormData();
      for (const [name, value] of Object.entries(f.form)) {
        const file = files.current[name];
        if (file) form.append(name, file);
        else if (value !== '') form.append(name, value);
      }
      sent = form;
    }
    const going = new AbortController();
    under.current = going;
    busy.value = true;
    answer.value = null;
    const began = performance.now();
    try {
      const response = await fetch(url, { method, headers, body: sent, signal: going.signal, cache: 'no-store' });
      const kind = response.headers.get('content-type') ?? '';
      const told: Answer = {
        line: `${response.status} ${response.statusText} · ${Math.round(performance.now() - began)} ms`,
        good: response.ok,
        headers: SHOWN_HEADERS.flatMap((h) => (response.headers.get(h) ? [`${h}: ${response.headers.get(h)}`] : [])),
        text: '',
      };
      answer.value = told;
      const reader = response.body?.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).getReader();
      let text = '';
      while (reader) {
        const { done, value } = await reader.read();
        if (done) break;
        text += value;
        if (text.length > MOST) {
          text = `${text.slice(0, MOST)}\n… (cut here)`;
          going.abort();
          break;
        }
        if (kind.includes('event-stream')) answer.value = { ...told, text };
      }
      answer.value = { ...told, text: pretty(text, kind) };
    } catch (e) {
      const stopped = going.signal.aborted;
      if (answer.value) answer.value = { ...answer.value, line: `${answer.value.line} · ${stopped ? 'stopped here' : 'broken off'}` };
      else answer.value = { line: stopped ? 'stopped' : `no answer: ${String(e)}`, good: false, headers: [], text: '' };
    } finally {
      busy.value = false;
    }
  };

  const field = (id: string, label: string, required: boolean, value: string, on: (v: string) => void, hint?: string) => (
    <label key={id}>
      <span>
        <code>{label}</code> {!required && <span class="quiet">optional</span>}
      </span>
      <input class="mono" autocomplete="off" spellcheck={false} placeholder={hint} value={value} onInput={(e) => on(e.currentTarget.value)} />
    </label>
  );

  return (
    <form
      class="try stack"
      aria-label={`Try ${op.method.toUpperCase()} ${op.path}`}
      onSubmit={(e) => {
        e.preventDefault();
        if (busy.value) under.current?.abort();
        else if (missing.length === 0) void send();
      }}
    >
      <h3>Try it</h3>
      {op.parameters.map((p) => {
        const key = `${p.in}:${p.name}`;
        return field(key, p.name, p.required === true, f.parameters[key] ?? '', (v) => set({ parameters: { ...filled.value.parameters, [key]: v } }), p.in);
      })}
      {medias.length > 1 && (
        <label>
          Answer as
          <select value={f.accept ?? ''} onChange={(e) => set({ accept: e.currentTarget.value })}>
            {medias.map((m) => (
              <option key={m} value={m}>
                {m}
              </option>
            ))}
          </select>
        </label>
      )}
      {op.body?.media === 'application/json' && (
        <label>
          Body
          <textarea class="mono" rows={4} spellcheck={false} value={f.body} onInput={(e) => set({ body: e.currentTarget.value })} />
        </label>
      )}
      {Object.entries(op.body?.media === 'multipart/form-data' ? fieldsOf(api, op) : {}).map(([name, schema]) =>
        schema.format === 'binary' ? (
          <label key={name}>
            <code>{name}</code>
            <input
              type="file"
              onChange={(e) => {
                const file = e.currentTarget.files?.[0];
                if (file) files.current[name] = file;
                set({ form: { ...filled.value.form, [name]: file?.name ?? '' } });
              }}
            />
          </label>
        ) : (
          field(name, name, false, f.form[name] ?? '', (v) => set({ form: { ...filled.value.form, [name]: v } }))
        ),
      )}
      <div class="row">
        <button type="submit" class={busy.value ? 'stop' : 'primary'} aria-disabled={missing.length > 0}>
          {busy.value ? 'Stop' : 'Send'}
        </button>
        {missing.length > 0 && <span class="quiet">still empty: {missing.join(', ')}</span>}
        {!op.open && !account.token.value && <span class="quiet">not signed in: the answer will be a 401</span>}
      </div>
      <div class="line">
        <pre tabIndex={0} aria-label="The same with curl">
          <code>{line}</code>
        </pre>
        {typeof navigator.clipboard?.writeText === 'function' && (
          <button
            type="button"
            class="plain"
            onClick={() => void navigator.clipboard.writeText(line).then(() => (copied.value = true)).catch(() => {})}
          >
            {copied.value ? 'Copied' : 'Copy'}
          </button>
        )}
      </div>
      <div role="status">
        {answer.value && (
          <div class="answer">
            <p>
              <span class={`tag ${answer.value.good ? 'completed' : 'failed'}`}>{answer.value.line}</span>
            </p>
            {answer.value.headers.length > 0 && <p class="hint mono">{answer.value.headers.join(' · ')}</p>}
          </div>
        )}
      </div>
      {answer.value?.text && (
        <pre class="got" tabIndex={0} aria-label="Answer">
          <code>{answer.value.text}</code>
        </pre>
      )}
    </form>
  );
}
