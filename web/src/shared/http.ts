/** What went wrong with an HTTP call, in words that can be shown. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code: string = `HTTP ${status}`,
    /** Seconds after which the server wants to be asked again, where it said so. */
    readonly after: number | null = null,
  ) {
    super(message);
  }
}

interface Problem {
  detail?: unknown;
  error?: unknown;
  message?: unknown;
}

/** Three shapes are in use: `{detail:"…"}`, a validation list `{detail:[{loc,msg}]}`, and `{error:{code,message}}`. */
export function explain(status: number, body: unknown): HttpError {
  const { detail, error, message } = (typeof body === 'object' && body !== null ? body : {}) as Problem;
  if (typeof detail === 'string') return new HttpError(status, detail);
  if (Array.isArray(detail)) {
    const lines = detail.map((d: { loc?: unknown[]; msg?: string }) => `${d.loc?.at(-1) ?? 'input'}: ${d.msg ?? 'not valid'}`);
    return new HttpError(status, lines.join('; '));
  }
  if (typeof error === 'object' && error !== null) {
    const e = error as { code?: string; message?: string };
    return new HttpError(status, e.message ?? 'The request failed', e.code);
  }
  if (typeof error === 'string') return new HttpError(status, error);
  if (typeof message === 'string') return new HttpError(status, message);
  return new HttpError(status, `The server answered ${status}`);
}

/** What `Retry-After` says is part of what went wrong: "too much" without "when" helps nobody. */
export function refusal(status: number, body: unknown, retryAfter: string | null): HttpError {
  const e = explain(status, body);
  const after = status === 429 && /^\d+$/.test(retryAfter ?? '') ? Number(retryAfter) : null;
  return after === null ? e : new HttpError(e.status, withWait(e.message, after), e.code, after);
}

/** A sentence and when to try again; most of the server's sentences say it already. */
export const withWait = (sentence: string, seconds: number): string =>
  /\bagain in \d+ s\b/.test(sentence) ? sentence : `${sentence} (again in ${Math.ceil(seconds)} s)`;

export interface Call {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  token?: string | undefined;
  body?: unknown;
  /** `Idempotency-Key`: sent twice it is done once. */
  once?: string | undefined;
}

export async function call<T>(path: string, { method = 'GET', token, body, once }: Call = {}): Promise<T> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (token) headers.authorization = `Bearer ${token}`;
  if (once) headers['idempotency-key'] = once;
  if (body !== undefined) headers['content-type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(path, { method, headers, body: body === undefined ? null : JSON.stringify(body) });
  } catch {
    throw new HttpError(0, 'The server cannot be reached: see whether it runs, then try again', 'OFFLINE');
  }
  const json: unknown = await response.json().catch(() => null);
  if (!response.ok) throw refusal(response.status, json, response.headers.get('retry-after'));
  return json as T;
}
