import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Account } from '../shared/account';
import { shortId } from '../shared/id';
import { ProblemCard, SignIn } from '../shared/parts';
import type { RunSummary } from './events';
import type { Playground } from './playground';
import { ViewerPanel } from './ViewerPanel';

/** The list is asked for again this often while the page is seen and somebody is signed in. */
const REFRESH_EVERY = 4_000;

function StartForm({ play }: { play: Playground }) {
  const workflow = useSignal('assist');
  const message = useSignal('What is the engine power?');
  const session = useSignal('');
  const model = useSignal('');
  const models = play.models.value;
  // The assistant has a model of its own; one alone is no choice.
  const choice = workflow.value === 'generate' && models.length > 1;
  const start = () => {
    const chosen = choice && models.some((m) => m.alias === model.value) ? model.value : '';
    const session_id = session.value.trim();
    void play.start({
      workflow: workflow.value,
      message: message.value,
      ...(session_id ? { session_id } : {}),
      ...(chosen ? { model: chosen } : {}),
    });
  };
  return (
    <form
      class="card stack"
      aria-label="Start a run"
      onSubmit={(e) => {
        e.preventDefault();
        start();
      }}
    >
      <h2>Start a run</h2>
      <label>
        Workflow
        <select id="workflow" value={workflow.value} onChange={(e) => (workflow.value = e.currentTarget.value)}>
          <option value="assist">assist: route, retrieve, answer</option>
          <option value="generate">generate: the message to the model</option>
        </select>
      </label>
      {choice && (
        <label>
          Model
          <select id="pick-model" value={model.value} onChange={(e) => (model.value = e.currentTarget.value)}>
            {models.map((m) => (
              <option key={m.alias} value={m.default ? '' : m.alias}>
                {m.alias}: {[m.provider, m.model].filter(Boolean).join(' · ')}
                {m.label ? ` (${m.label})` : ''}
              </option>
            ))}
          </select>
        </label>
      )}
      <label>
        Message
        <textarea id="message" rows={2} value={message.value} onInput={(e) => (message.value = e.currentTarget.value)} />
      </label>
      <label>
        <span>
          Session <span class="quiet">(optional: continue one)</span>
        </span>
        <input id="session" class="mono" autocomplete="off" spellcheck={false} value={session.value} onInput={(e) => (session.value = e.currentTarget.value)} />
      </label>
      <div class="row">
        <button id="start" type="submit" class="primary">
          Start and watch
        </button>
      </div>
    </form>
  );
}

function when(at: RunSummary['created_at']): string {
  if (at === undefined) return '';
  const d = new Date(at);
  return Number.isNaN(d.getTime()) ? String(at) : d.toLocaleTimeString();
}

function RunList({ play }: { play: Playground }) {
  const runs = play.runs.value;
  const position = useSignal('0');
  const after = () => Math.max(0, Math.trunc(Number(position.value)) || 0);
  return (
    <section class="card runs" aria-labelledby="runs-title">
      <header>
        <h2 id="runs-title">Your runs</h2>
        <label class="check push">
          open after
          <input id="position" type="number" min="0" step="1" inputMode="numeric" value={position.value} onInput={(e) => (position.value = e.currentTarget.value)} />
        </label>
        <button type="button" class="plain" onClick={() => void play.refresh()}>
          Refresh
        </button>
      </header>
      {runs === null ? (
        <p class="hint">Sign in to see your runs.</p>
      ) : runs.length === 0 ? (
        <p class="hint">None yet: start one.</p>
      ) : (
        <div class="list" tabIndex={0} role="region" aria-label="List of runs">
          <table id="runs">
            <thead>
              <tr>
                <th scope="col">run</th>
                <th scope="col">status</th>
                <th scope="col">tail</th>
                <th scope="col" class="wide">
                  answered by
                </th>
                <th scope="col" class="wide">
                  started
                </th>
                <th scope="col">
                  <span class="sr">open</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {runs.map((r) => (
                <tr key={r.run_id}>
                  <td>
                    <code title={r.run_id}>{shortId(r.run_id)}</code>
                    <div class="quiet">{r.workflow}</div>
                  </td>
                  <td>
                    <span class={`tag ${r.status ?? ''}`}>{r.status ?? '–'}</span>
                  </td>
                  <td class="n">{r.tail ?? '–'}</td>
                  <td class="wide">{[r.provider, r.model].filter(Boolean).join(' · ')}</td>
                  <td class="wide n">{when(r.created_at)}</td>
                  <td>
                    <button type="button" class="plain" aria-label={`Open run ${shortId(r.run_id)}`} onClick={() => play.show(r.run_id, after())}>
                      Open
                    </button>
                    {play.viewers.value.length > 0 && (
                      <button type="button" class="plain" aria-label={`Open run ${shortId(r.run_id)} beside`} onClick={() => play.open(r.run_id, after())}>
                        Beside
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

export function Inspector({ play, account }: { play: Playground; account: Account }) {
  useEffect(() => {
    void play.refresh();
    const tick = setInterval(() => {
      if (document.visibilityState === 'visible' && play.confirmed.value) void play.refresh();
    }, REFRESH_EVERY);
    return () => clearInterval(tick);
  }, []);
  const viewers = play.viewers.value;
  const stage = useRef<HTMLDivElement>(null);
  const newest = viewers.at(-1)?.n;
  useEffect(() => {
    // What was just started or opened must not stay below the fold.
    const el = stage.current;
    if (newest && el && el.getBoundingClientRect().top > innerHeight * 0.6) el.scrollIntoView({ block: 'start' });
  }, [newest]);
  return (
    <>
      <ProblemCard problem={play.problem} />
      <div class="bench">
        <div class="left">
          <SignIn
            account={account}
            confirmed={play.confirmed.value}
            folded={play.confirmed.value}
            state={account.token.value && play.confirmed.value ? 'token accepted' : 'not signed in'}
            onToken={(token) => {
              if (!token) play.closeAll();
              play.problem.value = null;
              void play.refresh();
            }}
            onProblem={play.fail}
          />
          <StartForm play={play} />
        </div>
        <RunList play={play} />
      </div>
      <div class={`viewers of${viewers.length}`} ref={stage}>
        {viewers.length === 0 ? (
          <p class="card placeholder">A run that you start or open is shown here, event by event. Open it twice: both viewers read the same log.</p>
        ) : (
          viewers.map((v, i) => <ViewerPanel key={v.n} viewer={v} name={'AB'[i]!} play={play} />)
        )}
      </div>
    </>
  );
}
