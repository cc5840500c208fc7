import { describe, expect, it } from 'vitest';
import { inline, parse, safeHref, splitBlocks } from './markdown';

const text = (t: string) => ({ t: 'text', text: t });

describe('blocks', () => {
  it('are cut at blank lines, never inside a fence', () => {
    expect(splitBlocks('a\nb\n\n\nc')).toEqual(['a\nb', 'c']);
    expect(splitBlocks('x\n```js\na\n\nb\n```\nafter')).toEqual(['x', '```js\na\n\nb\n```', 'after']);
    expect(splitBlocks('```\nopen\n\nstill')).toEqual(['```\nopen\n\nstill']);
    expect(splitBlocks('')).toEqual([]);
  });

  it('finished ones do not change while the text grows', () => {
    const whole = '# T\n\nPara **b**\n\n- a\n- b\n\n```\ncode\n\nmore\n```\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\nend';
    let before: string[] = [];
    for (let i = 1; i <= whole.length; i++) {
      const now = splitBlocks(whole.slice(0, i));
      expect(now.slice(0, before.length - 1)).toEqual(before.slice(0, -1));
      before = now;
    }
  });

  it('of every kind', () => {
    expect(parse('## Engine ##')).toEqual([{ t: 'heading', level: 2, of: [text('Engine')] }]);
    expect(parse('one\ntwo')).toEqual([{ t: 'p', of: [text('one'), { t: 'br' }, text('two')] }]);
    expect(parse('---')).toEqual([{ t: 'rule' }]);
    expect(parse('```rust\nfn main() {}\n```')).toEqual([{ t: 'code', lang: 'rust', text: 'fn main() {}' }]);
    expect(parse('```\nnot closed **yet**')).toEqual([{ t: 'code', lang: '', text: 'not closed **yet**' }]);
    expect(parse('> said')).toEqual([{ t: 'quote', of: [{ t: 'p', of: [text('said')] }] }]);
    expect(parse('| a | b |\n|---|:-:|\n| 1 | 2 |')).toEqual([
      { t: 'table', head: [[text('a')], [text('b')]], rows: [[[text('1')], [text('2')]]] },
    ]);
  });

  it('lists nest, keep their numbers, and follow a paragraph without a blank line', () => {
    const [p, list] = parse('Steps:\n3. a\n   - deep\n4. b');
    expect(p).toMatchObject({ t: 'p' });
    expect(list).toMatchObject({ t: 'list', ordered: true, start: 3, items: [{ of: [text('a')], sub: [{ t: 'list', ordered: false }] }, { of: [text('b')], sub: [] }] });
  });
});

describe('inline', () => {
  it('marks', () => {
    expect(inline('a **b** *c* `d*e*`')).toEqual([
      text('a '), { t: 'strong', of: [text('b')] }, text(' '), { t: 'em', of: [text('c')] }, text(' '), { t: 'code', text: 'd*e*' },
    ]);
    expect(inline('**a *b* c**')).toEqual([{ t: 'strong', of: [text('a '), { t: 'em', of: [text('b')] }, text(' c')] }]);
  });

  it('leaves ordinary text alone', () => {
    for (const same of ['run_id and session_id', '2 * 3 * 4', 'an open **bold', 'a ` tick', '5 < 6 & <b>x</b>', 'http', '[not a link]']) {
      expect(inline(same)).toEqual([text(same)]);
    }
    expect(inline('\\*not\\*')).toEqual([text('*not*')]);
  });

  it('follows http and https only', () => {
    expect(inline('[a](https://x.test/y_(z))')).toEqual([{ t: 'link', href: 'https://x.test/y_(z)', of: [text('a')] }]);
    expect(inline('see https://x.test/a.')).toEqual([text('see '), { t: 'link', href: 'https://x.test/a', of: [text('https://x.test/a')] }, text('.')]);
    for (const bad of ['javascript:alert(1)', 'JaVaScRiPt:alert(1)', 'data:text/html,x', '//x.test', '/local', 'vbscript:x', 'http://', ' java\tscript:x']) {
      expect(safeHref(bad)).toBeNull();
      expect(JSON.stringify(inline(`[a](${bad})`))).not.toContain('"link"');
    }
  });

  it('ends in good time on hostile input', () => {
    const began = performance.now();
    for (const evil of ['*', '**a', '_', '[', '`', '[a](', '> ', '- ', 'http://', '|']) {
      for (const block of splitBlocks(evil.repeat(20_000))) parse(block);
    }
    parse(Array.from({ length: 2_000 }, (_, i) => `${' '.repeat(i * 2)}- x`).join('\n'));
    expect(performance.now() - began).toBeLessThan(4_000);
  });
});
