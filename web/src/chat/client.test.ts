import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Account } from '../shared/account';
import { fakeSocket, freshPage, leavePage, wires } from '../shared/fake-page';
import { memoryStore, type Store } from '../shared/storage';
import { ChatClient } from './client';

vi.mock('../shared/socket', () => fakeSocket);

const sent = () => wires.at(-1)!.sent.map((text) => JSON.parse(text) as Record<string, unknown>);
const types = () => sent().map((f) => f.type);

/** As one tab sees it: its storage stays when the page is loaded anew. */
function page(store: Store): { client: ChatClient; account: Account } {
  const account = new Account(store);
  const client = new ChatClient(account, store);
  client.start();
  return { client, account };
}
function says(frame: Record<string, unknown>): void {
  wires.at(-1)!.on.message(JSON.stringify(frame));
}
function greeted(id: string): void {
  wires.at(-1)!.on.opened();
  says({ type: 'auth_success', message: '', user: { id } });
}
/** Ann asked while her connection was lost. */
function waiting(store: Store): { client: ChatClient; account: Account; session: string } {
  new Account(store).use('anns', { id: 'ann' });
  const { client, account } = page(store);
  greeted('ann');
  wires.at(-1)!.on.closed(1006, '');
  client.ask('Is it serious?');
  return { client, account, session: client.view.value.sessionId };
}

beforeEach(freshPage);

describe('the page of the chat', () => {
  it('asks after a reload what waited', () => {
    const store = memoryStore();
    const { session } = waiting(store);
    leavePage();
    const again = page(store).client;
    expect(again.view.value.turns).toMatchObject([{ question: 'Is it serious?', phase: 'waiting' }]);
    greeted('ann');
    expect(sent().at(-1)).toMatchObject({ type: 'message', message: 'Is it serious?', session_id: session });
  });

  it('asks and shows nothing of who logged out on another page', () => {
    const store = memoryStore();
    const { session } = waiting(store);
    leavePage();
    const front = new Account(store);
    void front.leave();
    front.use('eves', { id: 'eve' });
    const { client } = page(store);
    expect([client.view.value.turns, client.view.value.sessionId === session]).toEqual([[], false]);
    greeted('eve');
    expect(types()).toEqual(['auth']);
  });

  it('shows what is kept to nobody but its owner, once he is known', () => {
    const store = memoryStore();
    waiting(store);
    leavePage();
    new Account(store).use('pasted');
    expect(page(store).client.view.value.turns).toEqual([]);
    greeted('eve');
    greeted('eve');
    expect([types(), store.get('turns')]).toEqual([['auth'], null]);
  });

  it('keeps it for an owner whose token ran out, until he signs in again', () => {
    const store = memoryStore();
    waiting(store);
    leavePage();
    new Account(store).forget();
    page(store);
    leavePage();
    const { client, account } = page(store);
    expect(client.view.value.turns).toEqual([]);
    account.use('anns-new', { id: 'ann' });
    client.useToken('anns-new');
    expect(client.view.value.turns).toMatchObject([{ question: 'Is it serious?' }]);
  });

  for (const known of [true, false]) {
    it(`asks and shows nothing of who was there when somebody signs in over him, ${known ? 'by name' : 'by a token'}`, () => {
      const store = memoryStore();
      const { client, account, session } = waiting(store);
      account.use('eves', known ? { id: 'eve' } : null);
      client.useToken('eves');
      greeted('eve');
      if (!known) greeted('eve');
      const { turns, sessionId } = client.view.value;
      expect([turns, sessionId === session, types(), store.get('session')]).toEqual([[], false, ['auth'], sessionId]);
      expect(client.log.value.entries.some((e) => e.text.includes('ann'))).toBe(false);
    });
  }

  it('asks nothing for who signs in next where nobody knows who asked', () => {
    const store = memoryStore();
    store.set('token', 'pasted');
    const { client, account } = page(store);
    client.ask('Is it serious?');
    wires.at(-1)!.on.opened();
    says({ type: 'auth_error', message: 'Invalid token' });
    account.use('eves', { id: 'eve' });
    client.useToken('eves');
    says({ type: 'auth_success', message: '', user: { id: 'eve' } });
    expect(types()).toEqual(['auth', 'auth']);
  });

  it('has no frame of who logged out', () => {
    const { client, account } = waiting(memoryStore());
    void account.leave();
    client.leave();
    expect(client.log.value.entries.map((e) => e.direction)).not.toContain('in');
  });
});
