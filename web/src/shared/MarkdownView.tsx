import type { ComponentChildren, VNode } from 'preact';
import { useMemo } from 'preact/hooks';
import { parse, splitBlocks, type Block, type Inline } from './markdown';

/** Elements are made one by one from the tree: there is no innerHTML anywhere in these pages. */
function inlines(of: Inline[]): ComponentChildren {
  return of.map((n) => {
    switch (n.t) {
      case 'text':
        return n.text;
      case 'code':
        return <code>{n.text}</code>;
      case 'strong':
        return <strong>{inlines(n.of)}</strong>;
      case 'em':
        return <em>{inlines(n.of)}</em>;
      case 'link':
        return (
          <a href={n.href} target="_blank" rel="noopener noreferrer nofollow">
            {inlines(n.of)}
          </a>
        );
      case 'br':
        return <br />;
    }
  });
}

function block(b: Block): VNode {
  switch (b.t) {
    case 'p':
      return <p>{inlines(b.of)}</p>;
    case 'heading':
      // An answer's headings must not join the page's outline: they are set as strong paragraphs.
      return <p class={`md-h md-h${Math.min(b.level, 3)}`}>{inlines(b.of)}</p>;
    case 'list': {
      const items = b.items.map((item) => (
        <li>
          {inlines(item.of)}
          {item.sub.map(block)}
        </li>
      ));
      return b.ordered ? <ol start={b.start}>{items}</ol> : <ul>{items}</ul>;
    }
    case 'code':
      return (
        <pre tabIndex={0} aria-label={b.lang ? `Code, ${b.lang}` : 'Code'}>
          <code>{b.text}</code>
        </pre>
      );
    case 'quote':
      return <blockquote>{b.of.map(block)}</blockquote>;
    case 'rule':
      return <hr />;
    case 'table':
      return (
        <div class="md-table" tabIndex={0} role="group" aria-label="Table">
          <table>
            <thead>
              <tr>{b.head.map((c) => <th scope="col">{inlines(c)}</th>)}</tr>
            </thead>
            <tbody>
              {b.rows.map((r) => (
                <tr>{r.map((c) => <td>{inlines(c)}</td>)}</tr>
              ))}
            </tbody>
          </table>
        </div>
      );
  }
}

/** Returning the same element for the same source makes Preact skip the whole block. */
function Piece({ source }: { source: string }) {
  return useMemo(() => <>{parse(source).map(block)}</>, [source]);
}

export function Markdown({ text }: { text: string }) {
  return (
    <>
      {splitBlocks(text).map((source, i) => (
        <Piece key={i} source={source} />
      ))}
    </>
  );
}
