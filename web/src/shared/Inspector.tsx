import { type ReadonlySignal, useSignal } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import { MAX_ENTRIES, type Entry } from './framelog';

const ARROW = { in: '↓', out: '↑', note: '·' } as const;
const SPOKEN = { in: 'received', out: 'sent', note: 'note' } as const;
/** The frames of which an answer is made: many, and each of little interest. */
const PIECES = new Set(['token', 'chunk', 'content_chunk', 'code_delta']);

/** Whose frames are shown. */
export interface Recorded {
  readonly log: ReadonlySignal<{ entries: Entry[]; total: number; paused: boolean }>;
  pauseLog(paused: boolean): void;
  clearLog(): void;
}

function Row({ e }: { e: Entry }) {
  // An entry never changes: the same element tells Preact to skip it.
  return useMemo(() => {
    if (e.direction === 'note') return <li class="note">{e.text}</li>;
    return (
      <li class={e.direction}>
        <details>
          <summary>
            <span class="arrow" aria-hidden="true">
              {ARROW[e.direction]}
            </span>
            <span class="sr">{SPOKEN[e.direction]}</span>
            <b>{e.type}</b>
            {e.seq !== null && <span class="seq">{e.seq}</span>}
            <span class="peek">{e.text}</span>
          </summary>
          <pre tabIndex={0}>{e.text}</pre>
        </details>
      </li>
    );
  }, [e]);
}

export function Inspector({ client }: { client: Recorded }) {
  const { entries, total, paused } = client.log.value;
  const tokens = useSignal(true);
  const shown = tokens.value ? entries : entries.filter((e) => !PIECES.has(e.type));
  return (
    <section class="card frames" aria-labelledby="frames-title">
      <header>
        <h2 id="frames-title">Frames</h2>
        <span class="quiet">
          {total} {total > MAX_ENTRIES ? `(last ${MAX_ENTRIES} kept)` : ''}
        </span>
        <label class="check push">
          <input type="checkbox" checked={tokens.value} onChange={(e) => (tokens.value = e.currentTarget.checked)} /> tokens
        </label>
        <button type="button" class="plain" aria-pressed={paused} onClick={() => client.pauseLog(!paused)}>
          {paused ? 'Record' : 'Pause'}
        </button>
        <button type="button" class="plain" onClick={() => client.clearLog()}>
          Clear
        </button>
      </header>
      {/* Newest first: the last frame is in sight without scrolling. */}
      <ol id="inspector" tabIndex={0} role="list" aria-label="Frames, newest first">
        {shown.length === 0 && <li class="note">{entries.length === 0 ? 'Nothing was sent or received yet.' : 'Nothing but tokens.'}</li>}
        {shown.toReversed().map((e) => (
          <Row key={e.n} e={e} />
        ))}
      </ol>
    </section>
  );
}
