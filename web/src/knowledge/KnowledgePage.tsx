import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Account } from '../shared/account';
import { Markdown } from '../shared/MarkdownView';
import { ProblemCard, SignIn } from '../shared/parts';
import type { Doc, Hit, Knowledge } from './knowledge';
import { isOver, KINDS, say, share, size, type Upload } from './upload';

const TYPES = ['manual', 'faq', 'spec', 'guide', 'troubleshoot'];

function day(at: string | undefined): string {
  if (!at) return '–';
  // The original's times have no zone; they are UTC.
  const d = new Date(/(Z|[+-]\d\d:?\d\d)$/.test(at) ? at : `${at}Z`);
  return Number.isNaN(d.getTime()) ? at : d.toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });
}

function UploadRow({ u }: { u: Upload }) {
  const part = share(u);
  return (
    <li class={u.phase}>
      <div class="row">
        <b>{u.name}</b>
        <span class="quiet">
          {size(u.bytes)} · {u.type}
        </span>
        <span class={`push ${u.phase === 'failed' ? 'wrong' : 'quiet'}`}>{say(u)}</span>
      </div>
      {!isOver(u) && (part === null ? <progress aria-label={`${u.name}: ${say(u)}`} /> : <progress max={1} value={part} aria-label={`${u.name}: ${say(u)}`} />)}
    </li>
  );
}

function UploadCard({ know }: { know: Knowledge }) {
  const type = useSignal('manual');
  const over = useSignal(false);
  const picker = useRef<HTMLInputElement>(null);
  const uploads = know.uploads.value;
  const ended = uploads.filter(isOver);
  const last = ended[0];
  return (
    <section class="card stack" aria-labelledby="upload-title">
      <h2 id="upload-title">Upload</h2>
      <label>
        Type
        <input id="type" list="types" value={type.value} onInput={(e) => (type.value = e.currentTarget.value)} />
        <datalist id="types">
          {TYPES.map((t) => (
            <option key={t} value={t} />
          ))}
        </datalist>
      </label>
      <div
        class={over.value ? 'drop over' : 'drop'}
        onDragOver={(e) => {
          e.preventDefault();
          over.value = true;
        }}
        onDragLeave={() => (over.value = false)}
        onDrop={(e) => {
          e.preventDefault();
          over.value = false;
          know.add(e.dataTransfer?.files ?? [], type.value.trim() || 'manual');
        }}
      >
        <label class="button" for="files">
          Choose files
        </label>
        <input
          id="files"
          ref={picker}
          class="sr"
          type="file"
          multiple
          accept={KINDS.join(',')}
          onChange={(e) => {
            know.add(e.currentTarget.files ?? [], type.value.trim() || 'manual');
            // The same file again is a choice, too.
            e.currentTarget.value = '';
          }}
        />
        <p class="hint">or drop them here: PDF, DOCX, TXT, MD, at most 50 MB each</p>
      </div>
      <p class="sr" role="status">
        {last ? `${last.name}: ${say(last)}` : ''}
      </p>
      {uploads.length > 0 && (
        <>
          <ul id="uploads" aria-label="Uploads">
            {uploads.map((u) => (
              <UploadRow key={u.n} u={u} />
            ))}
          </ul>
          {ended.length > 0 && (
            <div class="row">
              <button type="button" class="plain" onClick={() => know.forgetEnded()}>
                Clear the ended ones
              </button>
            </div>
          )}
        </>
      )}
    </section>
  );
}

function Row({ d, know }: { d: Doc; know: Knowledge }) {
  const asking = useSignal(false);
  const sure = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (asking.value) sure.current?.focus();
  }, [asking.value]);
  return (
    <tr>
      <th scope="row">{d.source}</th>
      <td>{d.document_type ? <span class="tag">{d.document_type}</span> : '–'}</td>
      <td class="n">{d.chunk_count ?? '–'}</td>
      <td class="wide">{day(d.last_indexed)}</td>
      <td>
        {asking.value ? (
          <>
            <button ref={sure} type="button" class="stop small" aria-label={`Really delete ${d.source}`} onClick={() => void know.remove(d.source).then(() => (asking.value = false))}>
              Really delete
            </button>
            <button type="button" class="plain" aria-label={`Keep ${d.source}`} onClick={() => (asking.value = false)}>
              Keep
            </button>
          </>
        ) : (
          <button type="button" class="plain" aria-label={`Delete ${d.source}`} onClick={() => (asking.value = true)}>
            Delete
          </button>
        )}
      </td>
    </tr>
  );
}

function Documents({ know }: { know: Knowledge }) {
  const docs = know.documents.value;
  const stats = know.stats.value;
  return (
    <section class="card stack documents" aria-labelledby="docs-title">
      <header>
        <h2 id="docs-title">Documents</h2>
        {stats && (
          <span class="quiet" id="stats">
            {stats.total_sources ?? 0} documents · {stats.total_chunks ?? 0} passages · {stats.total_document_types ?? 0} types
          </span>
        )}
        <button type="button" class="plain push" onClick={() => void know.refresh()} disabled={!know.confirmed.value}>
          Refresh
        </button>
      </header>
      {docs === null ? (
        <p class="hint">Sign in to see the documents.</p>
      ) : docs.length === 0 ? (
        <p class="hint">None yet: upload one.</p>
      ) : (
        <div class="list" tabIndex={0} role="region" aria-label="List of documents">
          <table id="documents">
            <thead>
              <tr>
                <th scope="col">document</th>
                <th scope="col">type</th>
                <th scope="col" class="n">
                  passages
                </th>
                <th scope="col" class="wide">
                  indexed
                </th>
                <th scope="col">
                  <span class="sr">delete</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {/* A shared document and one of yours may have one name. */}
              {docs.map((d) => (
                <Row key={`${d.source} ${d.first_indexed}`} d={d} know={know} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

/** Where in the document it stands, as far as the server says it. */
function place(hit: Hit): string {
  const m = hit.metadata ?? {};
  const heading = typeof m.heading === 'string' ? m.heading : '';
  const at = typeof m.chunk_index === 'number' ? `passage ${m.chunk_index + 1}` : '';
  return [heading, at].filter(Boolean).join(' · ');
}

function HitView({ hit }: { hit: Hit }) {
  return (
    <li>
      <div class="row">
        <meter min={0} max={1} value={hit.score} aria-label="Score" />
        <b class="n">{hit.score.toFixed(2)}</b>
        <span>{hit.source}</span>
        <span class="quiet">{place(hit)}</span>
      </div>
      <div class="md">
        <Markdown text={hit.content} />
      </div>
    </li>
  );
}

function Search({ know }: { know: Knowledge }) {
  const query = useSignal('What is the engine power?');
  const top = useSignal('5');
  const least = useSignal('0.3');
  const type = useSignal('');
  const hits = know.hits.value;
  const types = [...new Set((know.documents.value ?? []).map((d) => d.document_type).filter(Boolean))].sort() as string[];
  return (
    <section class="card stack" aria-labelledby="search-title">
      <h2 id="search-title">Search</h2>
      <form
        class="stack"
        onSubmit={(e) => {
          e.preventDefault();
          if (!know.searching.value) void know.search(query.value, Number(top.value) || 5, Number(least.value) || 0, type.value);
        }}
      >
        <div class="row ask">
          <label class="grow">
            <span class="sr">Query</span>
            <input id="query" type="search" value={query.value} onInput={(e) => (query.value = e.currentTarget.value)} />
          </label>
          <button id="search" type="submit" class="primary" disabled={!know.confirmed.value}>
            Search
          </button>
        </div>
        <div class="row narrow">
          <label>
            At most
            <input id="top" type="number" min="1" max="20" value={top.value} onInput={(e) => (top.value = e.currentTarget.value)} />
          </label>
          <label>
            Least score
            <input id="least" type="number" min="0" max="1" step="0.05" value={least.value} onInput={(e) => (least.value = e.currentTarget.value)} />
          </label>
          <label>
            Of type
            <select id="of-type" value={type.value} onChange={(e) => (type.value = e.currentTarget.value)}>
              <option value="">any</option>
              {types.map((t) => (
                <option key={t} value={t}>
                  {t}
                </option>
              ))}
            </select>
          </label>
        </div>
      </form>
      <p class="hint" role="status">
        {know.searching.value
          ? 'Searching…'
          : hits && (hits.found.length === 0 ? `Nothing is good enough for “${hits.query}”: try a lower least score.` : `${hits.found.length} for “${hits.query}”, best first`)}
      </p>
      {hits && hits.found.length > 0 && (
        <ol id="hits">
          {hits.found.map((h, i) => (
            <HitView key={i} hit={h} />
          ))}
        </ol>
      )}
    </section>
  );
}

export function KnowledgePage({ know, account }: { know: Knowledge; account: Account }) {
  useEffect(() => void know.begin(), []);
  return (
    <>
      <ProblemCard problem={know.problem} />
      <div class="shelf">
        <div class="left">
          <SignIn
            account={account}
            confirmed={know.confirmed.value}
            folded={know.confirmed.value}
            state={account.token.value ? 'checking the token…' : 'not signed in'}
            onToken={(token) => {
              know.problem.value = null;
              if (token) void know.begin();
              else know.signedOut();
            }}
            onProblem={know.fail}
          />
          {know.confirmed.value && <UploadCard know={know} />}
        </div>
        <div class="right">
          <Search know={know} />
          <Documents know={know} />
        </div>
      </div>
    </>
  );
}
