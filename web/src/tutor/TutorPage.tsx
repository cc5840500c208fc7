import type { ReadonlySignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { Account } from '../shared/account';
import { RetryIn } from '../shared/again';
import { useFollowEnd } from '../shared/follow-end';
import { tooLong } from '../shared/bytes';
import { Composer } from '../shared/Composer';
import { Inspector } from '../shared/Inspector';
import { Errors, ModelChip, ModelNotice, SignIn } from '../shared/parts';
import type { LessonClient } from './client';
import { Abilities, Facts, Room } from './Side';
import { isLive, type State, SUBJECT_BYTES } from './state';
import { Answer, Pieces, Question, waitingWord } from './TurnView';

const SUGGESTIONS = ['Why is grass green?', 'Write a loop in Python and explain it', 'I do not understand fractions at all'];
const SUBJECTS = ['biology', 'mathematics', 'physics', 'history', 'programming'];

function Status({ s, client }: { s: State; client: LessonClient }) {
  return (
    <div class="status">
      <span class={`dot ${s.signedOut ? 'idle' : s.link}`} aria-hidden="true" />
      <span id="status" role="status">
        {s.link}
      </span>
      {s.retryAt !== null && <RetryIn at={s.retryAt} attempt={s.attempt} />}
      {s.link === 'disconnected' && !s.signedOut && (
        <button type="button" class="plain" onClick={() => client.open()}>
          Connect now
        </button>
      )}
      {s.signedOut && <span class="quiet">sign in to begin</span>}
    </div>
  );
}

function Asking({ s, client }: { s: State; client: LessonClient }) {
  const { subject, reasoning, documents } = client.how.value;
  const about = useRef<HTMLInputElement>(null);
  const wrong = tooLong(subject.trim(), SUBJECT_BYTES);
  const live = s.turns.some(isLive);
  const stopping = s.turns.some((t) => isLive(t) && t.stopping);
  const ask = (what: string) => {
    if (!what.trim()) return false;
    if (wrong) {
      about.current?.focus();
      return false;
    }
    client.ask(what);
    return true;
  };
  return (
    <Composer
      suggestions={SUGGESTIONS}
      label="Question"
      placeholder="Ask your tutor…"
      word="Ask"
      live={live}
      stopping={stopping}
      connected={s.link === 'connected'}
      onAsk={ask}
      onType={() => client.types()}
      onStop={() => live && !stopping && client.stop()}
      onDrop={() => client.drop()}
    >
      <div class="row how">
        <label for="subject">Subject</label>
        <input
          id="subject"
          ref={about}
          list="subjects"
          placeholder="for example biology"
          aria-invalid={wrong !== ''}
          aria-describedby="subject-wrong"
          value={subject}
          onInput={(e) => client.choose({ subject: e.currentTarget.value })}
        />
        <datalist id="subjects">
          {SUBJECTS.map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
        <label class="check">
          <input id="reasoning" type="checkbox" checked={reasoning} onChange={(e) => client.choose({ reasoning: e.currentTarget.checked })} /> show thinking
        </label>
        <label class="check">
          <input id="documents" type="checkbox" checked={documents} onChange={(e) => client.choose({ documents: e.currentTarget.checked })} /> search the documents
        </label>
        <p id="subject-wrong" class="wrong" role="alert">
          {wrong}
        </p>
      </div>
    </Composer>
  );
}

function Lesson({ s, client }: { s: State; client: LessonClient }) {
  const end = useFollowEnd<HTMLDivElement>();
  const live = s.turns.filter(isLive);
  const current = live[0];
  const over = s.turns.filter((t) => !isLive(t));
  const oldest = s.turns.find((t) => t.runId !== null);
  return (
    <section class="card talk" aria-labelledby="talk-title">
      <header>
        <h2 id="talk-title">A lesson</h2>
        <ModelChip />
      </header>
      <ModelNotice />
      <Errors problems={s.problems} onClear={() => client.happens({ kind: 'clear' })} />
      <div class="scroll" {...end} tabIndex={0} role="region" aria-label="The lesson">
        {s.turns.length === 0 && (
          <div class="empty">
            <p class="lead">What would you like to understand?</p>
            <p>The tutor says how it takes your question and your mood, thinks aloud if you wish, and remembers how able you are in each subject.</p>
          </div>
        )}
        {s.older && oldest?.runId && (
          <p class="older">
            <button type="button" class="plain" onClick={() => void client.loadPast(oldest.runId!)}>
              Older questions
            </button>
          </p>
        )}
        <div id="history" role="log" aria-label="History of the session">
          {over.map((t) => (
            <div key={t.id} class="turn">
              <Question t={t} />
              <Answer t={t} client={client} />
            </div>
          ))}
        </div>
        {/* Outside the live region: read out word by word, a stream is unbearable. The log says the finished answer. */}
        {current && (
          <div class="turn live" key={current.id}>
            <Question t={current} />
            <Answer t={current} client={client} answer />
            {(current.pieces.length === 0 || s.link !== 'connected' || current.stopping) && <p class="hint">{waitingWord(s, current)}</p>}
            {current.pieces.length > 0 && s.link === 'connected' && current.resumes > 0 && (
              <p class="meta">
                <span class="tag resumed">resumed</span>
                <span>nothing was lost</span>
              </p>
            )}
          </div>
        )}
        {!current && (
          // Scripts find the last answer here, as on the chat's page; for people it stands in the log.
          <div class="live over">
            <div id="answer" class="md" aria-busy={false} inert>
              <Pieces of={over.at(-1)?.pieces ?? []} />
            </div>
          </div>
        )}
        {live.slice(1).map((t) => (
          <Question key={t.id} t={t} tag="queued" />
        ))}
      </div>
      <Asking s={s} client={client} />
    </section>
  );
}

/** One short word for a screen reader, where the eye sees the answer grow. */
function said(s: State): string {
  const t = s.turns.find(isLive);
  if (!t) return s.turns.at(-1) ? `answer ${s.turns.at(-1)!.phase}` : '';
  if (t.phase !== 'running') return 'asked';
  return t.pieces.length > 0 ? 'the tutor answers' : 'the tutor thinks';
}

export function TutorPage({ view, client, account }: { view: ReadonlySignal<State>; client: LessonClient; account: Account }) {
  const s = view.value;
  const signedIn = account.token.value !== null;
  return (
    <>
      <div class="bar">
        <Status s={s} client={client} />
        <span class="sr" role="status">
          {said(s)}
        </span>
      </div>
      <div class="desk">
        <div class="side-a">
          <SignIn
            account={account}
            confirmed={signedIn && s.userId !== null}
            folded={signedIn}
            state={signedIn ? 'a token is here' : 'not signed in'}
            onToken={(token) => (token ? client.useToken() : client.leave())}
            onProblem={(code, text) => client.happens({ kind: 'problem', code, text })}
          />
        </div>
        <Lesson s={s} client={client} />
        <div class="side-b lesson-b">
          <div class="stack">
            <Room s={s} client={client} signedIn={signedIn} />
            <Abilities turns={s.turns} />
            <Facts t={s.turns.find(isLive) ?? s.turns.at(-1)} />
          </div>
          <Inspector client={client} />
        </div>
      </div>
    </>
  );
}
