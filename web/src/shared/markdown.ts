/**
 * The Markdown that models write, as data. No HTML passes through: the renderer makes elements from this tree only,
 * so a model (or whoever wrote into its context) cannot put markup into the page.
 *
 * A growing answer is cut into blocks first; finished blocks keep their source string and are not parsed again.
 */
export type Inline =
  | { t: 'text' | 'code'; text: string }
  | { t: 'strong' | 'em'; of: Inline[] }
  | { t: 'link'; href: string; of: Inline[] }
  | { t: 'br' };

export interface Item {
  of: Inline[];
  sub: Block[];
}

export type Block =
  | { t: 'p'; of: Inline[] }
  | { t: 'heading'; level: number; of: Inline[] }
  | { t: 'list'; ordered: boolean; start: number; items: Item[] }
  | { t: 'code'; lang: string; text: string }
  | { t: 'quote'; of: Block[] }
  | { t: 'table'; head: Inline[][]; rows: Inline[][][] }
  | { t: 'rule' };

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)/;
const BULLET = /^(\s*)(?:([-*+])|(\d{1,9})[.)])\s+(.*)$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const RULE = /^ {0,3}(?:-\s*){3,}$|^ {0,3}(?:\*\s*){3,}$|^ {0,3}(?:_\s*){3,}$/;
const DIVIDER = /^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)+\|?\s*$/;
/** Deeper nesting than this is an attack or an accident; the rest is shown as plain text. */
const MAX_DEPTH = 8;

const closes = (line: string, fence: string) => line.trimStart().startsWith(fence) && line.trim().replaceAll(fence[0]!, '') === '';

/** Cuts at blank lines outside code fences. Joining the pieces with blank lines gives the same document. */
export function splitBlocks(source: string): string[] {
  const blocks: string[] = [];
  let lines: string[] = [];
  let fence: string | null = null;
  const flush = () => {
    if (lines.length) blocks.push(lines.join('\n'));
    lines = [];
  };
  for (const line of source.replaceAll('\r\n', '\n').split('\n')) {
    if (fence) {
      lines.push(line);
      if (closes(line, fence)) {
        fence = null;
        flush();
      }
    } else if (line.trim() === '') {
      flush();
    } else {
      fence = FENCE.exec(line)?.[1] ?? null;
      if (fence) flush();
      lines.push(line);
    }
  }
  flush();
  return blocks;
}

export function parse(source: string, depth = 0): Block[] {
  const lines = source.split('\n');
  const out: Block[] = [];
  let prose: string[] = [];
  const flush = () => {
    if (prose.length) out.push({ t: 'p', of: inline(prose.join('\n')) });
    prose = [];
  };
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    const fence = FENCE.exec(line);
    if (fence) {
      flush();
      const body: string[] = [];
      while (++i < lines.length && !closes(lines[i]!, fence[1]!)) body.push(lines[i]!);
      out.push({ t: 'code', lang: fence[2]!, text: body.join('\n') });
      continue;
    }
    const heading = HEADING.exec(line);
    if (heading) {
      flush();
      out.push({ t: 'heading', level: heading[1]!.length, of: inline(heading[2]!) });
    } else if (RULE.test(line)) {
      flush();
      out.push({ t: 'rule' });
    } else if (depth < MAX_DEPTH && /^ {0,3}>/.test(line)) {
      flush();
      const body: string[] = [];
      while (i < lines.length && /^ {0,3}>/.test(lines[i]!)) body.push(lines[i++]!.replace(/^ {0,3}> ?/, ''));
      i--;
      out.push({ t: 'quote', of: splitBlocks(body.join('\n')).flatMap((b) => parse(b, depth + 1)) });
    } else if (depth < MAX_DEPTH && BULLET.test(line)) {
      flush();
      const from = i;
      while (i + 1 < lines.length && (BULLET.test(lines[i + 1]!) || /^\s/.test(lines[i + 1]!))) i++;
      out.push(...lists(lines.slice(from, i + 1), depth));
    } else if (line.includes('|') && DIVIDER.test(lines[i + 1] ?? '')) {
      flush();
      const head = cells(line);
      const rows: Inline[][][] = [];
      for (i += 2; i < lines.length && lines[i]!.includes('|'); i++) rows.push(cells(lines[i]!));
      i--;
      out.push({ t: 'table', head, rows });
    } else {
      prose.push(line.trim());
    }
  }
  flush();
  return out;
}

/** Deeper lines belong to the item above them; a change between bullets and numbers starts another list. */
function lists(lines: string[], depth: number): Block[] {
  const out: Block[] = [];
  const indent = BULLET.exec(lines[0]!)![1]!.length;
  for (let i = 0; i < lines.length; i++) {
    const m = BULLET.exec(lines[i]!)!;
    const below: string[] = [];
    for (; i + 1 < lines.length; i++) {
      const next = BULLET.exec(lines[i + 1]!);
      if (next && next[1]!.length <= indent + 1) break;
      below.push(lines[i + 1]!);
    }
    const ordered = m[3] !== undefined;
    let list = out.at(-1);
    if (list?.t !== 'list' || list.ordered !== ordered) {
      list = { t: 'list', ordered, start: Number(m[3] ?? 1), items: [] };
      out.push(list);
    }
    list.items.push({ of: inline(m[4]!), sub: below.length ? parse(dedent(below), depth + 1) : [] });
  }
  return out;
}

function dedent(lines: string[]): string {
  const by = Math.min(...lines.map((l) => l.length - l.trimStart().length));
  return lines.map((l) => l.slice(by)).join('\n');
}

const cells = (line: string) =>
  line.trim().replace(/^\|/, '').replace(/\|$/, '').split('|').map((c) => inline(c.trim()));

const LINK = /\[([^[\]\n]{1,500})\]\(\s*([^()\s]{1,2000}(?:\([^()\s]{0,500}\)[^()\s]{0,500})?)\s*\)/y;
const URL_IN_TEXT = /https?:\/\/[^\s<>"'`)\]}]{1,2000}[^\s<>"'`)\]}.,;:!?*_]/y;

/** Only http and https may be followed. Anything else (`javascript:`, `data:`, relative) stays text. */
export function safeHref(href: string): string | null {
  if (!/^https?:\/\//i.test(href)) return null;
  try {
    return new URL(href).href;
  } catch {
    return null;
  }
}

export function inline(source: string, depth = 0): Inline[] {
  const out: Inline[] = [];
  let text = '';
  const push = (node: Inline) => {
    if (text) out.push({ t: 'text', text });
    text = '';
    out.push(node);
  };
  for (let i = 0; i < source.length; ) {
    const c = source[i]!;
    if (c === '\\' && /[\\`*_[\]#|~>-]/.test(source[i + 1] ?? '')) {
      text += source[i + 1]!;
      i += 2;
    } else if (c === '\n') {
      push({ t: 'br' });
      i++;
    } else if (c === '`') {
      const ticks = /`+/y;
      ticks.lastIndex = i;
      const mark = ticks.exec(source)![0];
      const end = source.indexOf(mark, i + mark.length);
      if (end > 0) push({ t: 'code', text: source.slice(i + mark.length, end) });
      else text += mark;
      i = end > 0 ? end + mark.length : i + mark.length;
    } else if ((c === '*' || c === '_') && depth < MAX_DEPTH) {
      const found = emphasis(source, i, c);
      if (found) {
        push({ t: found.strong ? 'strong' : 'em', of: inline(source.slice(found.from, found.to), depth + 1) });
        i = found.next;
      } else {
        text += c;
        i++;
      }
    } else if (c === '[' && depth < MAX_DEPTH) {
      LINK.lastIndex = i;
      const m = LINK.exec(source);
      const href = m && safeHref(m[2]!);
      if (m && href) push({ t: 'link', href, of: inline(m[1]!, MAX_DEPTH) });
      else text += m ? m[0] : c;
      i += m ? m[0].length : 1;
    } else if (c === 'h' && depth < MAX_DEPTH) {
      URL_IN_TEXT.lastIndex = i;
      const m = URL_IN_TEXT.exec(source)?.[0];
      const href = m && safeHref(m);
      if (m && href) push({ t: 'link', href, of: [{ t: 'text', text: m }] });
      else text += c;
      i += m && href ? m.length : 1;
    } else {
      text += c;
      i++;
    }
  }
  if (text) out.push({ t: 'text', text });
  return out;
}

/** `**bold**`, `*it*`, `__bold__`, `_it_`; underscores inside words (`run_id`) are left alone. */
function emphasis(source: string, at: number, mark: string): { strong: boolean; from: number; to: number; next: number } | null {
  const word = (c: string | undefined) => c !== undefined && /[\p{L}\p{N}]/u.test(c);
  if (mark === '_' && word(source[at - 1])) return null;
  const strong = source[at + 1] === mark;
  const width = strong ? 2 : 1;
  const from = at + width;
  if (from >= source.length || /\s/.test(source[from]!)) return null;
  for (let to = source.indexOf(mark.repeat(width), from + 1); to > 0; to = source.indexOf(mark.repeat(width), to + 1)) {
    const next = to + width;
    const single = !strong && (source[next] === mark || source[to - 1] === mark);
    if (/\s/.test(source[to - 1]!) || single || (mark === '_' && word(source[next]))) continue;
    return { strong, from, to, next };
  }
  return null;
}
