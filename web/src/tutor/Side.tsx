/** What stands beside the lesson: the session and its room, what was learned of the person, the facts. */
import { useSignal } from '@preact/signals';
import { tooLong } from '../shared/bytes';
import { newId, shortId } from '../shared/id';
import { Fact } from '../shared/parts';
import type { LessonClient, SharedSession } from './client';
import { abilities, SESSION_BYTES, type State, type Turn } from './state';
import { plain } from './TurnView';

function People({ s }: { s: State }) {
  const here = s.people.filter((p) => p.here);
  return (
    <>
      <p id="people" class="hint">
        {here.length === 0
          ? 'Nobody else has come since you joined.'
          : `Here beside you: ${here.map((p) => shortId(p.id)).join(', ')}`}
      </p>
      <p id="typing" class="hint" role="status">
        {here.filter((p) => p.typing).map((p) => `${shortId(p.id)} is typing…`).join(' ')}
      </p>
    </>
  );
}

export function Room({ s, client, signedIn }: { s: State; client: LessonClient; signedIn: boolean }) {
  const name = useSignal<string | null>(null);
  const wrong = tooLong((name.value ?? '').trim(), SESSION_BYTES);
  const whom = useSignal('');
  const shared = useSignal('');
  const offered = useSignal<SharedSession[] | null>(null);
  return (
    <section class="card stack" aria-labelledby="room-title">
      <header>
        <h2 id="room-title">Session and room</h2>
        {s.joined && <span class="tag completed">joined</span>}
      </header>
      <form
        class="stack"
        onSubmit={(e) => {
          e.preventDefault();
          if (wrong) return;
          client.session((name.value ?? s.sessionId).trim());
          name.value = null;
        }}
      >
        <label for="session">Session</label>
        <div class="row">
          <input id="session" class="grow" spellcheck={false} aria-invalid={wrong !== ''} aria-describedby="session-wrong" value={name.value ?? s.sessionId} onInput={(e) => (name.value = e.currentTarget.value)} />
          <button id="open-session" type="submit">
            Open
          </button>
        </div>
        <p id="session-wrong" class="wrong" role="alert">
          {wrong}
        </p>
      </form>
      <div class="row">
        <button id="join" type="button" aria-pressed={s.joined} aria-disabled={!signedIn} onClick={() => signedIn && client.join(!s.joined)}>
          {s.joined ? 'Leave the room' : 'Join the room'}
        </button>
        <button id="new-session" type="button" onClick={() => client.session(newId())}>
          New session
        </button>
      </div>
      {s.joined ? <People s={s} /> : <p class="hint">Joined, you see every answer of this session as it comes, whoever asked, and who types.</p>}
      <details class="fold ruled">
        <summary>
          <h2>Share it</h2>
          <span class="quiet">who may watch</span>
        </summary>
        <div class="stack">
          <p class="hint">
            You are <code id="user-id">{s.userId ?? '–'}</code>. People are named by such an id, and watch; questions are yours.
          </p>
          <form
            class="row"
            onSubmit={(e) => {
              e.preventDefault();
              const person = whom.value.trim();
              if (!person) return;
              void client.share(person).then((ok) => {
                shared.value = ok ? `${shortId(person)} may see this session now.` : '';
                if (ok) whom.value = '';
              });
            }}
          >
            <label class="sr" for="share-with">
              User id to share with
            </label>
            <input id="share-with" class="grow" placeholder="user id" autocomplete="off" spellcheck={false} value={whom.value} onInput={(e) => (whom.value = e.currentTarget.value)} />
            <button id="share" type="submit" aria-disabled={!signedIn}>
              Share
            </button>
          </form>
          <p class="hint" role="status">
            {shared.value}
          </p>
          <div class="row">
            <button id="shared-with-me" type="button" class="plain" aria-disabled={!signedIn} onClick={() => signedIn && void client.sharedWithMe().then((list) => (offered.value = list))}>
              What is shared with me?
            </button>
          </div>
          {offered.value !== null && (
            <div id="offered" class="row" role="status">
              {offered.value.length === 0 && <span class="hint">Nothing is shared with you.</span>}
              {offered.value.map((one) => (
                <button key={`${one.owner_id}/${one.session_id}`} type="button" class="pill" title={`of ${one.owner_id}`} onClick={() => client.session(one.session_id)}>
                  {shortId(one.session_id)}
                </button>
              ))}
            </div>
          )}
        </div>
      </details>
    </section>
  );
}

const WIDE = 220;
const HIGH = 40;

/** A small line of two levels or more, from 0 to 1. */
function Line({ levels }: { levels: number[] }) {
  const across = WIDE / (levels.length - 1);
  const at = (level: number, i: number) => `${(i * across).toFixed(1)},${((1 - Math.min(1, Math.max(0, level))) * HIGH).toFixed(1)}`;
  const last = levels.at(-1)!;
  return (
    <svg class="trend" viewBox={`-4 -4 ${WIDE + 8} ${HIGH + 8}`} aria-hidden="true">
      <line class="axis" x1={0} x2={WIDE} y1={HIGH} y2={HIGH} />
      <line class="axis" x1={0} x2={WIDE} y1={HIGH / 2} y2={HIGH / 2} />
      <polyline points={levels.map(at).join(' ')} />
      <circle cx={(levels.length - 1) * across} cy={(1 - Math.min(1, Math.max(0, last))) * HIGH} r={3} />
    </svg>
  );
}

export function Abilities({ turns }: { turns: Turn[] }) {
  const all = abilities(turns);
  return (
    <section class="card stack" aria-labelledby="ability-title">
      <h2 id="ability-title">Ability</h2>
      {all.length === 0 && <p class="hint">Ask with a subject: after each answer the tutor says how able it takes you to be, from 0 to 1.</p>}
      <div id="abilities">
        {all.map(({ subject, levels, confidence }) => {
          const last = levels.at(-1)!;
          const change = last - (levels.at(-2) ?? last);
          return (
            <div key={subject} class="ability">
              <p>
                <b>{plain(subject)}</b> {last.toFixed(2)}
                {levels.length > 1 && (
                  <span class={change < 0 ? 'wrong' : 'right'}>
                    {' '}
                    {change < 0 ? '−' : '+'}
                    {Math.abs(change).toFixed(2)}
                  </span>
                )}
                {confidence !== null && <span class="quiet"> confidence {confidence.toFixed(2)}</span>}
              </p>
              <p class="sr">Over the turns: {levels.map((l) => l.toFixed(2)).join(', ')}</p>
              {levels.length > 1 && <Line levels={levels} />}
            </div>
          );
        })}
      </div>
    </section>
  );
}

export function Facts({ t }: { t: Turn | undefined }) {
  return (
    <section class="card" aria-labelledby="run-title">
      <h2 id="run-title">This answer</h2>
      <dl class="facts">
        <Fact name="state">
          <span id="phase">{t?.phase ?? 'none yet'}</span>
        </Fact>
        <Fact name="run_id">
          <code id="run-id">{t?.runId ?? '–'}</code>
        </Fact>
        <Fact name="seq">
          <code id="seq">{t?.seq || '–'}</code>
        </Fact>
        <Fact name="message_id">
          <code>{t?.id ?? '–'}</code>
        </Fact>
      </dl>
    </section>
  );
}
