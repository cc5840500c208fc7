import { signal } from '@preact/signals';
import { call, HttpError, type Call } from './http';
import { tabStore, type Store } from './storage';

export interface User {
  id?: string;
  email?: string;
  name?: string;
}

interface Tokens {
  access_token: string;
  refresh_token?: string;
  user?: User;
}

/** What pages keep in this tab for a reload: all of one person's. */
const KEPT = ['session', 'turns', 'lesson', 'lesson-kept', 'lesson-how', 'job'];

/** Who is signed in on this tab. The chat page and the run inspector share it; both read it after a reload. */
export class Account {
  readonly token = signal<string | null>(null);
  readonly user = signal<User | null>(null);
  /** Raised whenever somebody comes or goes: what was asked for somebody else is of no use then. */
  private visits = 0;

  constructor(private readonly store: Store = tabStore()) {
    this.token.value = store.get('token');
  }

  /** Whose token it is, as far as that is known; a reload still knows it. */
  get userId(): string | null {
    return this.user.value?.id ?? this.store.get('user');
  }

  /** Of whom is what pages keep in this tab: who was signed in last. */
  get whose(): string | null {
    return this.store.get('whose');
  }

  /** Whose token this is has been learned: what was kept for somebody else goes. */
  known(user: User): void {
    this.user.value = user;
    if (!user.id) return;
    if (this.whose !== null && this.whose !== user.id) this.drop();
    this.store.set('whose', user.id);
    this.store.set('user', user.id);
  }

  private drop(): void {
    for (const key of [...KEPT, 'whose']) this.store.set(key, null);
  }

  /** `Bearer ` in front is stripped, as the server does: people paste whole headers. */
  use(token: string, user: User | null = null, refresh: string | null = null): void {
    const bare = token.trim().replace(/^bearer\s+/i, '');
    this.visits++;
    this.token.value = bare || null;
    this.user.value = null;
    this.store.set('user', null);
    this.store.set('token', bare || null);
    this.store.set('refresh', refresh);
    if (user) this.known(user);
  }

  /** The token is of no use any more. What is kept waits for its owner to sign in again. */
  forget(): void {
    this.use('');
  }

  /** Tells the server, so that what was signed in with these tokens ends there too; then forgets, whatever it says. */
  async leave(): Promise<void> {
    const token = this.token.value;
    this.forget();
    this.drop();
    if (token) await call('/api/v1/auth/logout', { method: 'POST', token, body: {} }).catch(() => {});
  }

  /** Whether the server takes the token; learns whose it is. A refused one is renewed once, then forgotten. */
  async check(): Promise<boolean> {
    const { visits, token: { value: token } } = this;
    if (!token) return false;
    try {
      const { user_id: id, ...me } = await this.call<User & { user_id: string }>('/api/v1/auth/me');
      // Somebody may have signed in meanwhile, who is known by that.
      if (this.token.value === token || !this.user.value?.id) this.known({ ...me, id });
      return true;
    } catch (e) {
      if (e instanceof HttpError && e.status === 401 && visits === this.visits) this.forget();
      return false;
    }
  }

  /** A call as this user. When the token has run out in the meantime it is renewed, and the call made again. */
  async call<T>(path: string, how: Omit<Call, 'token'> = {}): Promise<T> {
    const token = this.token.value ?? undefined;
    try {
      return await call<T>(path, { ...how, token });
    } catch (e) {
      const user = this.user.value;
      if (!(e instanceof HttpError) || e.status !== 401 || (await this.refresh()) !== true) throw e;
      this.user.value ??= user;
      return call<T>(path, { ...how, token: this.token.value ?? undefined });
    }
  }

  /** Without an account, where the operator allows it. */
  guest(): Promise<void> {
    return this.enter('guest', {});
  }

  login(email: string, password: string): Promise<void> {
    return this.enter('login', { email, password });
  }

  register(email: string, password: string, name: string): Promise<void> {
    return this.enter('register', { email, password, name });
  }

  /**
   * Access tokens live half an hour. True when a new one was had; the refresh token is spent either way. `gone`: who it was
   * for has left meanwhile, and whoever is here now is not touched by it.
   */
  async refresh(): Promise<boolean | 'gone'> {
    const { visits } = this;
    const refresh = this.store.get('refresh');
    this.store.set('refresh', null);
    if (!refresh) return false;
    const tokens = await this.tokens('refresh', { refresh_token: refresh }).catch(() => null);
    if (visits !== this.visits) return 'gone';
    if (!tokens) return false;
    this.take(tokens);
    // The same person goes on.
    this.visits = visits;
    return true;
  }

  private async enter(route: string, body: unknown): Promise<void> {
    this.take(await this.tokens(route, body));
  }

  private async tokens(route: string, body: unknown): Promise<Tokens> {
    const tokens = await call<Tokens>(`/api/v1/auth/${route}`, { method: 'POST', body });
    if (typeof tokens?.access_token !== 'string') throw new HttpError(200, 'The server sent no token');
    return tokens;
  }

  private take(tokens: Tokens): void {
    this.use(tokens.access_token, tokens.user ?? null, tokens.refresh_token ?? null);
  }
}
