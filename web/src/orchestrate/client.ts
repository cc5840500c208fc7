/** The teams' routes and the socket of the job that is shown. */
import { signal } from '@preact/signals';
import type { Account } from '../shared/account';
import { onceAFrame } from '../shared/frame';
import { FrameLog } from '../shared/framelog';
import { HttpError } from '../shared/http';
import { newId } from '../shared/id';
import { asProtocol, chatUrl, openWire, type Wire } from '../shared/socket';
import type { Store } from '../shared/storage';
import { type Input, isOver, type Job, newJob, type Snapshot, step } from './job';

/** As the original's client: asked for every two seconds while it is at work, and a socket that is lost opened again. */
const POLL_EVERY = 2_000;
const AGAIN_AFTER = 2_000;
const PING_EVERY = 30_000;
export const PAGE = 8;

export type Link = 'disconnected' | 'connecting' | 'connected';

export interface Model {
  id: string;
  name: string;
  tier: string;
}

export interface Models {
  [team: string]: { models: Model[]; default: string; team?: boolean };
}

export interface Line {
  job_id: string;
  status: string;
  brief_summary: string;
  total_tokens: number;
  estimated_cost: number;
}

export interface Past {
  jobs: Line[];
  total: number;
  truncated?: boolean;
}

export interface Brief {
  brief: string;
  target_framework: string;
  style_preferences?: Record<string, unknown>;
  include_teams?: string[];
  workspace?: Record<string, unknown>;
}

export class TeamsClient {
  readonly view = signal<Job | null>(null);
  readonly link = signal<Link>('disconnected');
  /** `null` while it is not known whether this server lets this visitor in. */
  readonly allowed = signal<boolean | null>(null);
  readonly models = signal<Models | null>(null);
  readonly past = signal<Past | null>(null);
  readonly offset = signal(0);
  readonly status = signal('');
  readonly problem = signal<{ code: string; text: string } | null>(null);
  readonly busy = signal(false);
  readonly log = signal({ entries: [] as FrameLog['entries'], total: 0, paused: false });

  private job: Job | null = null;
  private readonly frames = new FrameLog();
  private wire: Wire | null = null;
  private again: ReturnType<typeof setTimeout> | undefined;
  private poll: ReturnType<typeof setTimeout> | undefined;
  /** One name a brief, until it is taken: sent twice it is one job. */
  private key: { brief: string; name: string } | null = null;
  /** Whose the job is, as far as that is known. */
  private whose: string | null = null;
  /** Counts who comes and goes: what was asked for before is not shown to who is here now. */
  private visit = 0;
  private readonly paint = onceAFrame(() => this.show());

  constructor(private readonly account: Account, private readonly store: Store) {
    setInterval(() => this.wire?.send('ping'), PING_EVERY);
  }

  async begin(): Promise<void> {
    if (this.account.token.value) await this.account.check();
    await this.enter();
  }

  /** Somebody signed in or out; or nobody need to. */
  async enter(): Promise<void> {
    const visit = ++this.visit;
    const who = this.account.userId;
    if (this.whose !== null && who !== null && this.whose !== who) this.clear();
    this.whose = who ?? this.whose;
    try {
      const models = await this.account.call<Models>('/api/orchestrate/models');
      if (visit !== this.visit) return;
      this.models.value = models;
      this.allowed.value = true;
      await this.list();
      if (visit === this.visit) await this.goOn();
    } catch (e) {
      if (visit !== this.visit) return;
      this.models.value = null;
      this.past.value = null;
      // Not signed in is how everybody begins; who cannot be reached has not said who may enter.
      const refused = e instanceof HttpError && e.status === 401;
      this.allowed.value = refused ? false : null;
      if (!refused) this.wrong(e, 'Models');
    }
  }

  /** The job of before a reload, or of before somebody signed in: opened as who is here now, whatever became of it. */
  private async goOn(): Promise<void> {
    const id = this.job?.id ?? this.store.get('job');
    if (id && !(await this.open(id))) this.putAway();
  }

  leave(): void {
    this.clear();
    void this.enter();
  }

  /** Nothing of who was here stays. */
  private clear(): void {
    this.putAway();
    this.whose = this.key = this.past.value = this.problem.value = null;
    this.offset.value = 0;
    this.status.value = '';
  }

  private putAway(): void {
    this.close();
    this.frames.clear();
    this.store.set('job', null);
    this.set(null);
  }

  async send(brief: Brief): Promise<void> {
    if (this.busy.value) return;
    this.busy.value = true;
    this.problem.value = null;
    const visit = this.visit;
    const said = JSON.stringify(brief);
    if (this.key?.brief !== said) this.key = { brief: said, name: newId() };
    try {
      const taken = await this.account.call<Snapshot>('/api/orchestrate/brief', { method: 'POST', body: brief, once: this.key.name });
      if (visit !== this.visit) return;
      this.key = null;
      this.present(taken.job_id ?? '', taken);
      this.offset.value = 0;
      void this.list();
    } catch (e) {
      if (visit !== this.visit) return;
      // What was refused is not a job; what was lost on its way may be one, and keeps its name.
      if (e instanceof HttpError && e.status !== 0 && e.status < 500) this.key = null;
      this.wrong(e);
    } finally {
      this.busy.value = false;
    }
  }

  /** A job of any time, by its id: from its beginning. False where there is none of this visitor's. */
  async open(id: string): Promise<boolean> {
    const visit = this.visit;
    this.problem.value = null;
    try {
      const [job, status] = await this.look(id);
      if (visit === this.visit) this.present(id, { ...status, ...job });
    } catch (e) {
      if (visit !== this.visit) return true;
      if (this.store.get('job') === id) this.store.set('job', null);
      const none = e instanceof HttpError && e.status === 404;
      // It is not this visitor's, or not any more; what was cancelled here stays in sight.
      if (none && this.job?.id === id && !this.job.cancelled) this.putAway();
      this.wrong(e, id);
      return !none;
    }
    return true;
  }

  async cancel(): Promise<void> {
    const job = this.job;
    if (!job) return;
    try {
      await this.account.call(`/api/orchestrate/job/${encodeURIComponent(job.id)}`, { method: 'DELETE' });
      if (this.job?.id === job.id) {
        this.happens({ kind: 'cancelled' });
        this.store.set('job', null);
        clearTimeout(this.poll);
      }
      void this.list();
    } catch (e) {
      this.wrong(e, 'Cancel');
    }
  }

  /** A job that failed is done once more, as a job of its own. */
  async onceMore(): Promise<void> {
    const job = this.job;
    if (!job) return;
    const visit = this.visit;
    try {
      const told = await this.account.call<{ job_id: string; run_id?: string }>(`/api/orchestrate/generate/${encodeURIComponent(job.id)}`, { method: 'POST', body: {} });
      if (visit !== this.visit) return;
      await this.open(told.run_id ?? told.job_id);
      void this.list();
    } catch (e) {
      this.wrong(e, 'Once more');
    }
  }

  async list(): Promise<void> {
    const query = new URLSearchParams({ limit: String(PAGE), offset: String(this.offset.value) });
    const visit = this.visit;
    if (this.status.value) query.set('status', this.status.value);
    try {
      const past = await this.account.call<Past>(`/api/orchestrate/history?${query}`);
      if (visit === this.visit) this.past.value = past;
    } catch (e) {
      if (visit === this.visit) this.wrong(e, 'History');
    }
  }

  page(by: number): void {
    this.offset.value = Math.max(0, this.offset.value + by * PAGE);
    void this.list();
  }

  only(status: string): void {
    this.status.value = status;
    this.offset.value = 0;
    void this.list();
  }

  drop(): void {
    if (!this.wire) return;
    this.note('connection dropped by this page');
    this.wire.abandon();
    this.wire = null;
    this.lost();
  }

  pauseLog(paused: boolean): void {
    this.frames.paused = paused;
    this.show();
  }

  clearLog(): void {
    this.frames.clear();
    this.show();
  }

  private present(id: string, first: Snapshot): void {
    this.close();
    this.store.set('job', id);
    this.set(newJob(id));
    this.happens({ kind: 'snapshot', of: first });
    this.connect();
    this.ask();
  }

  private set(job: Job | null): void {
    this.job = job;
    this.show();
  }

  private happens(input: Input): void {
    if (!this.job) return;
    this.job = step(this.job, input);
    if (input.kind === 'frame') this.paint();
    else this.show();
  }

  private connect(): void {
    const job = this.job;
    if (!job) return;
    this.link.value = 'connecting';
    const token = this.account.token.value;
    // The first time from the beginning, then behind what is here.
    const from = job.seq > 0 ? `after=${job.seq}` : 'replay=1';
    const mine = (then: () => void) => void (this.wire === wire && then());
    const wire = openWire(
      chatUrl(`/ws/orchestrate/${encodeURIComponent(job.id)}?stream=code&seq=1&${from}`),
      {
        opened: () =>
          mine(() => {
            this.link.value = 'connected';
            this.note('connected');
            this.happens({ kind: 'opened' });
          }),
        message: (text) =>
          mine(() => {
            this.frames.add('in', text, Date.now());
            this.happens({ kind: 'frame', text });
          }),
        closed: (code, reason) => mine(() => void this.whenClosed(code, reason)),
      },
      ['headwater.orchestrate.v1', ...(token ? [asProtocol(token)] : [])],
    );
    this.wire = wire;
  }

  private async whenClosed(code: number, reason: string): Promise<void> {
    this.wire = null;
    this.note(`closed with code ${code}${reason ? ` ${reason}` : ''}`);
    const token = this.account.token.value;
    const visit = this.visit;
    if (code === 4401 && token && !(await this.account.refresh())) {
      if (visit !== this.visit) return;
      this.account.forget();
      this.close();
      this.problem.value = { code: 'UNAUTHORIZED', text: 'The token is not good, or not any more: sign in again. The job goes on.' };
      return;
    }
    if (this.wire) return;
    this.lost();
  }

  /** Lost on its way: opened again while there is anything to hear. */
  private lost(): void {
    this.link.value = 'disconnected';
    clearTimeout(this.again);
    if (this.job && !isOver(this.job)) this.again = setTimeout(() => this.connect(), AGAIN_AFTER);
    this.paint();
  }

  /** The end of a job has no frame: it is asked for. */
  private ask(): void {
    clearTimeout(this.poll);
    const id = this.job?.id;
    if (!id || !this.job || isOver(this.job)) return;
    this.poll = setTimeout(async () => {
      const told = await this.look(id).catch((e: unknown) => (this.gone(id, e), null));
      if (this.job?.id !== id) return;
      for (const of of told ?? []) this.happens({ kind: 'snapshot', of });
      if (this.job && isOver(this.job)) void this.list();
      else this.ask();
    }, POLL_EVERY);
  }

  private look(id: string): Promise<[Snapshot, Snapshot]> {
    const path = encodeURIComponent(id);
    return Promise.all([this.account.call<Snapshot>(`/api/orchestrate/job/${path}`), this.account.call<Snapshot>(`/api/orchestrate/status/${path}`)]);
  }

  /** Cancelled in another window; anything else is asked again. */
  private gone(id: string, e: unknown): void {
    if (e instanceof HttpError && e.status === 404 && this.job?.id === id) this.happens({ kind: 'cancelled' });
  }

  private close(): void {
    clearTimeout(this.again);
    clearTimeout(this.poll);
    this.wire?.abandon();
    this.wire = null;
    this.link.value = 'disconnected';
  }

  private note(text: string): void {
    this.frames.add('note', text, Date.now());
    this.paint();
  }

  private wrong(e: unknown, where = ''): void {
    const { code, message, status } = e instanceof HttpError ? e : new HttpError(0, String(e));
    if (status === 401) this.allowed.value = false;
    const text = status === 401 ? 'Sign in first: a token is needed here' : message;
    this.problem.value = { code, text: where ? `${where}: ${text}` : text };
  }

  private show(): void {
    this.view.value = this.job;
    this.log.value = { entries: this.frames.entries, total: this.frames.total, paused: this.frames.paused };
  }
}
