/** One upload as a pure function of what is heard of it: bytes going out, then the server's own words. */
import { refusal, type HttpError } from '../shared/http';

/** The contract's bound: refused here already, so that nobody waits for 200 MB to be refused there. */
export const MAX_BYTES = 50 * 1024 * 1024;
export const KINDS = ['.pdf', '.docx', '.txt', '.text', '.md', '.markdown'];

/**
 * As `GET /api/v1/documents/uploads/{id}` says it. The answer to the upload itself has the first three; where the server did
 * not answer before the document was searchable, it has `chunks_created` in place of `status`.
 */
export interface Report {
  document_id?: string;
  filename?: string;
  status?: string;
  chunks_done?: number;
  /** 0 until they are counted. */
  chunks_total?: number;
  detail?: string | null;
  chunks_created?: number;
}

export type Phase = 'waiting' | 'sending' | 'receiving' | 'reading' | 'indexing' | 'done' | 'failed';

export interface Upload {
  n: number;
  name: string;
  bytes: number;
  type: string;
  phase: Phase;
  sent: number;
  id: string | null;
  done: number;
  total: number | null;
  wrong: string | null;
}

export const isOver = (u: Upload) => u.phase === 'done' || u.phase === 'failed';

/** Why this file need not be sent at all, if so. */
export function refusedHere(name: string, bytes: number): string | null {
  if (bytes === 0) return 'Empty file';
  if (bytes > MAX_BYTES) return 'File too large (max 50MB)';
  if (!KINDS.some((k) => name.toLowerCase().endsWith(k))) return `Unsupported file format: ${name}`;
  return null;
}

export function begun(n: number, name: string, bytes: number, type: string): Upload {
  const wrong = refusedHere(name, bytes);
  return { n, name, bytes, type, phase: wrong ? 'failed' : 'waiting', sent: 0, id: null, done: 0, total: null, wrong };
}

export type Heard =
  | { kind: 'started' }
  | { kind: 'sent'; bytes: number }
  | { kind: 'answered'; report: Report }
  | { kind: 'failed'; why: string };

const SERVER_PHASES: readonly string[] = ['receiving', 'reading', 'indexing', 'done', 'failed'];

export function hear(u: Upload, heard: Heard): Upload {
  // What has ended stays as it ended: a late progress event of the browser changes nothing.
  if (isOver(u)) return u;
  switch (heard.kind) {
    case 'started':
      return { ...u, phase: 'sending' };
    case 'sent':
      return u.phase === 'sending' ? { ...u, sent: Math.max(u.sent, Math.min(heard.bytes, u.bytes)) } : u;
    case 'failed':
      return { ...u, phase: 'failed', wrong: heard.why };
    case 'answered': {
      const r = heard.report;
      const here = { ...u, sent: u.bytes, id: r.document_id ?? u.id };
      if (r.chunks_created !== undefined) return { ...here, phase: 'done', done: r.chunks_created, total: r.chunks_created };
      // A state that this page does not know is work that goes on.
      const phase = SERVER_PHASES.includes(r.status ?? '') ? (r.status as Phase) : 'reading';
      if (phase === 'failed') return { ...here, phase, wrong: r.detail ?? 'The document could not be read' };
      return { ...here, phase, done: r.chunks_done ?? here.done, total: r.chunks_total || here.total };
    }
  }
}

/** How much of the present phase is done, 0 to 1; null where nobody knows. */
export function share(u: Upload): number | null {
  if (u.phase === 'done') return 1;
  if (u.phase === 'sending') return u.bytes > 0 ? u.sent / u.bytes : null;
  if (u.phase === 'indexing' && u.total) return Math.min(1, u.done / u.total);
  return u.phase === 'waiting' || u.phase === 'failed' ? 0 : null;
}

export function say(u: Upload): string {
  switch (u.phase) {
    case 'waiting':
      return 'waits for the one before it';
    case 'sending':
      return `sending ${Math.round((share(u) ?? 0) * 100)} %`;
    case 'receiving':
      return 'being received';
    case 'reading':
      return 'being read';
    case 'indexing':
      return u.total ? `indexing ${u.done} of ${u.total} passages` : 'indexing';
    case 'done':
      // The very same document again: nothing was to be done, and nothing was counted.
      if (u.done === 0) return 'was here already, searchable';
      return u.done === 1 ? '1 passage, searchable' : `${u.done} passages, searchable`;
    case 'failed':
      return u.wrong ?? 'failed';
  }
}

/** Until the next question about an upload: soon at first, then less often. */
export const pause = (asked: number) => Math.min(4_000, Math.round(400 * 1.4 ** Math.min(asked, 10)));

export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(0)} KB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

/** Fetch cannot say how much of a body has gone; the older way can. */
export function transfer(file: File, type: string, token: string, sent: (bytes: number) => void): Promise<Report> {
  return new Promise((done, lost: (e: HttpError) => void) => {
    const form = new FormData();
    form.append('document_type', type);
    form.append('file', file);
    const xhr = new XMLHttpRequest();
    xhr.open('POST', '/api/v1/documents/upload?wait=false');
    xhr.setRequestHeader('authorization', `Bearer ${token}`);
    xhr.upload.onprogress = (e) => sent(e.lengthComputable && e.total > 0 ? (e.loaded / e.total) * file.size : e.loaded);
    xhr.onload = () => {
      let body: unknown = null;
      try {
        body = JSON.parse(xhr.responseText);
      } catch {
        // A status without JSON is explained by its number.
      }
      if (xhr.status >= 200 && xhr.status < 300) done((body ?? {}) as Report);
      else lost(refusal(xhr.status, body, xhr.getResponseHeader('retry-after')));
    };
    xhr.onerror = () => lost(refusal(0, { detail: 'The connection was lost while sending' }, null));
    xhr.send(form);
  });
}
