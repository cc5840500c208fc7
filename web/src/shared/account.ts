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

/** Who is signed in on this tab. The chat page and the run inspector share it; both read it after a reload. */
export class Account {
  readonly token = signal<string | null>(null);
  readonly user = signal<User | null>(null);

  constructor(private readonly store: Store = tabStore()) {
    this.token.value = store.get('token');
  }

  /** `Bearer ` in front is stripped, as the server does: people paste whole headers. */
  use(token: string, user: User | null = null, refresh: string | null = null): void {
    const bare = token.trim().replace(/^bearer\s+/i, '');
    this.token.value = bare || null;
    this.user.value = user;
    this.store.set('token', bare || null);
    this.store.set('refresh', refresh);
  }

  forget(): void {
    this.use('');
  }

  /** Tells the server, so that what was signed in with these tokens ends there too; then forgets, whatever it says. */
  async leave(): Promise<void> {
    const token = this.token.value;
    this.forget();
    if (token) await call('/api/v1/auth/logout', { method: 'POST', token, body: {} }).catch(() => {});
  }

  /** Whether the server takes the token; learns whose it is. A refused one is renewed once, then forgotten. */
  async check(): Promise<boolean> {
    if (!this.token.value) return false;
    try {
      this.user.value = await this.call<User>('/api/v1/auth/me');
      return true;
    } catch (e) {
      if (e instanceof HttpError && e.status === 401) this.forget();
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
      if (!(e instanceof HttpError) || e.status !== 401 || !(await this.refresh())) throw e;
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

  /** Access tokens live half an hour. True when a new one was had; the refresh token is spent either way. */
  async refresh(): Promise<boolean> {
    const refresh = this.store.get('refresh');
    this.store.set('refresh', null);
    if (!refresh) return false;
    try {
      await this.enter('refresh', { refresh_token: refresh });
      return true;
    } catch {
      return false;
    }
  }

  private async enter(route: string, body: unknown): Promise<void> {
    const tokens = await call<Tokens>(`/api/v1/auth/${route}`, { method: 'POST', body });
    if (typeof tokens?.access_token !== 'string') throw new HttpError(200, 'The server sent no token');
    this.use(tokens.access_token, tokens.user ?? null, tokens.refresh_token ?? null);
  }
}
