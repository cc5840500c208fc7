import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Account } from '../shared/account';
import { asked, fakeSocket, freshPage, routes, wires } from '../shared/fake-page';
import { memoryStore, type Store } from '../shared/storage';
import { TeamsClient } from './client';

vi.mock('../shared/socket', () => fakeSocket);

const JOB = { job_id: 'run_1', status: 'awaiting', brief_summary: 'A form', teams: { google: { status: 'generating' } } };

/** As one tab sees it: its storage stays when the page is loaded anew. */
function page(store: Store, token: string | null = 'good'): TeamsClient {
  store.set('token', token);
  return new TeamsClient(new Account(store), store);
}

beforeEach(() => {
  freshPage();
  routes.set('/api/v1/auth/me', { user_id: 'ann' });
  routes.set('/api/orchestrate/models', {});
  routes.set('/api/orchestrate/history', { jobs: [], total: 0 });
  routes.set('/api/orchestrate/job/run_1', JOB);
  routes.set('/api/orchestrate/status/run_1', { job_id: 'run_1', status: 'awaiting', progress: 25 });
});

describe('the page of the teams', () => {
  it('follows a job that runs again after a reload, from its beginning', async () => {
    const store = memoryStore();
    await page(store).open('run_1');
    const again = page(store);
    await again.begin();
    expect(again.view.value).toMatchObject({ id: 'run_1', summary: 'A form', progress: 25 });
    expect(wires.at(-1)).toMatchObject({ url: expect.stringContaining('/run_1?stream=code&seq=1&replay=1'), protocols: ['headwater.orchestrate.v1', 'bearer.good'] });
  });

  it('goes on with the job when somebody signs in again', async () => {
    const store = memoryStore();
    const client = page(store);
    await client.open('run_1');
    wires.at(-1)!.on.opened();
    wires.at(-1)!.on.closed(4401, 'token expired');
    await vi.waitFor(() => expect(client.problem.value?.text).toMatch(/sign in again\. The job goes on/));
    const before = wires.length;
    store.set('token', 'new');
    await client.enter();
    expect(wires.length).toBe(before + 1);
    expect(client.view.value?.id).toBe('run_1');
  });

  it('shows nobody the job of somebody else', async () => {
    const store = memoryStore();
    const client = page(store);
    await client.open('run_1');
    wires.at(-1)!.on.closed(4401, 'token expired');
    await vi.waitFor(() => expect(client.problem.value).not.toBeNull());
    routes.delete('/api/orchestrate/job/run_1');
    await client.enter();
    expect([client.view.value, store.get('job')]).toEqual([null, null]);
  });

  it('forgets the job of whoever logs out', async () => {
    const store = memoryStore();
    const client = page(store);
    await client.open('run_1');
    expect(store.get('job')).toBe('run_1');
    client.leave();
    expect([client.view.value, store.get('job')]).toEqual([null, null]);
  });

  describe('that somebody signs in on over whoever is there', () => {
    const CODE = JSON.stringify({ type: 'code_delta', team: 'google', data: { text: 'secret' }, seq: 7 });
    /** Ann's job streams; the routes know only Eve from here on. */
    async function watched(known = true): Promise<{ store: Store; account: Account; client: TeamsClient }> {
      const store = memoryStore();
      store.set('token', 'good');
      const account = new Account(store);
      const client = new TeamsClient(account, store);
      if (known) await client.begin();
      await client.open('run_1');
      wires[0]!.on.opened();
      wires[0]!.on.message(CODE);
      routes.delete('/api/orchestrate/job/run_1');
      return { store, account, client };
    }

    it('shows him neither the job nor what comes of it', async () => {
      const { store, account, client } = await watched(false);
      account.use('eves');
      await client.enter();
      expect([client.view.value, store.get('job'), wires[0]!.gone, client.log.value.entries]).toEqual([null, null, true, []]);
    });

    it('puts it away at once where the names are known', async () => {
      const { account, client } = await watched();
      account.use('eves', { id: 'eve' });
      routes.set('/api/orchestrate/models', null);
      void client.enter();
      expect([client.view.value, wires[0]!.gone, client.past.value]).toEqual([null, true, null]);
    });

    it('puts away what was cancelled here, too', async () => {
      const { account, client } = await watched(false);
      routes.set('/api/orchestrate/job/run_1', JOB);
      await client.open('run_1');
      await client.cancel();
      expect(client.view.value?.status).toBe('cancelled');
      routes.delete('/api/orchestrate/job/run_1');
      account.use('eves');
      await client.enter();
      expect(client.view.value).toBeNull();
    });

    it('opens a job that is over as who is here now', async () => {
      const { account, client } = await watched(false);
      routes.set('/api/orchestrate/job/run_1', { ...JOB, status: 'complete' });
      await client.open('run_1');
      wires.at(-1)!.on.closed(4401, 'token expired');
      await vi.waitFor(() => expect(client.problem.value).not.toBeNull());
      routes.delete('/api/orchestrate/job/run_1');
      account.use('eves');
      await client.enter();
      expect(client.view.value).toBeNull();
    });

    it('shows him nothing that was asked for before', async () => {
      const { store, client } = await watched();
      routes.set('/api/orchestrate/job/run_1', JOB);
      routes.set('/api/orchestrate/brief', JOB);
      client.leave();
      const before = [client.send({ brief: 'A form', target_framework: 'react' }), client.open('run_1')];
      client.leave();
      await Promise.all(before);
      expect([client.view.value, store.get('job'), wires.length]).toEqual([null, null, 1]);
    });
  });

  it('asks for nothing after its token ran out', async () => {
    const client = page(memoryStore());
    await client.open('run_1');
    wires[0]!.on.closed(4401, 'token expired');
    await vi.waitFor(() => expect(client.problem.value).not.toBeNull());
    const before = asked.length;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(asked.length).toBe(before);
  });

  it('says that the server is gone, and not that a token is needed', async () => {
    routes.set('/api/orchestrate/models', null);
    const client = page(memoryStore(), null);
    await client.begin();
    expect([client.allowed.value, client.problem.value]).toEqual([null, { code: 'OFFLINE', text: expect.stringMatching(/cannot be reached: see whether it runs/) }]);
    routes.set('/api/orchestrate/models', 401);
    await client.begin();
    expect(client.allowed.value).toBe(false);
  });

  it('connects again by itself while the job runs, behind what it has', async () => {
    const client = page(memoryStore());
    await client.open('run_1');
    wires[0]!.on.opened();
    wires[0]!.on.message(JSON.stringify({ type: 'code_delta', team: 'google', data: { text: 'a' }, seq: 7 }));
    wires[0]!.on.closed(1006, '');
    await vi.advanceTimersByTimeAsync(2_100);
    expect(wires.at(-1)!.url).toMatch(/after=7$/);
    expect(asked.filter((a) => a.includes('/status/')).length).toBeGreaterThan(1);
  });
});
