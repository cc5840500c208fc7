import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Account } from '../shared/account';
import { call } from '../shared/http';
import { Inspector } from '../shared/Inspector';
import { Markdown } from '../shared/MarkdownView';
import { Errors, Fact, ModelChip, ModelNotice, SignIn } from '../shared/parts';
import type { AiClient } from './client';
import { isLive, type State } from './machine';

interface Limits {
  ai_generations_used: number;
  /** `null` where there is no limit. */
  ai_generations_limit: number | null;
  remaining: number | null;
}

const left = ({ remaining, ai_generations_limit: most }: Limits) =>
  most === null ? 'no limit' : `${remaining} of ${most}`;

function Ask({ client, s }: { client: AiClient; s: State }) {
  const prompt = useSignal('Say hello in five words.');
  const system = useSignal('');
  const most = useSignal('');
  const live = isLive(s);
  const generate = () =>
    client.send({
      action: 'generate',
      prompt: prompt.value,
      ...(system.value.trim() ? { system: system.value } : {}),
      ...(most.value ? { max_tokens: Number(most.value) } : {}),
    });
  return (
    <form
      class="card stack"
      aria-labelledby="ask-title"
      onSubmit={(e) => {
        e.preventDefault();
        generate();
      }}
    >
      <h2 id="ask-title">Generate</h2>
      <label>
        Prompt
        <textarea id="prompt" rows={4} value={prompt.value} onInput={(e) => (prompt.value = e.currentTarget.value)} />
      </label>
      <label>
        <span>
          System <span class="quiet">(empty: “You are a helpful assistant.”)</span>
        </span>
        <textarea id="system" rows={2} value={system.value} onInput={(e) => (system.value = e.currentTarget.value)} />
      </label>
      <label>
        <span>
          Most tokens <span class="quiet">(empty: 4096)</span>
        </span>
        <input id="max-tokens" type="number" min={1} max={32768} value={most.value} onInput={(e) => (most.value = e.currentTarget.value)} />
      </label>
      <div class="row">
        <button id="generate" type="submit" class="primary">
          Generate
        </button>
        <button id="stop" type="button" class="stop" aria-disabled={!live} onClick={() => client.send({ action: 'stop' })}>
          Stop
        </button>
        <button id="ping" type="button" onClick={() => client.send({ action: 'ping' })}>
          Ping
        </button>
        {s.waiting > 0 && <span class="tag">{s.waiting} waiting</span>}
      </div>
      <div class="row" role="group" aria-label="Provoke an error">
        <button id="no-prompt" type="button" class="pill" onClick={() => client.send({ action: 'generate', prompt: '' })}>
          without a prompt
        </button>
        <button id="unknown" type="button" class="pill" onClick={() => client.send({ action: 'unknown' })}>
          unknown action
        </button>
      </div>
    </form>
  );
}

function Shown({ s }: { s: State }) {
  const a = s.answer;
  const live = isLive(s);
  return (
    <section class="card stack" aria-labelledby="answer-title">
      <header>
        <h2 id="answer-title">Answer</h2>
        {a && <span id="phase" class={`tag ${a.phase}`} role="status">{a.phase}</span>}
      </header>
      <div id="answer" class="md" aria-busy={live}>
        {a?.text ? <Markdown text={a.text} /> : <p class="hint">{live ? 'Waiting for the first chunk…' : 'Nothing was asked yet.'}</p>}
      </div>
    </section>
  );
}

function Facts({ s, account }: { s: State; account: Account }) {
  const a = s.answer;
  const limits = useSignal<Limits | null>(null);
  const token = account.token.value;
  // Counted when a run is made: asked again when one is over.
  useEffect(() => {
    if (!token) limits.value = null;
    else call<Limits>('/api/user/limits', { token }).then((l) => (limits.value = l), () => (limits.value = null));
  }, [token, a?.phase]);
  const seconds = (to: number | null | undefined) => (a && to ? `${((to - a.askedAt) / 1000).toFixed(2)} s` : '–');
  return (
    <section class="card" aria-labelledby="facts-title">
      <h2 id="facts-title">This answer</h2>
      <dl class="facts">
        <Fact name="user_id">
          <span id="user-id">{a?.userId ?? '–'}</span>
        </Fact>
        <Fact name="run_id">
          <code id="run-id">{a?.runId ?? '–'}</code>
        </Fact>
        <Fact name="seq">
          <code id="seq">{a?.seq || '–'}</code>
        </Fact>
        <Fact name="chunks">{a?.chunks || '–'}</Fact>
        <Fact name="first chunk">{seconds(a?.firstAt)}</Fact>
        <Fact name="whole answer">{seconds(a?.endedAt)}</Fact>
        <Fact name="generations left">
          <span id="remaining">{limits.value ? left(limits.value) : '–'}</span>
        </Fact>
      </dl>
    </section>
  );
}

export function AiPage({ client, account }: { client: AiClient; account: Account }) {
  const s = client.view.value;
  const token = account.token.value;
  const up = s.link !== 'disconnected';
  return (
    <>
      <div class="bar">
        <div class="status">
          <span class={`dot ${s.link}`} aria-hidden="true" />
          <span id="status" role="status">
            {s.link}
          </span>
          <button id="connect" type="button" class="primary" aria-disabled={up} onClick={() => up || client.connect(token ?? '')}>
            Connect
          </button>
          <button id="disconnect" type="button" aria-disabled={!up} onClick={() => client.disconnect()}>
            Disconnect
          </button>
        </div>
        <ModelChip />
      </div>
      <ModelNotice />
      <Errors problems={s.problems} onClear={() => client.happens({ kind: 'clear' })} />
      <div class="bench">
        <div class="side-a">
          <SignIn
            account={account}
            confirmed={token !== null}
            folded={token !== null}
            state={token ? 'a token is here' : 'not signed in'}
            onToken={(given) => client.signIn(given)}
            onProblem={(code, text) => client.happens({ kind: 'problem', text: `${code}: ${text}` })}
          />
        </div>
        <div class="stack main">
          <Ask client={client} s={s} />
          <Shown s={s} />
        </div>
        <div class="stack side-b">
          <Facts s={s} account={account} />
          <Inspector client={client} />
        </div>
      </div>
    </>
  );
}
