import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Account } from '../shared/account';
import { asked, fakeSocket, freshPage, leavePage, routes, wires } from '../shared/fake-page';
import { memoryStore, type Store } from '../shared/storage';
import { LessonClient } from './client';
import { textOf } from './state';

vi.mock('../shared/socket', () => fakeSocket);

type Frame = { type: string; data: Record<string, unknown> };
const sent = () => wires.at(-1)!.sent.map((text) => JSON.parse(text) as Frame);
const types = () => sent().map((f) => f.type);

/** As one tab sees it: its storage stays when the page is loaded anew. */
function page(store: Store): LessonClient {
  store.set('token', 'good');
  const client = new LessonClient(new Account(store), store);
  client.begin();
  return client;
}
function says(type: string, data: Record<string, unknown>): void {
  wires.at(-1)!.on.message(JSON.stringify({ type, data }));
}
function greeted(user = 'ann'): void {
  wires.at(-1)!.on.opened();
  says('connect', { user_id: user });
}

beforeEach(() => {
  freshPage();
  routes.set('/api/v1/auth/me', { user_id: 'ann' });
});

describe('the page of a lesson', () => {
  /** A question that is being answered, in a joined room. */
  function asking(store: Store): { client: LessonClient; id: string; session: string } {
    const client = page(store);
    greeted();
    client.join(true);
    client.choose({ subject: ' biology ', reasoning: false });
    client.ask('Why?');
    const { message_id: id, session_id: session } = sent().at(-2)!.data as { message_id: string; session_id: string };
    says('stream_start', { message_id: id, session_id: session, seq: 2, ai_message_id: 'run_1', metadata: {} });
    says('content_chunk', { message_id: id, session_id: session, seq: 5, content: 'Because ', is_code: false });
    return { client, id, session };
  }

  it('is as it was after a reload in mid-answer, and asks for the rest alone', () => {
    const store = memoryStore();
    const { id, session } = asking(store);
    leavePage();
    const again = page(store);
    expect(again.view.value).toMatchObject({ sessionId: session, joined: true, turns: [{ id, question: 'Why?', phase: 'running' }] });
    expect(textOf(again.view.value.turns[0]!)).toBe('Because ');
    expect(again.how.value).toEqual({ subject: ' biology ', reasoning: false, documents: false });
    greeted();
    expect(types()).toEqual(['join_session', 'chat_stream']);
    expect(sent()[1]!.data).toMatchObject({ message_id: id, session_id: session, message: 'Why?', after: 5, context: { subject: 'biology', enable_reasoning: false } });
  });

  it('asks nothing of one person for another', async () => {
    const store = memoryStore();
    asking(store);
    leavePage();
    const again = page(store);
    greeted('eve');
    expect(types()).not.toContain('chat_stream');
    await vi.advanceTimersByTimeAsync(20);
    expect(again.view.value.turns).toEqual([]);
  });

  it('shows what is kept to nobody but its owner, once he is known', () => {
    const store = memoryStore();
    asking(store);
    leavePage();
    new Account(store).forget();
    const shown = (client: LessonClient) => client.view.value.turns.map((t) => t.question);
    expect(shown(page(store))).toEqual([]);
    leavePage();
    const account = new Account(store);
    const again = new LessonClient(account, store);
    again.begin();
    account.use('anns-new', { id: 'ann' });
    again.useToken();
    expect(shown(again)).toEqual(['Why?']);
    greeted();
    expect(types()).toEqual(['join_session', 'chat_stream']);
  });

  it('has nothing of who logged out on another page', () => {
    const store = memoryStore();
    const { session } = asking(store);
    leavePage();
    void new Account(store).leave();
    const again = page(store);
    expect([again.view.value.turns, again.how.value.subject, again.view.value.sessionId === session]).toEqual([[], '', false]);
  });

  it('forgets who leaves, and what he asked for comes too late', async () => {
    const store = memoryStore();
    const { client, session } = asking(store);
    routes.set('/tutor/api/v1/chat/history/', { messages: [{ id: 'm0', role: 'user', content: 'Secret?', run_id: 'run_0' }], truncated: true });
    const late = client.loadPast();
    client.leave();
    await late;
    expect(client.view.value).toMatchObject({ turns: [], older: false, userId: null, joined: false });
    expect(client.view.value.sessionId).not.toBe(session);
    expect([client.how.value.subject, store.get('lesson-how'), store.get('lesson') === session, client.log.value.entries]).toEqual(['', null, false, []]);
  });

  for (const known of [true, false]) {
    it(`forgets who was there when somebody signs in over him, ${known ? 'by name' : 'by a token'}`, async () => {
      const store = memoryStore();
      store.set('token', 'good');
      const account = new Account(store);
      const client = new LessonClient(account, store);
      client.begin();
      greeted();
      client.choose({ subject: 'grief' });
      client.ask('Why?');
      const session = client.view.value.sessionId;
      account.use('eves', known ? { id: 'eve' } : null);
      routes.set('/api/v1/auth/me', { user_id: 'eve' });
      client.useToken();
      greeted('eve');
      await vi.advanceTimersByTimeAsync(20);
      const { turns, userId, sessionId } = client.view.value;
      expect([turns, userId, sessionId === session, client.how.value.subject, types()]).toEqual([[], 'eve', false, '', []]);
      expect([store.get('lesson'), client.log.value.entries.some((e) => e.text.includes('Why?'))]).toEqual([sessionId, false]);
    });
  }

  it('asks for the history once it is known whose it is', async () => {
    page(memoryStore());
    await vi.advanceTimersByTimeAsync(20);
    expect(asked.filter((a) => a.includes('/history/'))).toEqual([]);
    greeted();
    expect(asked.filter((a) => a.includes('/history/'))).toHaveLength(1);
  });

  it('asks nothing for who signs in next where nobody knows who asked', async () => {
    routes.set('/api/v1/auth/me', 401);
    const store = memoryStore();
    const client = page(store);
    client.ask('Why?');
    await vi.advanceTimersByTimeAsync(20);
    wires.at(-1)!.on.closed(1006, '');
    await vi.waitFor(() => expect(client.view.value.signedOut).toBe(true));
    expect(client.view.value.turns).toEqual([]);
  });

  it('says when it connects again, and sends what waited then', async () => {
    const client = page(memoryStore());
    wires.at(-1)!.on.closed(1006, '');
    await vi.waitFor(() => expect(client.view.value.retryAt).not.toBeNull());
    client.ask('Why?');
    expect(client.view.value.turns[0]!.phase).toBe('waiting');
    await vi.advanceTimersByTimeAsync(6_000);
    greeted();
    expect(types()).toEqual(['chat_stream']);
  });
});
