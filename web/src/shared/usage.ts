/** What an answer used and what it cost, in words; and whom it cites. */

export interface Usage {
  input_tokens?: number;
  output_tokens?: number;
  cached_tokens?: number;
  reasoning_tokens?: number;
  cost_usd?: number;
  /** The numbers are the server's own estimate. */
  estimated?: boolean;
}

export interface Citation {
  url?: string;
  title?: string;
  quote?: string;
}

/** The page shows so many sources of one answer. */
export const MAX_CITATIONS = 50;

const number = (v: unknown): v is number => typeof v === 'number' && Number.isFinite(v) && v >= 0;

/** Four figures where it is small: a short answer costs thousandths of a cent. */
function dollars(cost: number): string {
  if (cost === 0) return '$0';
  if (cost >= 1) return `$${cost.toFixed(2)}`;
  // Leading zeros, then two figures.
  const digits = Math.min(9, Math.max(4, 1 - Math.floor(Math.log10(cost))));
  return `$${cost.toFixed(digits)}`;
}

/** `412 in, 96 out, $0.0021`; "about" where it is an estimate. Empty where nothing is known. */
export function usageText(usage: Usage | null | undefined): string {
  if (!usage) return '';
  const parts = [
    number(usage.input_tokens) && `${usage.input_tokens.toLocaleString('en')} in`,
    number(usage.output_tokens) && `${usage.output_tokens.toLocaleString('en')} out`,
    number(usage.cost_usd) && dollars(usage.cost_usd),
  ].filter(Boolean);
  return parts.length ? `${usage.estimated ? 'about ' : ''}${parts.join(', ')}` : '';
}

/** What part of it was thought, or was in a cache: for a title. */
export function usageDetail(usage: Usage | null | undefined): string {
  const parts = [
    number(usage?.cached_tokens) && `${usage.cached_tokens} of the prompt from a cache`,
    number(usage?.reasoning_tokens) && `${usage.reasoning_tokens} of the answer thought`,
    usage?.estimated && 'estimated: the provider did not say',
  ];
  return parts.filter(Boolean).join('; ');
}

/** A citation as it came over the wire; `null` for what is none. */
export function readCitation(v: unknown): Citation | null {
  if (typeof v !== 'object' || v === null) return null;
  const { url, title, quote } = v as Record<string, unknown>;
  const text = (t: unknown) => (typeof t === 'string' && t.trim() ? t : undefined);
  const c: Citation = {};
  for (const [key, value] of [['url', text(url)], ['title', text(title)], ['quote', text(quote)]] as const) {
    if (value !== undefined) c[key] = value;
  }
  return c.url || c.title || c.quote ? c : null;
}

/** Once each, and so many at most. */
export function withCitation(list: Citation[], c: Citation | null): Citation[] {
  if (!c || list.length >= MAX_CITATIONS) return list;
  const same = (o: Citation) => o.url === c.url && o.title === c.title && o.quote === c.quote;
  return list.some(same) ? list : [...list, c];
}
