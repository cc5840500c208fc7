/** A random id. `crypto.randomUUID` exists only on https and localhost; a page opened by LAN address needs this too. */
export function newId(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

/** The first characters of an id: enough to tell two apart on a screen. */
export const shortId = (id: string) => (id.length > 13 ? `${id.slice(0, 12)}…` : id);
