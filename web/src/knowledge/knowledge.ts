/** State of the knowledge page: documents, uploads under way, the last search. */
import { signal } from '@preact/signals';
import type { Account } from '../shared/account';
import { HttpError } from '../shared/http';
import { begun, hear, isOver, pause, transfer, type Heard, type Report, type Upload } from './upload';

export interface Doc {
  source: string;
  document_type?: string;
  chunk_count?: number;
  first_indexed?: string;
  last_indexed?: string;
}

export interface Stats {
  total_chunks?: number;
  total_sources?: number;
  total_document_types?: number;
}

export interface Hit {
  content: string;
  score: number;
  source: string;
  metadata?: Record<string, unknown>;
}

/** Ended uploads beyond this are forgotten by the page. */
const MAX_UPLOADS = 50;
/** A state that cannot be asked for so often in a row is given up. */
const MAX_LOST = 8;

export class Knowledge {
  readonly confirmed = signal(false);
  readonly documents = signal<Doc[] | null>(null);
  readonly stats = signal<Stats | null>(null);
  readonly uploads = signal<Upload[]>([]);
  readonly hits = signal<{ query: string; found: Hit[] } | null>(null);
  readonly problem = signal<{ code: string; text: string } | null>(null);
  readonly searching = signal(false);
  private n = 0;
  /** Files are sent one after the other: ten at once would each take ten times as long. */
  private line: Promise<void> = Promise.resolve();

  constructor(private readonly account: Account) {}

  fail = (code: string, text: string) => {
    this.problem.value = { code, text };
  };

  private async guarded<T>(work: Promise<T>): Promise<T | null> {
    try {
      return await work;
    } catch (e) {
      const error = e instanceof HttpError ? e : new HttpError(0, String(e));
      if (error.status === 401) this.signedOut();
      this.fail(error.code, error.message);
      return null;
    }
  }

  signedOut(): void {
    this.confirmed.value = false;
    this.documents.value = null;
    this.stats.value = null;
    this.hits.value = null;
    this.uploads.value = this.uploads.value.filter(isOver);
  }

  async begin(): Promise<void> {
    this.confirmed.value = await this.account.check();
    if (this.confirmed.value) await this.refresh();
    else this.signedOut();
  }

  async refresh(): Promise<void> {
    const list = await this.guarded(this.account.call<{ documents?: Doc[] }>('/api/v1/documents/'));
    if (!list) return;
    this.documents.value = (list.documents ?? []).toSorted((a, b) => (a.source < b.source ? -1 : 1));
    this.stats.value = await this.guarded(this.account.call<Stats>('/api/v1/documents/stats'));
  }

  add(files: Iterable<File>, type: string): void {
    for (const file of files) {
      const upload = begun(++this.n, file.name, file.size, type);
      this.uploads.value = [upload, ...this.uploads.value].slice(0, MAX_UPLOADS);
      if (!isOver(upload)) this.line = this.line.then(() => this.send(upload.n, file, type));
    }
  }

  private heard(n: number, what: Heard): Upload | undefined {
    this.uploads.value = this.uploads.value.map((u) => (u.n === n ? hear(u, what) : u));
    return this.uploads.value.find((u) => u.n === n);
  }

  private async send(n: number, file: File, type: string): Promise<void> {
    if (!this.uploads.value.some((u) => u.n === n)) return;
    this.heard(n, { kind: 'started' });
    try {
      const report = await this.transfer(n, file, type);
      const now = this.heard(n, { kind: 'answered', report });
      if (now && isOver(now)) await this.refresh();
      // The next file may go out while this one is read.
      else void this.watch(n);
    } catch (e) {
      this.heard(n, { kind: 'failed', why: e instanceof Error ? e.message : String(e) });
    }
  }

  /** A token may run out while files wait in line: then it is renewed and the file sent again. */
  private async transfer(n: number, file: File, type: string): Promise<Report> {
    const once = () => transfer(file, type, this.account.token.value ?? '', (bytes) => this.heard(n, { kind: 'sent', bytes }));
    try {
      return await once();
    } catch (e) {
      if (e instanceof HttpError && e.status === 401 && (await this.account.refresh()) === true) return once();
      throw e;
    }
  }

  /** Asks how far it is until it is over. */
  private async watch(n: number): Promise<void> {
    let lost = 0;
    for (let asked = 0; ; asked++) {
      await new Promise((wake) => setTimeout(wake, pause(asked)));
      const upload = this.uploads.value.find((u) => u.n === n);
      if (!upload || isOver(upload)) return;
      if (!upload.id) return void this.heard(n, { kind: 'failed', why: 'The server did not say how to ask for its state' });
      try {
        const report = await this.account.call<Report>(`/api/v1/documents/uploads/${encodeURIComponent(upload.id)}`);
        lost = 0;
        const now = this.heard(n, { kind: 'answered', report });
        if (now && isOver(now)) return void (await this.refresh());
      } catch (e) {
        const gone = e instanceof HttpError && [401, 403, 404].includes(e.status);
        if (gone || ++lost > MAX_LOST) this.heard(n, { kind: 'failed', why: e instanceof Error ? e.message : String(e) });
      }
    }
  }

  forgetEnded(): void {
    this.uploads.value = this.uploads.value.filter((u) => !isOver(u));
  }

  async remove(source: string): Promise<void> {
    this.problem.value = null;
    await this.guarded(this.account.call(`/api/v1/documents/${encodeURIComponent(source)}`, { method: 'DELETE' }));
    if (this.confirmed.value) await this.refresh();
  }

  async search(query: string, top_k: number, min_score: number, document_type: string): Promise<void> {
    this.problem.value = null;
    this.searching.value = true;
    const body = { query, top_k, min_score, ...(document_type ? { document_type } : {}) };
    const found = await this.guarded(this.account.call<{ results?: Hit[] }>('/api/v1/documents/search', { method: 'POST', body }));
    this.searching.value = false;
    if (found) this.hits.value = { query, found: found.results ?? [] };
  }
}
