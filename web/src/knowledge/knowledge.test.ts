import { describe, expect, it } from 'vitest';
import { begun, hear, isOver, MAX_BYTES, pause, refusedHere, say, share, size, type Heard, type Upload } from './upload';

const all = (u: Upload, ...heard: Heard[]) => heard.reduce(hear, u);
const answered = (report: object): Heard => ({ kind: 'answered', report });

describe('an upload', () => {
  it('goes from bytes to passages', () => {
    let u = begun(1, 'manual.pdf', 1000, 'manual');
    expect([u.phase, share(u)]).toEqual(['waiting', 0]);
    u = all(u, { kind: 'started' }, { kind: 'sent', bytes: 250 });
    expect([say(u), share(u)]).toEqual(['sending 25 %', 0.25]);
    // Browsers count the form around the file as well, and may report out of order.
    u = all(u, { kind: 'sent', bytes: 1400 }, { kind: 'sent', bytes: 900 });
    expect(share(u)).toBe(1);
    u = hear(u, answered({ document_id: 'd1', filename: 'manual.pdf', status: 'indexing' }));
    expect([say(u), u.id, share(u)]).toEqual(['indexing', 'd1', null]);
    u = hear(u, answered({ document_id: 'd1', status: 'reading', chunks_done: 0, chunks_total: 0 }));
    expect([u.phase, u.id, share(u)]).toEqual(['reading', 'd1', null]);
    u = hear(u, answered({ document_id: 'd1', status: 'indexing', chunks_done: 10, chunks_total: 40 }));
    expect([say(u), share(u)]).toEqual(['indexing 10 of 40 passages', 0.25]);
    u = hear(u, answered({ document_id: 'd1', status: 'done', chunks_done: 40, chunks_total: 40 }));
    expect([say(u), isOver(u)]).toEqual(['40 passages, searchable', true]);
    expect(hear(u, { kind: 'failed', why: 'late' })).toBe(u);
  });

  it('is over at once with a server that waits', () => {
    const u = all(begun(1, 'a.md', 10, 'faq'), { kind: 'started' }, answered({ document_id: 'd', chunks_created: 1 }));
    expect([u.phase, say(u)]).toEqual(['done', '1 passage, searchable']);
  });

  it('says that nothing was to be done with the same document again', () => {
    const u = all(begun(1, 'a.md', 10, 'faq'), { kind: 'started' }, answered({ status: 'done', chunks_done: 0, chunks_total: 0, detail: null }));
    expect([say(u), share(u)]).toEqual(['was here already, searchable', 1]);
  });

  it('fails with the reason that was given', () => {
    const sending = hear(begun(1, 'a.md', 10, 'faq'), { kind: 'started' });
    expect(say(hear(sending, { kind: 'failed', why: 'Empty file' }))).toBe('Empty file');
    expect(say(hear(sending, answered({ status: 'failed', detail: 'Document appears to be empty' })))).toBe('Document appears to be empty');
    expect(hear(sending, answered({ status: 'polishing' })).phase).toBe('reading');
  });

  it('is not begun where the answer is known', () => {
    expect(refusedHere('a.exe', 5)).toBe('Unsupported file format: a.exe');
    expect([refusedHere('a.PDF', 5), refusedHere('a.markdown', 5)]).toEqual([null, null]);
    expect(refusedHere('a.pdf', 0)).toBe('Empty file');
    expect(begun(1, 'a.pdf', MAX_BYTES + 1, 'x')).toMatchObject({ phase: 'failed', wrong: 'File too large (max 50MB)' });
  });

  it('is asked about less and less often, and sizes are readable', () => {
    expect([pause(0), pause(1), pause(99)]).toEqual([400, 560, 4000]);
    expect([size(5), size(2048), size(3.5 * 1024 * 1024)]).toEqual(['5 B', '2 KB', '3.5 MB']);
  });
});
