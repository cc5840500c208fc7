/** What stands around an answer: what the model thought, whom it cites, who it is and what it used. */
import { safeHref } from './markdown';
import { type Citation, type Usage, usageDetail, usageText } from './usage';

/** Folded, and plain text: what a model thinks is no answer, and its marks are no layout. */
export function Thinking({ text, live = false }: { text: string; live?: boolean }) {
  if (!text) return null;
  return (
    <details class="thinking">
      <summary>{live ? 'Thinking…' : 'Thinking'}</summary>
      <div class="thought" tabIndex={0} role="region" aria-label="What the model thought">
        {text}
      </div>
    </details>
  );
}

function Source({ of }: { of: Citation }) {
  const href = of.url === undefined ? null : safeHref(of.url);
  const name = of.title ?? (href ? new URL(href).host : (of.url ?? 'a document'));
  return (
    <li title={of.quote}>
      {href ? (
        <a href={href} target="_blank" rel="noopener noreferrer nofollow">
          {name}
        </a>
      ) : (
        name
      )}
    </li>
  );
}

export function Citations({ of }: { of: Citation[] }) {
  if (of.length === 0) return null;
  return (
    <ol class="citations" aria-label="Sources of the answer">
      {of.map((c, i) => (
        <Source key={i} of={c} />
      ))}
    </ol>
  );
}

/** Who answered, and what that took. */
export function Spent({ model, usage }: { model: string | null; usage: Usage | null }) {
  const used = usageText(usage);
  if (!model && !used) return null;
  return (
    <span class="spent" title={usageDetail(usage) || undefined}>
      {[model, used].filter(Boolean).join(': ')}
    </span>
  );
}
