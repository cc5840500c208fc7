import { beforeEach, expect, it, vi } from 'vitest';
import { freshPage } from '../shared/fake-page';
import { AiClient } from './client';

beforeEach(() => {
  freshPage();
  vi.stubGlobal('location', { protocol: 'http:', host: 'here' });
});

it('shows nothing of who was signed in before to who is now', async () => {
  const sockets: { onmessage?(e: { data: string }): void; onopen?(): void; close(): void; send(): void; readyState: number }[] = [];
  const Fake = function () {
    const socket = { readyState: 1, close() {}, send() {} };
    sockets.push(socket);
    return socket;
  };
  vi.stubGlobal('WebSocket', Object.assign(Fake, { OPEN: 1 }));
  const client = new AiClient();
  for (const next of ['eves', null]) {
    client.signIn('anns');
    sockets.at(-1)!.onopen!();
    client.send({ action: 'generate', prompt: 'Why?' });
    sockets.at(-1)!.onmessage!({ data: JSON.stringify({ type: 'chunk', text: 'secret', run_id: 'run_1', seq: 3 }) });
    await vi.advanceTimersByTimeAsync(20);
    expect([client.view.value.answer?.text, client.log.value.entries.length]).toEqual(['secret', 3]);
    client.signIn(next);
    await vi.advanceTimersByTimeAsync(20);
    expect([client.view.value.answer, client.log.value.entries]).toEqual([null, []]);
  }
});
