import { signal, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Account } from '../shared/account';
import { call } from '../shared/http';
import { SignIn } from '../shared/parts';
import { readApi, search, type Api, type Content, type Operation } from './openapi';
import { Prose } from './Prose';
import { SchemaView } from './SchemaView';
import { TryIt } from './TryIt';

/** Where a socket can be tried; the chat's page for those that are not named. */
const TRY: Record<string, [string, string]> = { '/ws': ['/', 'run inspector'], '/ws/ai/stream': ['/ws/ai/test', 'page of ai_stream'], '/api/ws': ['/tutor/test', 'page of the tutor'], '/ws/orchestrate/{job_id}': ['/orchestrate/test', 'page of the teams'] };

const api = signal<Api | null>(null);
const problem = signal<string | null>(null);

const show = (example: unknown) => (typeof example === 'string' ? example : JSON.stringify(example, null, 2));

function ContentView({ of, api }: { of: Content; api: Api }) {
  return (
    <div class="content">
      <p class="hint mono">{of.media}</p>
      {of.schema && of.media !== 'text/html' && <SchemaView api={api} schema={of.schema} />}
      {of.example !== undefined && (
        <pre tabIndex={0} aria-label="Example">
          <code>{show(of.example)}</code>
        </pre>
      )}
    </div>
  );
}

function Parameters({ op }: { op: Operation }) {
  return (
    <>
      <h3>Parameters</h3>
      <ul class="fields">
        {op.parameters.map((p) => (
          <li key={p.in + p.name}>
            <code class="name">{p.name}</code>
            <span class="type">{p.in}</span>
            {!p.required && <span class="quiet">optional</span>}
            {p.schema?.default !== undefined && (
              <span class="quiet">
                default <code>{JSON.stringify(p.schema.default)}</code>
              </span>
            )}
            {p.description && (
              <div class="md about">
                <Prose text={p.description} />
              </div>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}

function SocketView({ op, api }: { op: Operation; api: Api }) {
  const s = op.socket!;
  const frames = [['A client sends', s.client] as const, ['The server sends', s.server] as const];
  return (
    <>
      <h3>On the WebSocket</h3>
      {s.description && (
        <div class="md">
          <Prose text={s.description} />
        </div>
      )}
      {s.documentation && (
        <p>
          <a href={s.documentation}>The whole description</a>
        </p>
      )}
      {frames.map(([title, schema]) => schema && (
        <div key={title}>
          <p class="hint">{title}</p>
          <SchemaView api={api} schema={schema} />
        </div>
      ))}
      {s.example && (
        <pre tabIndex={0} aria-label="Example of frames">
          <code>{s.example.join('\n')}</code>
        </pre>
      )}
    </>
  );
}

/** Inside of an operation; made when it is opened first, since most never are. */
function Details({ op, api, account }: { op: Operation; api: Api; account: Account }) {
  return (
    <div class="inside">
      <div class="told">
        {op.description && (
          <div class="md">
            <Prose text={op.description} />
          </div>
        )}
        {op.parameters.length > 0 && <Parameters op={op} />}
        {op.body && (
          <>
            <h3>Body</h3>
            <ContentView of={op.body} api={api} />
          </>
        )}
        {op.socket && <SocketView op={op} api={api} />}
        <h3>Answers</h3>
        {op.answers.map((a) => (
          <details key={a.status} class="shape" open={a.status.startsWith('2') && !op.socket}>
            <summary>
              <span class={`tag ${a.status.startsWith('2') ? 'completed' : ''}`}>{a.status}</span> {a.description}
            </summary>
            {a.contents.map((c) => (
              <ContentView key={c.media} of={c} api={api} />
            ))}
            {a.contents.length === 0 && <p class="hint">No body.</p>}
          </details>
        ))}
      </div>
      {op.socket ? (
        <p class="hint">
          Try it on the <a href={TRY[op.path]?.[0] ?? '/ws/test'}>{TRY[op.path]?.[1] ?? 'chat test page'}</a>.
        </p>
      ) : (
        <TryIt api={api} op={op} account={account} />
      )}
    </div>
  );
}

function OperationView({ op, api, account }: { op: Operation; api: Api; account: Account }) {
  const opened = useSignal(location.hash === `#${op.id}`);
  const ever = useRef(false);
  ever.current ||= opened.value;
  return (
    <details
      class="op"
      id={op.id}
      open={opened.value}
      onToggle={(e) => {
        const open = e.currentTarget.open;
        if (open === opened.value) return;
        opened.value = open;
        // The address leads back here, without a step in the history for each look.
        if (open) history.replaceState(null, '', `#${op.id}`);
      }}
    >
      <summary>
        <span class={`method ${op.socket ? 'socket' : op.method}`}>{op.socket ? 'WS' : op.method.toUpperCase()}</span>
        <code class="path">{op.path}</code>
        <span class="summary">{op.summary}</span>
        {!op.open && <span class="lock quiet">sign in</span>}
      </summary>
      {ever.current && <Details op={op} api={api} account={account} />}
    </details>
  );
}

async function load(): Promise<void> {
  problem.value = null;
  try {
    api.value = readApi(await call('/openapi.json'));
  } catch (e) {
    problem.value = e instanceof Error ? e.message : String(e);
  }
}

export function DocsPage({ account }: { account: Account }) {
  const words = useSignal('');
  const confirmed = useSignal(false);
  const trouble = useSignal('');
  const check = async () => (confirmed.value = await account.check());
  useEffect(() => {
    void load().then(() => {
      // The browser looked for the anchor before there was anything.
      const wanted = location.hash.slice(1);
      if (wanted) requestAnimationFrame(() => document.getElementById(wanted)?.scrollIntoView());
    });
    void check();
  }, []);
  const a = api.value;
  if (problem.value) {
    return (
      <div class="card errors" role="alert">
        <div>/openapi.json could not be read: {problem.value}</div>
        <button type="button" class="plain" onClick={() => void load()}>
          Try again
        </button>
      </div>
    );
  }
  if (!a) return <p class="hint">Reading /openapi.json…</p>;
  const groups = search(a, words.value);
  return (
    <div class="api">
      <aside class="aside" aria-label="Signing in and groups">
        <SignIn
          account={account}
          confirmed={confirmed.value}
          folded={confirmed.value || account.token.value === null}
          state={account.token.value ? (confirmed.value ? 'token accepted' : 'checking the token…') : 'to try the routes'}
          onToken={() => {
            trouble.value = '';
            void check();
          }}
          onProblem={(_code, text) => (trouble.value = text)}
        />
        <div class="errors none">
          <div id="errors" role="alert" class="sr">
            {trouble.value}
          </div>
        </div>
        <nav class="card toc" aria-label="Groups">
          {groups.map((g) => (
            <a key={g.name} href={`#group-${g.name}`}>
              {g.name} <span class="quiet">{g.operations.length}</span>
            </a>
          ))}
        </nav>
      </aside>
      <div class="groups">
        <label class="find">
          <span class="sr">Search the routes</span>
          <input id="find" type="search" placeholder="Search: path, method, words" value={words.value} onInput={(e) => (words.value = e.currentTarget.value)} />
        </label>
        {words.value === '' && (
          <div class="md about-api">
            <Prose text={a.about} />
          </div>
        )}
        {groups.length === 0 && <p class="hint">No route has these words.</p>}
        {groups.map((g) => (
          <section key={g.name} id={`group-${g.name}`} class="group" aria-labelledby={`title-${g.name}`}>
            <h2 id={`title-${g.name}`}>{g.name}</h2>
            <div class="md hint">
              <Prose text={g.about} />
            </div>
            <div class="card ops">
              {g.operations.map((op) => (
                <OperationView key={op.id} op={op} api={a} account={account} />
              ))}
            </div>
          </section>
        ))}
        <p class="hint">Version {a.version}</p>
      </div>
    </div>
  );
}
