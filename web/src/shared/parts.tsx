/** Pieces that pages share: the header's model chip, the notice about small models, what went wrong, the sign-in card. */
import { type Signal, useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import type { Account } from './account';
import { guests, healthy, modelNotice, provider } from './health';
import { HttpError } from './http';

/** Who answers. Nothing is claimed that the server did not say. */
export function ModelChip() {
  const p = provider.value;
  if (healthy.value === null) return <span class="chip quiet">asking for the model…</span>;
  if (!p) return <span class="chip quiet">{healthy.value ? 'model not named' : 'server not healthy'}</span>;
  const name = [p.name, p.model].filter(Boolean).join(' · ') || 'model not named';
  return (
    <span class="chip" id="model" title={p.label ?? 'the model that answers'}>
      <span class="quiet">answers: </span>
      {name}
    </span>
  );
}

export function ModelNotice() {
  const text = modelNotice(provider.value);
  return text ? (
    <p class="notice" id="notice">
      {text}
    </p>
  ) : null;
}

export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** What went wrong last. There while nothing did, so that a screen reader hears what comes into it. */
export function ProblemCard({ problem }: { problem: Signal<{ code: string; text: string } | null> }) {
  const said = problem.value;
  return (
    <div class={said ? 'card errors' : 'errors none'}>
      <div id="errors" role="alert">
        {said && (
          <>
            <code>{said.code}</code> {said.text}
          </>
        )}
      </div>
      {said && (
        <button type="button" class="plain" onClick={() => (problem.value = null)}>
          Clear
        </button>
      )}
    </div>
  );
}

interface Wrong {
  at: number;
  code?: string | undefined;
  text: string;
}

/** What went wrong, newest first. There while nothing did, as `ProblemCard` is. */
export function Errors({ problems, onClear }: { problems: Wrong[]; onClear(): void }) {
  return (
    <section class={problems.length ? 'card errors' : 'errors none'} aria-label="Errors">
      <div role="alert">
        <ul id="errors">
          {problems.map((p, i) => (
            <li key={`${p.at}-${i}`}>
              {p.code && <code>{p.code}</code>} {p.text} <time class="quiet">{new Date(p.at).toLocaleTimeString()}</time>
            </li>
          ))}
        </ul>
      </div>
      {problems.length > 0 && (
        <button type="button" class="plain" onClick={onClear}>
          Clear
        </button>
      )}
    </section>
  );
}

interface SignInProps {
  account: Account;
  /** Signed in as far as the server has confirmed it. */
  confirmed: boolean;
  /** Nothing to do for the user: a token is known, perhaps still being checked. */
  folded: boolean;
  /** A short word on the state, for example "checking the token". */
  state: string;
  onToken(token: string | null): void;
  onProblem(code: string, text: string): void;
}

export function SignIn({ account, confirmed, folded, state, onToken, onProblem }: SignInProps) {
  const email = useSignal('');
  const password = useSignal('');
  const name = useSignal('');
  const token = useSignal(account.token.value ?? '');
  const busy = useSignal(false);
  const wrong = useSignal('');

  const enter = async (how: 'login' | 'register' | 'guest') => {
    if (busy.value) return;
    busy.value = true;
    wrong.value = '';
    try {
      if (how === 'login') await account.login(email.value, password.value);
      else if (how === 'guest') await account.guest();
      else await account.register(email.value, password.value, name.value);
      password.value = '';
      token.value = account.token.value ?? '';
      onToken(account.token.value);
    } catch (e) {
      // Said twice: beside the form for the eye, in the page's errors for the record (and the screen reader).
      wrong.value = e instanceof Error ? e.message : String(e);
      onProblem(e instanceof HttpError ? e.code : 'ERROR', wrong.value);
    } finally {
      busy.value = false;
    }
  };
  const paste = () => {
    account.use(token.value);
    onToken(account.token.value);
  };
  const leave = () => {
    void account.leave();
    token.value = '';
    onToken(null);
  };
  const user = account.user.value;
  return (
    <details class="card fold" open={!folded}>
      <summary>
        <h2>{confirmed ? 'Signed in' : 'Sign in'}</h2>
        <span class="quiet" id="identity" role="status">
          {(confirmed && (user?.name ?? user?.email)) || state}
        </span>
      </summary>
      <form
        class="stack"
        onSubmit={(e) => {
          e.preventDefault();
          void enter('login');
        }}
      >
        <div class="pair">
          <label>
            Email
            <input id="email" type="email" autocomplete="username" value={email.value} onInput={(e) => (email.value = e.currentTarget.value)} />
          </label>
          <label>
            Password
            <input id="password" type="password" autocomplete="current-password" value={password.value} onInput={(e) => (password.value = e.currentTarget.value)} />
          </label>
        </div>
        <label>
          <span>
            Name <span class="quiet">(only to register)</span>
          </span>
          <input id="name" autocomplete="name" value={name.value} onInput={(e) => (name.value = e.currentTarget.value)} />
        </label>
        <div class="row">
          <button id="login" type="submit" class="primary">
            Log in
          </button>
          <button id="register" type="button" onClick={() => void enter('register')}>
            Register
          </button>
          {guests.value && !confirmed && (
            <button id="guest" type="button" onClick={() => void enter('guest')}>
              As a guest
            </button>
          )}
          {confirmed && (
            <button id="signout" type="button" class="push" onClick={leave}>
              Log out
            </button>
          )}
        </div>
        {wrong.value && <p class="wrong">{wrong.value}</p>}
      </form>
      <form
        class="stack ruled"
        onSubmit={(e) => {
          e.preventDefault();
          paste();
        }}
      >
        <label for="token">Or an access token</label>
        <div class="row">
          <input id="token" class="secret grow" autocomplete="off" spellcheck={false} value={token.value} onInput={(e) => (token.value = e.currentTarget.value)} />
          <button id="authenticate" type="submit">
            Authenticate
          </button>
        </div>
        <p class="hint">
          Or mint one: <code>headwater token --user me</code>. It stays in this tab.
        </p>
      </form>
    </details>
  );
}
