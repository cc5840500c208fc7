import { signal } from '@preact/signals';
import { call, HttpError } from './http';
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
