import { useMemo } from 'preact/hooks';
import { Again } from '../shared/again';
import { Citations, Spent, Thinking } from '../shared/answer';
import { useFollowEnd } from '../shared/follow-end';
import { shortId } from '../shared/id';
import { Markdown } from '../shared/MarkdownView';
import { describe, type RunEvent } from './events';
import type { FollowState } from './follow';
import type { Playground, Viewer } from './playground';
import { MAX_ROWS } from './view';

const DOT: Record<FollowState, string> = {
  connecting: 'connecting', live: 'connected', dropped: 'disconnected', waiting: 'connecting', ended: 'connected', refused: 'disconnected',
};

function clock(at: RunEvent['at']): string {
  if (at === undefined) return '';
  const d = new Date(at);
  return Number.isNaN(d.getTime()) ? '' : d.toISOString().slice(11, 23);
}

function Row({ e }: { e: RunEvent }) {
  // Events never change: the same element tells Preact to skip the row.
  return useMemo(
    () => (
      <tr class={e.type}>
        <td class="n">{e.seq}</td>
        <td>
          <b>{e.type}</b>
        </td>
        <td class="what">{describe(e)}</td>
        <td class="at">{clock(e.at)}</td>
      </tr>
    ),
    [e],
  );
}

/** The promise of the protocol, checked in front of the reader. */
function Proof({ viewer }: { viewer: Viewer }) {
  const v = viewer.view.value;
  if (v.received === 0) return null;
  const whole = v.missing === 0 && v.repeated === 0;
  return (
    <span class={`tag ${whole ? 'completed' : 'failed'}`}>
      {whole ? `${v.from + 1}–${v.seq}, none missing, none twice` : `${v.missing} missing, ${v.repeated} twice`}
    </span>
  );
}

export function ViewerPanel({ viewer, name, play }: { viewer: Viewer; name: string; play: Playground }) {
  const v = viewer.view.value;
  const state = viewer.state.value;
  const over = state === 'ended' || state === 'refused';
  const end = useFollowEnd<HTMLDivElement>();
  const alone = play.viewers.value.length === 1;
  return (
    <section class="card viewer" aria-label={`Viewer ${name}`}>
      <header>
        <h3>Viewer {name}</h3>
        <span class="status">
          <span class={`dot ${DOT[state]}`} aria-hidden="true" />
          <span role="status">{state}</span>
        </span>
        {v.outcome && <span class={`tag ${v.outcome}`}>{v.outcome}</span>}
        {viewer.resumes.value > 0 && <span class="tag resumed">resumed{viewer.resumes.value > 1 ? ` ×${viewer.resumes.value}` : ''}</span>}
        <button type="button" class="plain push" aria-label={`Close viewer ${name}`} onClick={() => play.close(viewer)}>
          Close
        </button>
      </header>
      <p class="meta">
        <code title={viewer.run_id}>{shortId(viewer.run_id)}</code>
        {viewer.after > 0 && <span>from after {viewer.after}</span>}
        {v.stage && !v.outcome && <span>stage {v.stage}</span>}
        {v.model && !v.outcome && <span>{v.model}</span>}
        {v.outcome && <Spent model={v.model} usage={v.usage} />}
        <Proof viewer={viewer} />
      </p>
      <div class="row">
        <button type="button" class="stop" aria-disabled={over} onClick={() => over || void play.stop(viewer.run_id)}>
          Stop the run
        </button>
        <button type="button" aria-disabled={state !== 'live'} onClick={() => state === 'live' && viewer.drop()}>
          Drop and resume
        </button>
        {alone && (
          <button type="button" onClick={() => play.open(viewer.run_id, 0)}>
            Second viewer
          </button>
        )}
      </div>
      {viewer.why.value && <p class={state === 'refused' ? 'wrong' : 'hint'}>{viewer.why.value}</p>}
      {v.error && (
        <p class="wrong">
          {v.error} {v.again && play.knows(viewer.run_id) && <Again name="Try again" until={v.again.until} onPress={() => void play.again(viewer.run_id)} />}
        </p>
      )}
      <Thinking text={v.thought} live={!over && !v.text} />
      <div class="out" {...end} tabIndex={0} role="region" aria-label={`Text, viewer ${name}`} aria-busy={!over}>
        {v.text ? (
          <div class="md">
            <Markdown text={v.text} />
          </div>
        ) : (
          <p class="hint">{over ? 'No text from this position on.' : 'No text yet.'}</p>
        )}
      </div>
      <Citations of={v.citations} />
      <div class="events" tabIndex={0} role="region" aria-label={`Events, viewer ${name}`}>
        <table>
          <thead>
            <tr>
              <th scope="col">seq</th>
              <th scope="col">type</th>
              <th scope="col">what</th>
              <th scope="col">at (UTC)</th>
            </tr>
          </thead>
          {/* Newest first: the tail is in sight without scrolling. */}
          <tbody>
            {v.rows.toReversed().map((e) => (
              <Row key={e.seq} e={e} />
            ))}
          </tbody>
        </table>
      </div>
      {v.seq - v.from > MAX_ROWS && <p class="hint">The table keeps the newest {MAX_ROWS} events; the text is whole.</p>}
    </section>
  );
}
