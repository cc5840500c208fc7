import type { Account } from '../shared/account';
import { RetryIn } from '../shared/again';
import { provider } from '../shared/health';
import { usageText } from '../shared/usage';
import { Errors, Fact, ModelChip, ModelNotice, SignIn } from '../shared/parts';
import type { ChatClient } from './client';
import { Conversation, Tools } from './Conversation';
import { Inspector } from '../shared/Inspector';
import { currentTurn, statusWord, type ChatState } from './state';

const AUTH_WORD: Record<ChatState['auth'], string> = {
  none: 'not signed in',
  pending: 'checking the token…',
  ok: 'signed in',
  refused: 'token refused',
  expired: 'sign in again to go on',
};

function Status({ s, client }: { s: ChatState; client: ChatClient }) {
  const word = statusWord(s.link);
  return (
    <div class="status">
      <span class={`dot ${word}`} aria-hidden="true" />
      <span id="status" role="status">
        {word}
      </span>
      {s.retryAt !== null && <RetryIn at={s.retryAt} attempt={s.attempt} />}
      {(s.link === 'lost' || s.link === 'closed') && (
        <button type="button" class="plain" onClick={() => client.happens({ kind: 'connect' })}>
          Connect now
        </button>
      )}
    </div>
  );
}

function RunFacts({ s }: { s: ChatState }) {
  const t = currentTurn(s);
  const p = provider.value;
  const ms = (to: number | null) => (t && to ? `${((to - t.askedAt) / 1000).toFixed(2)} s` : '–');
  return (
    <section class="card" aria-labelledby="run-title">
      <h2 id="run-title">This run</h2>
      <dl class="facts">
        <Fact name="state">{t ? t.phase : 'none yet'}</Fact>
        <Fact name="run_id">
          <code id="run-id">{t?.runId ?? '–'}</code>
        </Fact>
        <Fact name="seq">
          <code id="seq">{t?.seq || '–'}</code>
        </Fact>
        <Fact name="agent">
          <span id="agent">{t?.agent ?? '–'}</span>
        </Fact>
        <Fact name="intent">{t?.intent ?? '–'}</Fact>
        <Fact name="confidence">
          <span id="confidence">{t?.confidence?.toFixed(2) ?? '–'}</span>
        </Fact>
        <Fact name="sources">
          <span id="sources">{t?.sources.length ? t.sources.join(', ') : '–'}</span>
        </Fact>
        <Fact name="tools">{t?.tools.length ? <Tools of={t.tools} /> : '–'}</Fact>
        {t?.escalation && (
          <Fact name="escalation">
            <code id="escalation">{t.escalation.id ?? t.escalation.message}</code>
          </Fact>
        )}
        <Fact name="answered by">{t?.model ?? (p ? [p.name, p.model].filter(Boolean).join(' · ') || '–' : '–')}</Fact>
        <Fact name="used">
          <span id="used">{usageText(t?.usage) || '–'}</span>
        </Fact>
        <Fact name="first word">{ms(t?.firstTokenAt ?? null)}</Fact>
        <Fact name="whole answer">{ms(t?.endedAt ?? null)}</Fact>
      </dl>
    </section>
  );
}

export function ChatPage({ client, account }: { client: ChatClient; account: Account }) {
  const s = client.view.value;
  return (
    <>
      <div class="bar">
        <Status s={s} client={client} />
        <ModelChip />
      </div>
      <div class="desk">
        <div class="side-a">
          <SignIn
            account={account}
            // A lost connection signs nobody out.
            confirmed={s.user !== null}
            folded={s.token !== null}
            state={s.user ? 'signed in' : AUTH_WORD[s.auth]}
            onToken={(token) => (token ? client.useToken(token) : client.leave())}
            onProblem={(code, text) => client.happens({ kind: 'problem', code, text })}
          />
        </div>
        <Conversation s={s} client={client}>
          <ModelNotice />
          <Errors problems={s.problems} onClear={() => client.happens({ kind: 'clear_problems' })} />
        </Conversation>
        <div class="side-b">
          <RunFacts s={s} />
          <Inspector client={client} />
        </div>
      </div>
    </>
  );
}
