import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { Again } from '../shared/again';
import { Citations, Spent, Thinking } from '../shared/answer';
import { Composer } from '../shared/Composer';
import { useFollowEnd } from '../shared/follow-end';
import { shortId } from '../shared/id';
import { Markdown } from '../shared/MarkdownView';
import type { ChatClient, Sentiment } from './client';
import { currentTurn, isLive, type ChatState, type Turn } from './state';

const SUGGESTIONS = ['What is the engine power?', 'What fuel does it use?', 'My brakes squeal', 'How often is the service?'];

const ENDING: Partial<Record<Turn['phase'], string>> = {
  cancelled: 'stopped',
  failed: 'failed',
  refused: 'not accepted',
};

function Asked({ text, tag }: { text: string; tag?: string }) {
  return (
    <div class="asked">
      <span class="sr">You: </span>
      <p>{text}</p>
      {tag && <span class="tag">{tag}</span>}
    </div>
  );
}

/** Which tools did what they were asked for, and which did not. */
export function Tools({ of }: { of: Turn['tools'] }) {
  return (
    <span class="tools">
      {of.map((t, i) => (
        <span key={i} class={`tag ${t.ok ? 'tool' : 'failed'}`}>
          <span aria-hidden="true">{t.ok ? '✓' : '✕'}</span> {t.name}
          {!t.ok && <span class="sr"> failed</span>}
        </span>
      ))}
    </span>
  );
}

/** Thumbs, and room for a word on why once one of them is pressed. */
function Thumbs({ runId, client }: { runId: string; client: ChatClient }) {
  const given = useSignal<Sentiment | null>(null);
  const comment = useSignal<string | null>(null);
  const busy = useSignal(false);
  const give = async (sentiment: Sentiment, why: string) => {
    if (busy.value) return;
    busy.value = true;
    const before = given.value;
    given.value = sentiment;
    if (!(await client.think(runId, sentiment, why))) given.value = before;
    else if (why) comment.value = null;
    else if (before === null) comment.value = '';
    busy.value = false;
  };
  const thumb = (sentiment: Sentiment, sign: string, name: string) => (
    <button type="button" class="plain thumb" aria-label={name} title={name} aria-pressed={given.value === sentiment} onClick={() => void give(sentiment, '')}>
      <span aria-hidden="true">{sign}</span>
    </button>
  );
  return (
    <span class="thumbs" role="group" aria-label="What do you think of this answer?">
      {thumb('positive', '👍', 'Good answer')}
      {thumb('negative', '👎', 'Bad answer')}
      <span class="quiet" role="status">
        {given.value && comment.value === null ? 'thank you' : ''}
      </span>
      {given.value && comment.value !== null && (
        <form
          class="why"
          onSubmit={(e) => {
            e.preventDefault();
            if (comment.value?.trim()) void give(given.value!, comment.value);
            else comment.value = null;
          }}
        >
          <input aria-label="Why? (optional)" placeholder="Why? (optional)" maxLength={1000} value={comment.value} onInput={(e) => (comment.value = e.currentTarget.value)} />
          <button type="submit" class="plain">
            {comment.value.trim() ? 'Say' : 'No comment'}
          </button>
        </form>
      )}
    </span>
  );
}

function Answered({ turn, client }: { turn: Turn; client: ChatClient }) {
  const ending = ENDING[turn.phase];
  return (
    <div class={`answered ${turn.phase}`}>
      <span class="sr">Assistant: </span>
      <Thinking text={turn.thought} />
      {turn.text && (
        <div class="md">
          <Markdown text={turn.text} />
        </div>
      )}
      {turn.error && (
        <p class="wrong">
          {turn.error.text} <code>{turn.error.code}</code>
          {turn.phase === 'refused' && <Again name="Send again" until={turn.error.until} onPress={() => client.happens({ kind: 'again', id: turn.id })} />}
          {/* What was written stays where it is; the same question is asked anew. */}
          {turn.phase === 'failed' && turn.error.again && <Again name="Try again" until={turn.error.until} onPress={() => client.ask(turn.question)} />}
        </p>
      )}
      <Citations of={turn.citations} />
      {turn.escalation && (
        <p class="notice">
          {turn.escalation.message} {turn.escalation.id && <code>{turn.escalation.id}</code>}
        </p>
      )}
      <p class="meta">
        {ending && <span class={`tag ${turn.phase}`}>{ending}</span>}
        {turn.agent && <span class="tag agent">{turn.agent}</span>}
        {turn.confidence !== null && <span>confidence {turn.confidence.toFixed(2)}</span>}
        {turn.resumes > 0 && <span class="tag resumed">resumed{turn.resumes > 1 ? ` ×${turn.resumes}` : ''}</span>}
        {turn.tools.length > 0 && <Tools of={turn.tools} />}
        {turn.sources.length > 0 && <span>from {turn.sources.join(', ')}</span>}
        <Spent model={turn.model} usage={turn.usage} />
        {turn.runId && <Thumbs runId={turn.runId} client={client} />}
      </p>
    </div>
  );
}

function Progress({ turn }: { turn: Turn | null }) {
  const running = turn?.phase === 'running';
  return (
    <ol id="progress" aria-label="Progress">
      {turn?.steps.map((p, i) => {
        const now = running && i === turn.steps.length - 1 && !(p.step === 'generating' && turn.text);
        return (
          <li key={p.step} class={now ? 'now' : 'done'} data-step={p.step}>
            {p.message}
            <span class="when">{((p.at - turn.askedAt) / 1000).toFixed(2)} s</span>
          </li>
        );
      })}
      {turn?.endedAt && turn.steps.length > 0 && (
        <li key="end" class={`end ${turn.phase}`}>
          {ENDING[turn.phase] ?? 'done'}
          <span class="when">{((turn.endedAt - turn.askedAt) / 1000).toFixed(2)} s</span>
        </li>
      )}
    </ol>
  );
}

/** What stands in the answer's place before its first word. */
function waitingWord(s: ChatState, turn: Turn): string {
  if (s.auth === 'expired') return turn.runId ? 'The run goes on at the server; sign in again to see it.' : 'Sign in again: then it is sent.';
  if (s.link !== 'connected') return 'The run goes on at the server; this page is not connected.';
  if (s.auth === 'refused' || !turn.sent) return 'Waiting to be sent…';
  return turn.stopping ? 'Stopping…' : 'Waiting for the first word…';
}

/** `children` stand above the messages and take their room from them, so that the composer never leaves the screen. */
export function Conversation({ s, client, children }: { s: ChatState; client: ChatClient; children: ComponentChildren }) {
  const end = useFollowEnd<HTMLDivElement>();
  const turn = currentTurn(s);
  const live = turn !== null && isLive(turn);
  const shown = live ? s.turns.slice(0, s.turns.indexOf(turn)) : s.turns;
  const queued = live ? s.turns.slice(s.turns.indexOf(turn) + 1).filter(isLive) : [];

  const streams = s.turns.find(isLive);
  const empty = s.past.length === 0 && s.turns.length === 0;

  return (
    <section class="card talk" aria-labelledby="talk-title">
      <header>
        <h2 id="talk-title">Conversation</h2>
        <code class="quiet" title={s.sessionId}>
          {shortId(s.sessionId)}
        </code>
        <button type="button" class="plain push" id="new-session" onClick={() => client.newSession()}>
          New session
        </button>
      </header>
      {children}
      <div
        class="scroll"
        {...end}
        tabIndex={0}
        role="region"
        aria-label="Messages"
      >
        {empty && (
          <div class="empty">
            <p class="lead">Ask about the GenAuto X1.</p>
            <p>Every answer is a run with a numbered log. Drop the connection in the middle of one: nothing is lost.</p>
          </div>
        )}
        <div id="history" role="log" aria-label="History of the session">
          {s.past.map((m, i) =>
            m.role === 'user' ? (
              <Asked key={`past${i}`} text={m.text} />
            ) : (
              <div key={`past${i}`} class="answered past">
                <span class="sr">Assistant: </span>
                <div class="md">
                  <Markdown text={m.text} />
                </div>
                {m.runId && (
                  <p class="meta">
                    <Thumbs runId={m.runId} client={client} />
                  </p>
                )}
              </div>
            ),
          )}
          {shown.map((t) => (
            <div key={t.id} class="turn">
              <Asked text={t.question} />
              <Answered turn={t} client={client} />
            </div>
          ))}
          {live && (
            <div key={turn.id} class="turn">
              <Asked text={turn.question} />
            </div>
          )}
        </div>
        {/* Outside the live region: read out word by word, a stream is unbearable. The log says the finished answer. */}
        <div class={live ? 'live' : 'live over'}>
          {live && <Thinking text={turn.thought} live={!turn.text} />}
          <div id="answer" class="md" aria-busy={live} inert={!live}>
            {turn && <Markdown text={turn.text} />}
          </div>
          {live && !turn.text && (turn.steps.length === 0 || s.link !== 'connected' || s.auth === 'expired' || turn.stopping) && <p class="hint">{waitingWord(s, turn)}</p>}
          {live && turn.text && (s.link !== 'connected' || s.auth === 'expired') && <p class="hint">{waitingWord(s, turn)}</p>}
          {live && turn.text && s.link === 'connected' && turn.resumes > 0 && (
            <p class="meta">
              <span class="tag resumed">resumed{turn.resumes > 1 ? ` ×${turn.resumes}` : ''}</span>
              <span>nothing was lost</span>
            </p>
          )}
          <Progress turn={turn} />
        </div>
        {queued.map((t) => (
          <Asked key={t.id} text={t.question} tag="queued" />
        ))}
      </div>
      <Composer
        suggestions={SUGGESTIONS}
        label="Message"
        placeholder="Ask something…"
        word="Send"
        live={streams !== undefined}
        stopping={streams?.stopping ?? false}
        connected={s.link === 'connected'}
        onAsk={(what) => (client.ask(what), true)}
        onStop={() => client.happens({ kind: 'stop' })}
        onDrop={() => client.happens({ kind: 'drop' })}
      />
    </section>
  );
}
