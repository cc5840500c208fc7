import { useSignal } from '@preact/signals';
import type { Account } from '../shared/account';
import { Inspector } from '../shared/Inspector';
import { shortId } from '../shared/id';
import { ProblemCard, SignIn } from '../shared/parts';
import { BriefForm, teamNames } from './BriefForm';
import { PAGE, type TeamsClient } from './client';
import { isOver } from './job';
import { JobView } from './JobView';

const STATUSES = ['received', 'planning', 'dispatching', 'awaiting', 'complete', 'error'];

/** Who works here without a key, said once: what they write must not be taken for a large model's. */
function LocalNotice({ client }: { client: TeamsClient }) {
  const local = teamNames(client).flatMap((name) => {
    const of = client.models.value?.[name];
    const model = of?.models.find((m) => m.id === of.default && m.tier === 'local');
    return model ? [`${name}: ${model.name}`] : [];
  });
  if (local.length === 0) return null;
  return (
    <p class="notice" id="notice">
      Without a key of a provider a team works with what this machine has. Judge how the code streams, not the code. {local.join('; ')}
    </p>
  );
}

function History({ client }: { client: TeamsClient }) {
  const past = client.past.value;
  const wanted = useSignal('');
  const from = client.offset.value;
  const shown = past?.jobs.length ?? 0;
  const more = past !== null && from + shown < past.total;
  return (
    <section class="card stack" aria-labelledby="past-title">
      <header>
        <h2 id="past-title">Jobs</h2>
        <label class="check push only">
          <span>status</span>
          <select id="only" value={client.status.value} onChange={(e) => client.only(e.currentTarget.value)}>
            <option value="">all</option>
            {STATUSES.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </label>
      </header>
      {past === null || shown === 0 ? (
        <p class="hint">{client.status.value ? 'No job of this status.' : past === null ? 'Sign in to see your jobs.' : 'No job yet: give the teams a brief.'}</p>
      ) : (
        <ol id="past" role="list">
          {past.jobs.map((one) => (
            <li key={one.job_id}>
              <button type="button" class="job-line" aria-current={client.view.value?.id === one.job_id} onClick={() => void client.open(one.job_id)}>
                <span class="name">{one.brief_summary || shortId(one.job_id)}</span>
                <span class={`tag ${one.status === 'complete' ? 'completed' : one.status === 'error' ? 'failed' : 'agent'}`}>{one.status}</span>
              </button>
            </li>
          ))}
        </ol>
      )}
      {past !== null && past.total > PAGE && (
        <div class="row">
          <button id="newer" type="button" class="plain" aria-disabled={from === 0} onClick={() => from > 0 && client.page(-1)}>
            Newer
          </button>
          <span class="quiet" role="status">
            {from + 1} to {from + shown} of {past.total}
            {past.truncated && ' and older ones'}
          </span>
          <button id="older" type="button" class="plain" aria-disabled={!more} onClick={() => more && client.page(1)}>
            Older
          </button>
        </div>
      )}
      <form
        class="row ruled"
        onSubmit={(e) => {
          e.preventDefault();
          if (wanted.value.trim()) void client.open(wanted.value.trim());
        }}
      >
        <label class="sr" for="wanted">
          Id of a job
        </label>
        <input id="wanted" class="grow" placeholder="a job's id" autocomplete="off" spellcheck={false} value={wanted.value} onInput={(e) => (wanted.value = e.currentTarget.value)} />
        <button id="open" type="submit">
          Open
        </button>
      </form>
    </section>
  );
}

export function TeamsPage({ client, account }: { client: TeamsClient; account: Account }) {
  const token = account.token.value;
  const job = client.view.value;
  const allowed = client.allowed.value;
  const waits = job !== null && !isOver(job) && client.link.value !== 'connected' && allowed !== false;
  return (
    <>
      <div class="bar">
        <div class="status">
          <span class={`dot ${job ? client.link.value : 'idle'}`} aria-hidden="true" />
          <span id="status" role="status">
            {job ? client.link.value : 'no job yet'}
          </span>
          {waits && <span class="quiet">tried again every 2 s; the job is kept at the server</span>}
        </div>
      </div>
      <LocalNotice client={client} />
      <ProblemCard problem={client.problem} />
      <div class="bench">
        <div class="stack left">
          <SignIn
            account={account}
            confirmed={token !== null}
            folded={token !== null || allowed !== false}
            state={token ? 'a token is here' : allowed ? 'development: nobody needs to' : 'not signed in'}
            onToken={(given) => (given ? void client.enter() : client.leave())}
            onProblem={(code, text) => (client.problem.value = { code, text })}
          />
          <BriefForm client={client} />
          <History client={client} />
        </div>
        <div class="stack right-side">
          {job ? (
            <JobView job={job} client={client} />
          ) : (
            <section class="card empty" aria-label="No job">
              <p class="lead">One brief, several teams.</p>
              <p>Each has a model of its own. You see what they think and the code as it is written, side by side; reload or lose the connection, and nothing of it is lost.</p>
            </section>
          )}
          <Inspector client={client} />
        </div>
      </div>
    </>
  );
}
