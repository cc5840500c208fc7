import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Account } from '../shared/account';
import { fakeSocket, freshPage, leavePage, routes, wires } from '../shared/fake-page';
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
  routes.set('/api/v1/auth/me', { id: 'ann' });
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
