/** The job that is shown: its teams side by side, what they think and what they write. */
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { useFollowEnd } from '../shared/follow-end';
import { usageText } from '../shared/usage';
import type { TeamsClient } from './client';
import { codeOf, isOver, type Job, MAX_SHOWN, type Team, type Thought } from './job';

const TAG: Record<string, string> = { complete: 'completed', error: 'failed', cancelled: 'cancelled', pending: '', thinking: 'agent', generating: 'agent' };

function Copy({ text, name }: { text: string; name: string }) {
  const said = useSignal('');
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      said.value = 'copied';
    } catch {
      // Only pages of https and of this machine may use the clipboard.
      said.value = 'this browser does not allow it here: select the code';
    }
  };
  return (
    <>
      <span class="quiet" role="status">
        {said.value}
      </span>
      <button type="button" class="plain copy" aria-disabled={!text} aria-label={`Copy the code of ${name}`} onClick={() => text && void copy()}>
        Copy
      </button>
    </>
  );
}

function Thoughts({ of, name }: { of: Thought[]; name: string }) {
  const end = useFollowEnd<HTMLOListElement>();
  if (of.length === 0) return <p class="hint">No thoughts yet.</p>;
  return (
    <ol class="team-thoughts" {...end} tabIndex={0} role="list" aria-label={`Thoughts of ${name}`}>
      {of.map((one) => (
        <li key={one.id}>{one.text}</li>
      ))}
    </ol>
  );
}

function Code({ t, live }: { t: Team; live: boolean }) {
  const end = useFollowEnd<HTMLPreElement>();
  const code = codeOf(t);
  if (!code) return <p class="hint nocode">{live ? 'The code comes here as it is written.' : 'No code.'}</p>;
  return (
    <pre class="team-code" {...end} tabIndex={0} aria-label={`Code of ${t.name}`} aria-busy={live && t.code === null}>
      <code>{code.length > MAX_SHOWN ? `${code.slice(0, MAX_SHOWN)}\n… (${code.length - MAX_SHOWN} characters more; Copy has them)` : code}</code>
    </pre>
  );
}

function TeamView({ t, over }: { t: Team; over: boolean }) {
  return (
    <section class={`card team ${t.status}`} data-team={t.name} aria-labelledby={`team-${t.name}`}>
      <header>
        <h3 id={`team-${t.name}`}>{t.name}</h3>
        <span class={`tag state ${TAG[t.status] ?? ''}`} role="status">
          {t.status}
        </span>
        {t.tokens > 0 && <span class="quiet push">{t.tokens.toLocaleString('en')} tokens</span>}
      </header>
      <p class="hint who">
        {t.model ?? 'model not named yet'}
        {t.label && ` · ${t.label}`}
      </p>
      <h4>Thoughts</h4>
      <Thoughts of={t.thoughts} name={t.name} />
      <div class="row code-head">
        <h4>Code</h4>
        <span class="push row">
          <Copy text={codeOf(t)} name={t.name} />
        </span>
      </div>
      <Code t={t} live={!over && t.status !== 'error'} />
      {t.error && <p class="wrong">{t.error}</p>}
    </section>
  );
}

function Phases({ of }: { of: Job['phases'] }) {
  if (of.length === 0) return null;
  return (
    <ol id="phases" aria-label="Phases">
      {of.map((p) => (
        <li key={p.name} class={p.status}>
          {p.name}
          {p.round !== null && ` ${p.round}`} <span class="quiet">{p.status}</span>
        </li>
      ))}
    </ol>
  );
}

export function JobView({ job, client }: { job: Job; client: TeamsClient }) {
  const over = isOver(job);
  const top = useRef<HTMLDivElement>(null);
  // It may stand below the form that it came from, or above what is in sight of it.
  useEffect(() => {
    const at = top.current?.getBoundingClientRect().top ?? 0;
    if (at < 0 || at > innerHeight / 2) top.current?.scrollIntoView({ block: 'start' });
  }, [job.id]);
  const cost = job.cost > 0 ? usageText({ cost_usd: job.cost }) : over ? 'no price known' : '';
  return (
    <div class="stack" ref={top}>
      <section class="card stack job" aria-labelledby="job-title">
        <header>
          <h2 id="job-title">{job.summary || 'A job'}</h2>
          <span id="job-status" class={`tag ${TAG[job.status] ?? 'agent'}`} role="status">
            {job.status}
          </span>
        </header>
        <progress max={100} value={over && !job.cancelled ? 100 : job.progress} aria-label="Progress of the job" />
        <div class="row">
          <span class="quiet">
            <code id="job-id">{job.id}</code>
          </span>
          {job.tokens > 0 && (
            <span class="quiet" id="used">
              {job.tokens.toLocaleString('en')} tokens{cost && `, ${cost}`}
            </span>
          )}
          {job.seq > 0 && <span class="quiet">event {job.seq}</span>}
          <span class="push row">
            {job.status === 'error' && !job.cancelled && (
              <button id="once-more" type="button" onClick={() => void client.onceMore()}>
                Once more
              </button>
            )}
            {/* Only while there is something to cancel: afterwards the same route removes the job. */}
            <button id="cancel" type="button" class="stop" aria-disabled={over} onClick={() => over || void client.cancel()}>
              Cancel
            </button>
            <button id="drop" type="button" aria-disabled={over || client.link.value !== 'connected'} onClick={() => over || client.drop()}>
              Drop connection
            </button>
          </span>
        </div>
        <Phases of={job.phases} />
        {job.thoughts.length > 0 && (
          <details class="thinking">
            <summary>Plan and review, {job.thoughts.length} {job.thoughts.length === 1 ? 'thought' : 'thoughts'}</summary>
            <ol class="team-thoughts" tabIndex={0} role="list" aria-label="Thoughts of the job">
              {job.thoughts.map((one) => (
                <li key={one.id}>
                  <span class="quiet">{one.by}: </span>
                  {one.text}
                </li>
              ))}
            </ol>
          </details>
        )}
      </section>
      <div id="teams" class="teams">
        {job.teams.map((t) => (
          <TeamView key={t.name} t={t} over={over} />
        ))}
      </div>
    </div>
  );
}
