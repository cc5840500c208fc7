import { beforeEach, describe, expect, it } from 'vitest';
import { Account } from './account';
import { freshPage, routes } from './fake-page';
import { memoryStore } from './storage';

const KEPT = ['session', 'turns', 'lesson', 'lesson-kept', 'lesson-how', 'job'];

/** A tab that keeps things of Ann. */
function tab() {
  const store = memoryStore();
  const account = new Account(store);
  account.use('anns', { id: 'ann' }, 'anns-refresh');
  for (const key of KEPT) store.set(key, 'of ann');
  return { store, account, left: () => KEPT.filter((key) => store.get(key) !== null) };
}

beforeEach(freshPage);

describe('what a tab keeps of somebody', () => {
  it('goes with him', () => {
    const { account, left } = tab();
    void account.leave();
    expect([left(), account.userId]).toEqual([[], null]);
  });

  it('is there while he signs in again, and gone when somebody else does', async () => {
    const { store, account, left } = tab();
    account.forget();
    expect([left(), account.userId]).toEqual([KEPT, null]);
    account.use('anns-new', { id: 'ann' });
    expect(left()).toEqual(KEPT);
    expect(new Account(store).userId).toBe('ann');
    account.use('pasted');
    expect([left(), account.userId]).toEqual([KEPT, null]);
    routes.set('/api/v1/auth/me', { user_id: 'eve', name: 'Eve' });
    await account.check();
    expect([left(), account.userId, account.user.value]).toEqual([[], 'eve', { id: 'eve', name: 'Eve' }]);
  });

  it('is gone when somebody else logs in over him', async () => {
    const { account, left } = tab();
    routes.set('/api/v1/auth/login', { access_token: 'eves', user: { id: 'eve' } });
    await account.login('eve@example.com', 'correct horse');
    expect([left(), account.userId]).toEqual([[], 'eve']);
  });

  it('is not had again by a token that is renewed too late', async () => {
    const { store, account } = tab();
    routes.set('/api/v1/auth/refresh', { access_token: 'anns-new', user: { id: 'ann' } });
    const late = account.refresh();
    account.use('eves', { id: 'eve' }, 'eves-refresh');
    expect([await late, account.token.value, account.userId, store.get('refresh')]).toEqual(['gone', 'eves', 'eve', 'eves-refresh']);
    // And one that is refused too late signs out nobody else.
    account.use('anns', { id: 'ann' });
    routes.set('/api/v1/auth/me', 401);
    const check = account.check();
    account.use('eves', { id: 'eve' });
    expect([await check, account.token.value]).toEqual([false, 'eves']);
    expect([await account.check(), account.token.value]).toEqual([false, null]);
  });

  it('stays while a token of his is renewed', async () => {
    const { account, left } = tab();
    routes.set('/api/v1/auth/refresh', { access_token: 'anns-new', user: { id: 'ann' } });
    expect([await account.refresh(), account.token.value, left()]).toEqual([true, 'anns-new', KEPT]);
  });
});
