/** What a turn looks like: how it was understood, what was thought, the answer, and what it took. */
import { Again } from '../shared/again';
import { Markdown } from '../shared/MarkdownView';
import { usageText } from '../shared/usage';
import type { LessonClient } from './client';
import { inside, type Feeling, type Piece, type State, type Turn } from './state';

const READINESS = ['not_ready', 'low_readiness', 'moderate_readiness', 'high_readiness', 'optimal_readiness'];

/** Underscores are for machines. */
export const plain = (word: string) => word.replaceAll('_', ' ');

interface BarProps {
  name: string;
  value: number;
  low: number;
  high: number;
  say: string;
}

/** A bar from its zero: of -1 to 1 that is the middle. Drawn, because a style attribute is not allowed. */
function Bar({ name, value, low, high, say }: BarProps) {
  const at = (v: number) => ((v - low) / (high - low)) * 100;
  const zero = at(Math.max(low, Math.min(0, high)));
  const end = at(value);
  return (
    <div class="measure">
      <span class="quiet">{name}</span>
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <rect class="track" x={0} y={0} width={100} height={8} />
        <rect class={value < 0 ? 'fill low' : 'fill'} x={Math.min(zero, end)} y={0} width={Math.abs(end - zero)} height={8} />
        {low < 0 && <rect class="zero" x={zero - 0.4} y={0} width={0.8} height={8} />}
      </svg>
      <span class="said">{say}</span>
    </div>
  );
}

export function FeelingView({ of }: { of: Feeling }) {
  const ready = READINESS.indexOf(of.readiness);
  return (
    <div class="feeling" role="group" aria-label="How you seem to feel">
      <span class="tag agent">{plain(of.emotion)}</span>
      <Bar name="valence" value={of.valence} low={-1} high={1} say={of.valence.toFixed(2)} />
      <Bar name="arousal" value={of.arousal} low={0} high={1} say={of.arousal.toFixed(2)} />
      {of.readiness && <Bar name="readiness" value={Math.max(0, ready)} low={0} high={4} say={plain(of.readiness.replace(/_readiness$/, ''))} />}
    </div>
  );
}

function Understood({ t }: { t: Turn }) {
  const { used } = t;
  if (!t.provider && !used && !t.feeling) return null;
  return (
    <div class="understood">
      <p class="meta">
        {t.category && <span class="tag agent">{plain(t.category)}</span>}
        {t.provider && <span>{t.provider}</span>}
        {t.estimated !== null && <span>a prompt of about {t.estimated.toLocaleString('en')} tokens</span>}
        {used && (
          <span>
            with {used.recent} recent and {used.relevant} relevant {used.relevant === 1 ? 'message' : 'messages'}
            {used.rag && (used.sources.length > 0 ? `, from ${used.sources.join(', ')}` : ', no document fits')}
          </span>
        )}
      </p>
      {t.feeling && <FeelingView of={t.feeling} />}
    </div>
  );
}

function Thoughts({ t, open }: { t: Turn; open: boolean }) {
  if (t.thoughts.length === 0) return null;
  return (
    <details class="thinking" open={open}>
      <summary>
        Thinking, {t.thoughts.length} {t.thoughts.length === 1 ? 'step' : 'steps'}
      </summary>
      <ol class="thoughts">
        {t.thoughts.map((one) => (
          <li key={one.n}>
            {one.text}{' '}
            <span class="quiet">
              {one.mode}
              {one.confidence !== null && `, confidence ${one.confidence.toFixed(2)}`}
            </span>
          </li>
        ))}
      </ol>
    </details>
  );
}

export function Pieces({ of }: { of: Piece[] }) {
  return (
    <>
      {of.map((p, i) => {
        if (!p.code) return <Markdown key={i} text={p.text} />;
        const { language, code } = inside(p.text);
        return (
          <pre key={i} class="code" tabIndex={0} aria-label={language ? `Code, ${language}` : 'Code'}>
            <code>{code}</code>
          </pre>
        );
      })}
    </>
  );
}

function Took({ t }: { t: Turn }) {
  const cost = t.cost === null ? '' : usageText({ cost_usd: t.cost });
  const parts = [
    t.tokens !== null && `${t.tokens.toLocaleString('en')} tokens`,
    cost || (t.tokens !== null && 'price not known'),
    t.ms !== null && `${(t.ms / 1000).toFixed(2)} s`,
  ].filter(Boolean);
  return parts.length ? <span class="spent">{parts.join(', ')}</span> : null;
}

/** An answer that has begun, or is over. `answer`: the growing one, which has an id and is not in the log. */
export function Answer({ t, client, answer = false }: { t: Turn; client: LessonClient; answer?: boolean }) {
  const live = t.phase === 'running';
  return (
    <div class={`answered ${t.phase === 'stopped' ? 'cancelled' : t.phase === 'failed' ? 'failed' : ''}`}>
      <span class="sr">Tutor: </span>
      <Understood t={t} />
      <Thoughts t={t} open={live} />
      {answer ? (
        <div id="answer" class="md" aria-busy={live}>
          <Pieces of={t.pieces} />
        </div>
      ) : (
        t.pieces.length > 0 && (
          <div class="md">
            <Pieces of={t.pieces} />
          </div>
        )
      )}
      {t.phase === 'completed' && t.pieces.length === 0 && !t.error && (
        <p class="hint">No answer of it is kept. One that is still being written comes here when you join the room.</p>
      )}
      {t.error && (
        <p class="wrong">
          {t.error.text} <code>{t.error.code}</code>
          {t.error.again && t.question !== null && (
            <Again name="Ask again" until={t.error.until} onPress={() => client.ask(t.question ?? '', { subject: t.subject, reasoning: t.reasoning, documents: t.documents })} />
          )}
        </p>
      )}
      {!live && (
        <p class="meta">
          {t.phase === 'stopped' && <span class="tag cancelled">stopped</span>}
          {t.phase === 'failed' && <span class="tag failed">failed</span>}
          {t.resumes > 0 && <span class="tag resumed">resumed{t.resumes > 1 ? ` ×${t.resumes}` : ''}</span>}
          <Took t={t} />
          {t.ability && (
            <span>
              ability in {plain(t.ability.subject)} {t.ability.level.toFixed(2)}
            </span>
          )}
        </p>
      )}
    </div>
  );
}

export function Question({ t, tag }: { t: Turn; tag?: string | undefined }) {
  return (
    <div class="asked">
      <span class="sr">{t.question === null ? 'Asked elsewhere' : 'Asked: '}</span>
      <p>{t.question ?? 'A question from another window'}</p>
      {(tag ?? t.subject) && <span class="tag">{tag ?? t.subject}</span>}
    </div>
  );
}

/** What stands in the answer's place before it begins. */
export function waitingWord(s: State, t: Turn): string {
  if (s.signedOut) return t.phase === 'waiting' ? 'Sign in: then it is asked.' : 'The run goes on at the server; sign in again to see it.';
  if (s.link !== 'connected') return t.phase === 'waiting' ? 'Kept until the connection is there.' : 'The run goes on at the server; this page is not connected.';
  return t.stopping ? 'Stopping…' : 'Waiting for the first word…';
}
