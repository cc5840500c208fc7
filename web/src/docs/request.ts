/** From a filled form to a request, and from a request to the line that does the same in a terminal. Pure. */
import type { Operation } from './openapi';

export interface Filled {
  /** By `in:name`, for example `path:run_id`. */
  parameters: Record<string, string>;
  body: string;
  /** Fields of a form; a file is its name here. */
  form: Record<string, string>;
  /** The first media type of the answer that is wanted, where there are several. */
  accept: string | null;
}

export interface Ask {
  method: string;
  /** With its query, without the origin. */
  url: string;
  headers: Record<string, string>;
  body: string | null;
}

/** Required parts that are still empty: a path with a hole in it is another path. */
export function holes(op: Operation, filled: Filled): string[] {
  return op.parameters.filter((p) => p.required && !filled.parameters[`${p.in}:${p.name}`]?.trim()).map((p) => p.name);
}

export function ask(op: Operation, filled: Filled, token: string | null): Ask {
  const given = op.parameters
    .map((p) => ({ ...p, value: filled.parameters[`${p.in}:${p.name}`]?.trim() ?? '' }))
    .filter((p) => p.value !== '');
  let url = op.path;
  for (const p of given) if (p.in === 'path') url = url.replace(`{${p.name}}`, encodeURIComponent(p.value));
  const query = given.filter((p) => p.in === 'query').map((p) => `${encodeURIComponent(p.name)}=${encodeURIComponent(p.value)}`);
  if (query.length) url += `?${query.join('&')}`;
  const headers: Record<string, string> = {};
  if (filled.accept) headers.Accept = filled.accept;
  // An open route takes a token as well, but needs none: what it does without one is what is shown.
  if (token && !op.open) headers.Authorization = `Bearer ${token}`;
  for (const p of given) if (p.in === 'header') headers[p.name] = p.value;
  // A body that was emptied is none: some may be left out.
  const json = op.body?.media === 'application/json' && filled.body.trim() !== '';
  if (json) headers['Content-Type'] = 'application/json';
  return { method: op.method.toUpperCase(), url, headers, body: json ? filled.body : null };
}

const quoted = (s: string) => `'${s.replaceAll("'", `'\\''`)}'`;

/** One line for a POSIX shell. The token is a variable in it: lines like this are pasted into chats. */
export function curl(op: Operation, filled: Filled, origin: string): string {
  const { method, url, headers, body } = ask(op, filled, 'TOKEN');
  const words = ['curl'];
  const stream = filled.accept === 'text/event-stream';
  if (stream) words.push('-N');
  // With something to send curl takes POST by itself.
  const sends = body !== null || Object.values(filled.form).some((value) => value !== '');
  if (method !== (sends ? 'POST' : 'GET')) words.push('-X', method);
  words.push(/[^\w:/.{}-]/.test(url) ? quoted(origin + url) : origin + url);
  for (const [name, value] of Object.entries(headers)) {
    words.push('-H', name === 'Authorization' ? '"Authorization: Bearer $TOKEN"' : quoted(`${name}: ${value}`));
  }
  if (body !== null) words.push('-d', quoted(squeezed(body)));
  for (const [name, value] of Object.entries(filled.form)) {
    if (value !== '') words.push('-F', quoted(op.body?.media === 'multipart/form-data' && name === 'file' ? `file=@${value}` : `${name}=${value}`));
  }
  return words.join(' ');
}

/** JSON without the spaces that were put in for people; anything else as it is. */
function squeezed(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body));
  } catch {
    return body;
  }
}
