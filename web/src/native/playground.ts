/** State of the run inspector: the list of runs and up to two viewers side by side. */
import { signal, type Signal } from '@preact/signals';
import type { Account } from '../shared/account';
import { onceAFrame } from '../shared/frame';
import { call, HttpError } from '../shared/http';
import type { ModelRow, RunEvent, RunSummary, Start } from './events';
import { Follow, type FollowState } from './follow';
import { emptyView, fold, type RunView } from './view';

export const MAX_VIEWERS = 2;
/** What was asked for in so many runs is kept, so that it can be asked again. */
const MAX_ASKED = 50;

export class Viewer {
  readonly view: Signal<RunView>;
  readonly state = signal<FollowState>('connecting');
  readonly why = signal<string | null>(null);
  readonly resumes = signal(0);
  private pending: RunEvent[] = [];
  private readonly follow: Follow;

  constructor(readonly n: number, readonly run_id: string, readonly after: number, token: string, ended: () => void) {
    this.view = signal(emptyView(after));
    const paint = onceAFrame(() => this.flush());
    this.follow = new Follow({
      run_id,
      token,
      after,
      onEvents: (events) => {
        this.pending.push(...events);
        paint();
      },
      onState: (state, why) => {
        // The ending must not be seen before the events that led to it.
        if (state === 'ended') this.flush();
        this.state.value = state;
        this.why.value = why ?? null;
        this.resumes.value = this.follow.resumes;
        if (state === 'ended') ended();
      },
    });
    void this.follow.run();
  }

  private flush(): void {
    if (this.pending.length === 0) return;
    this.view.value = fold(this.view.value, this.pending);
    this.pending = [];
  }

  drop = () => this.follow.drop();
  close = () => this.follow.close();
}

export class Playground {
  readonly runs = signal<RunSummary[] | null>(null);
  /** What may be asked for by name; empty until it is known. */
  readonly models = signal<ModelRow[]>([]);
  readonly viewers = signal<Viewer[]>([]);
  readonly confirmed = signal(false);
  readonly problem = signal<{ code: string; text: string } | null>(null);
  private opened = 0;
  private modelsOf: string | null = null;
  private readonly asked = new Map<string, Start>();

  constructor(private readonly account: Account) {}

  fail = (code: string, text: string) => {
    this.problem.value = { code, text };
  };

  private async guarded<T>(work: Promise<T>): Promise<T | null> {
    try {
      const result = await work;
      this.confirmed.value = true;
      return result;
    } catch (e) {
      const error = e instanceof HttpError ? e : new HttpError(0, String(e));
      if (error.status === 401) {
        this.confirmed.value = false;
        this.runs.value = null;
      }
      this.fail(error.code, error.message);
      return null;
    }
  }

  async refresh(): Promise<void> {
    const token = this.account.token.value;
    if (!token) {
      this.confirmed.value = false;
      this.runs.value = null;
      return;
    }
    const body = await this.guarded(call<{ runs?: RunSummary[] }>('/api/runs', { token }));
    if (body) this.runs.value = body.runs ?? [];
    if (body && this.modelsOf !== token) void this.findModels(token);
  }

  /** Once for each sign-in. An older server has no list, and the page then offers none. */
  private async findModels(token: string): Promise<void> {
    this.modelsOf = token;
    const body = await call<{ models?: ModelRow[] }>('/api/v1/models', { token }).catch(() => null);
    this.models.value = body?.models?.filter((m) => typeof m.alias === 'string') ?? [];
  }

  /** Whether this page knows what a run was asked. */
  knows = (run_id: string) => this.asked.has(run_id);

  /** The same once more, as a run of its own. */
  async again(run_id: string): Promise<void> {
    const start = this.asked.get(run_id);
    if (start) await this.start(start);
  }

  async start(body: Start): Promise<void> {
    this.problem.value = null;
    const token = this.account.token.value;
    if (!token) return this.fail('AUTH_REQUIRED', 'Sign in first');
    const run = await this.guarded(call<{ run_id: string }>('/api/runs', { method: 'POST', token, body }));
    if (!run) return;
    this.asked.set(run.run_id, body);
    for (const old of [...this.asked.keys()].slice(0, -MAX_ASKED)) this.asked.delete(old);
    this.closeAll();
    this.open(run.run_id, 0);
    void this.refresh();
  }

  async stop(run_id: string): Promise<void> {
    const token = this.account.token.value ?? undefined;
    await this.guarded(call(`/api/runs/${encodeURIComponent(run_id)}/stop`, { method: 'POST', token, body: {} }));
    void this.refresh();
  }

  /** A third viewer takes the place of the second. */
  open(run_id: string, after: number): void {
    const token = this.account.token.value;
    if (!token) return this.fail('AUTH_REQUIRED', 'Sign in first');
    const kept = this.viewers.value.slice(0, MAX_VIEWERS - 1);
    for (const gone of this.viewers.value.slice(MAX_VIEWERS - 1)) gone.close();
    this.viewers.value = [...kept, new Viewer(++this.opened, run_id, after, token, () => void this.refresh())];
  }

  /** Look at another run: viewers of the previous one make room. */
  show(run_id: string, after: number): void {
    this.closeAll();
    this.open(run_id, after);
  }

  close(viewer: Viewer): void {
    viewer.close();
    this.viewers.value = this.viewers.value.filter((v) => v !== viewer);
  }

  closeAll(): void {
    for (const v of this.viewers.value) v.close();
    this.viewers.value = [];
  }
}
