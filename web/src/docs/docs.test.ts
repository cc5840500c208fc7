import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { inline } from '../shared/markdown';
import { exampleOf, inner, readApi, resolve, search, typeWord, type Operation } from './openapi';
import { atHome } from './Prose';
import { ask, curl, holes, type Filled } from './request';

const api = readApi(JSON.parse(readFileSync(new URL('../../../docs/openapi.json', import.meta.url), 'utf8')));
const op = (id: string): Operation => api.groups.flatMap((g) => g.operations).find((o) => o.id === id)!;
const filled = (more: Partial<Filled> = {}): Filled => ({ parameters: {}, body: '', form: {}, accept: null, ...more });

describe('the document', () => {
  it('is read whole: groups in their order, every operation with its answers', () => {
    expect(api.groups.map((g) => g.name)).toEqual(['Accounts', 'Chat', 'AI stream', 'Documents', 'Runs', 'Sharing', 'Tutor', 'Orchestrate', 'Desk', 'Server', 'Pages']);
    for (const g of api.groups) for (const o of g.operations) expect(o.answers.length, o.id).toBeGreaterThan(0);
    expect(op('login').open).toBe(true);
    expect(op('start_run').open).toBe(false);
    expect(op('ws_chat').open).toBe(true);
    expect(op('ws_chat').socket?.client?.$ref).toContain('ChatClientFrame');
    expect(op('ws_chat').socket?.server?.$ref).toContain('ChatServerFrame');
    expect(op('logout').body?.example).toEqual({ everywhere: false });
    expect(op('upload_document').parameters.map((p) => p.name)).toEqual(['wait', 'document_id', 'Prefer']);
    for (const g of api.groups) for (const o of g.operations) expect(o.answers.map((a) => a.status), o.id).toContain('429');
    expect(op('follow_run').answers[0]!.contents.map((c) => c.media).sort()).toEqual(['application/json', 'text/event-stream']);
  });

  it('survives what is no document', () => {
    for (const bad of [null, [], 'x', {}, { paths: { '/a': null, '/b': { get: 7, parameters: [] } } }]) {
      expect(readApi(bad).groups.length).toBeLessThan(2);
    }
  });

  it('is searched by words in any order', () => {
    const found = search(api, 'stop RUN').flatMap((g) => g.operations.map((o) => o.id));
    expect(found).toContain('stop_run');
    expect(found).not.toContain('login');
    expect(search(api, '  ')).toEqual(api.groups);
    expect(search(api, 'no such thing')).toEqual([]);
  });
});

describe('types', () => {
  it('are said in a few words', () => {
    const word = (name: string, field: string) => typeWord(api, api.schemas[name]!.properties![field]);
    expect(word('Search', 'top_k')).toBe('integer, 1 to 20');
    expect(word('Search', 'document_type')).toBe('string, at most 64 characters or null');
    expect(word('UploadState', 'detail')).toBe('string or null');
    expect(word('Found', 'results')).toBe('list of Passage');
    expect(word('StartBody', 'session_id')).toBe('string, 1 to 128 characters or null');
    expect(word('UploadState', 'chunks_done')).toBe('integer');
    expect(word('Opinion', 'sentiment')).toBe('"positive" | "negative"');
    expect(word('Tokens', 'user')).toBe('User');
    expect(word('Problem', 'input')).toBe('anything');
    expect(typeWord(api, { type: 'string', format: 'uuid' })).toBe('string (uuid)');
  });

  it('lead to what is in them', () => {
    expect(inner(api, api.schemas.Found!.properties!.results)?.name).toBe('Passage');
    expect(inner(api, api.schemas.Found!.properties!.query)).toBeNull();
    expect(inner(api, { anyOf: [{ $ref: '#/components/schemas/User' }, { type: 'null' }] })?.name).toBe('User');
    expect(resolve(api, { $ref: '#/components/schemas/Nobody' }).schema).toEqual({});
  });

  it('give something to begin with, also where a shape holds itself', () => {
    expect(exampleOf(api, { $ref: '#/components/schemas/Search' })).toEqual({ query: '', top_k: 5, min_score: 0.5, source: null, document_type: null });
    const ring = { ...api, schemas: { Ring: { type: 'object', properties: { next: { $ref: '#/components/schemas/Ring' } } } } };
    expect(JSON.stringify(exampleOf(ring, { $ref: '#/components/schemas/Ring' }))).toContain('next');
  });
});

describe('a request', () => {
  it('has its parts where they belong', () => {
    const f = filled({ parameters: { 'path:run_id': 'a/b c', 'query:after': '7', 'query:token': '', 'header:Last-Event-ID': 'cur' }, accept: 'text/event-stream' });
    expect(holes(op('follow_run'), f)).toEqual([]);
    expect(holes(op('follow_run'), filled())).toEqual(['run_id']);
    expect(ask(op('follow_run'), f, 'jwt')).toEqual({
      method: 'GET',
      url: '/api/runs/a%2Fb%20c/events?after=7',
      headers: { Accept: 'text/event-stream', Authorization: 'Bearer jwt', 'Last-Event-ID': 'cur' },
      body: null,
    });
    expect(ask(op('login'), filled({ body: '{}' }), 'jwt').headers).toEqual({ 'Content-Type': 'application/json' });
  });

  it('as a line for a shell is quoted, and never holds the token', () => {
    const line = curl(op('start_run'), filled({ body: '{\n  "workflow": "assist",\n  "message": "it\'s"\n}' }), 'http://h:1');
    expect(line).toBe(
      `curl http://h:1/api/runs -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"workflow":"assist","message":"it'\\''s"}'`,
    );
    expect(curl(op('follow_run'), filled({ parameters: { 'path:run_id': 'r', 'query:after': '2' }, accept: 'text/event-stream' }), 'http://h')).toBe(
      `curl -N 'http://h/api/runs/r/events?after=2' -H 'Accept: text/event-stream' -H "Authorization: Bearer $TOKEN"`,
    );
    expect(curl(op('delete_document'), filled({ parameters: { 'path:source': 'a' } }), 'http://h')).toContain('curl -X DELETE http://h/api/v1/documents/a');
    expect(curl(op('logout'), filled(), 'http://h')).toBe('curl -X POST http://h/api/v1/auth/logout -H "Authorization: Bearer $TOKEN"');
    expect(ask(op('logout'), filled({ body: ' ' }), null)).toMatchObject({ body: null, headers: {} });
    expect(curl(op('upload_document'), filled({ form: { file: 'm.pdf', document_type: 'faq' } }), 'http://h')).toContain(`-F 'file=@m.pdf' -F 'document_type=faq'`);
  });
});

describe('what the server says of itself', () => {
  it('links to its own pages; what a model says does not', () => {
    const said = 'The dialect: [chat.md](/docs/chat.md).';
    expect(inline(said).some((n) => n.t === 'link')).toBe(false);
    expect(inline(atHome(said, 'http://here'))).toContainEqual({ t: 'link', href: 'http://here/docs/chat.md', of: [{ t: 'text', text: 'chat.md' }] });
  });
});
