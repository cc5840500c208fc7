// `/tutor/test` in a browser: a lesson, a drop, a stop, an error, a room of two windows, and a reload.
import assert from 'node:assert/strict';

export async function tutorPage({ open, look, options, real }) {
  const { page, state, reachable, done } = await open(look, options, '/tutor/test', 'tutor', /Error during WebSocket handshake/);
  const text = (id) => page.locator(id).textContent();
  const word = (w) => page.waitForFunction((w) => document.querySelector('#status').textContent === w, w);
  const phase = (w) => page.waitForFunction((w) => document.querySelector('#phase').textContent === w, w);
  const grown = (n) => page.waitForFunction((n) => (document.querySelector('#answer')?.textContent.length ?? 0) > n, n);
  const clear = () => page.getByRole('button', { name: 'Clear', exact: true }).first().click();
  const log = page.locator('#history');
  const last = log.locator('.answered').last();

  // Nobody yet; then a token that is not good. Both are said.
  await page.getByText('What would you like to understand?').waitFor();
  await state('empty');
  await page.fill('#token', 'not-a-token');
  await page.click('#authenticate');
  await page.locator('#errors', { hasText: 'sign in again' }).waitFor();
  await clear();

  await page.fill('#email', `tess-${look}-${Date.now()}@example.com`);
  await page.fill('#password', real ? 'A-long-passw0rd!' : 'correct horse');
  await page.fill('#name', 'Tess');
  await page.click('#register');
  await word('connected');

  // Asked by keyboard; thoughts come before the answer; the connection is dropped in mid-stream and nothing is lost.
  await page.fill('#subject', 'biology');
  await page.check('#documents');
  // Slowly: pictures and axe take their time, too.
  await page.fill('#message', 'Why is grass green? Tell it slowly');
  await page.press('#message', 'Enter');
  await page.locator('.live .thoughts li').first().waitFor();
  await state('thinking');
  await grown(40);
  if (!real) assert.match(await text('.live .understood'), /research.*4 recent and 1 relevant message, from biology\.md, light\.md.*curiosity.*valence.*0\.25.*arousal.*0\.50.*readiness.*high/s);
  await state('midstream');
  const run = await text('#run-id');
  await page.click('#drop');
  await word('disconnected');
  const before = (await text('#answer')).length;
  await state('dropped');
  await word('connected');
  await grown(before);
  await phase('completed');
  assert.equal(await text('#run-id'), run, 'the same run goes on');
  await last.locator('.tag.resumed').waitFor();
  if (!real) {
    assert.match(await last.textContent(), /chlorophyll.*under a red lamp\?.*42 tokens, \$0\.0003.*ability in biology 0\.53/s);
    assert.match(await text('#abilities'), /biology 0\.53/);
  }

  // A subject that is too long is said, and not sent: bytes count, not letters.
  await page.fill('#subject', 'é'.repeat(51));
  await page.fill('#message', 'Of what?');
  await page.press('#message', 'Enter');
  await page.locator('#subject-wrong', { hasText: '102 bytes' }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'subject');
  await state('subject');
  await page.fill('#subject', 'biology');

  // A second question of the subject; code has a block of its own.
  await page.uncheck('#documents');
  await page.fill('#message', 'Show me code');
  await page.click('#send');
  if (!real) await page.locator('#answer pre.code', { hasText: 'print' }).waitFor();
  await phase('completed');
  if (!real) {
    assert.match(await last.locator('pre.code').textContent(), /^for name in .*\n {4}print\("Hello, " \+ name\)$/);
    assert.match(await text('#abilities'), /biology 0\.56 \+0\.03/);
    assert.equal(await page.locator('#abilities polyline').count(), 1);
  }
  await state('code');
  if (look === 'light') await reachable();

  // Stop by keyboard alone, the next question waiting behind it.
  await page.fill('#message', 'Tell me something long');
  await page.press('#message', 'Enter');
  await grown(30);
  await page.focus('#stop');
  await page.keyboard.press('Enter');
  await phase('stopped');
  await last.locator('.tag.cancelled').waitFor();
  await state('stopped');

  if (!real) {
    await page.fill('#message', 'Please fail');
    await page.press('#message', 'Enter');
    await last.locator('.wrong', { hasText: 'the connection broke off' }).waitFor();
    await last.getByRole('button', { name: 'Ask again', exact: true }).waitFor();
    await state('failed');
    await page.fill('#message', 'Not too fast');
    await page.press('#message', 'Enter');
    await last.locator('.wrong', { hasText: 'Rate limit exceeded' }).waitFor();
  }

  // A room of two windows: each sees who came, who types, and the answer that the other asked for.
  await page.click('#join');
  const session = await page.inputValue('#session');
  const token = await page.evaluate(() => sessionStorage.getItem('headwater.token'));
  const other = await page.context().newPage();
  await other.goto(page.url());
  await other.evaluate((t) => sessionStorage.setItem('headwater.token', t), token);
  await other.reload();
  await other.waitForFunction(() => document.querySelector('#status').textContent === 'connected');
  await other.fill('#session', session);
  await other.click('#open-session');
  await other.click('#join');
  await other.locator('#history', { hasText: 'Why is grass green?' }).waitFor();
  await other.fill('#message', 'And why is the sky blue?');
  if (real) await page.locator('#inspector', { hasText: 'typing_indicator' }).waitFor();
  await other.press('#message', 'Enter');
  await last.locator('text=/./').first().waitFor();
  await log.locator('.asked', { hasText: 'And why is the sky blue?' }).waitFor();
  await other.close();
  await state('room');

  // A reload in mid-answer: the words that were there are there again, the rest comes, and the room is kept.
  await page.fill('#message', 'Why is grass green? Once more, slowly');
  await page.press('#message', 'Enter');
  await page.locator('.live > .asked').waitFor();
  await grown(40);
  const running = await text('#run-id');
  const words = await text('#answer');
  await page.reload();
  await page.waitForFunction((w) => document.querySelector('#answer')?.textContent.startsWith(w), words.slice(0, 30));
  await word('connected');
  await state('reloaded');
  await phase('completed');
  assert.equal(await text('#run-id'), running, 'the same run goes on');
  if (!real) assert.equal((await last.locator('.md').textContent()).match(/chlorophyll/g).length, 1, 'nothing twice');
  assert.equal(await page.locator('#join').getAttribute('aria-pressed'), 'true');
  assert.equal(await page.inputValue('#subject'), 'biology');

  // After a reload the session is there, whose it is, and what was learned.
  await page.reload();
  await word('connected');
  if (!real) assert.match(await text('#abilities'), /biology 0\.\d+ \+0\.03/);
  await log.locator('.asked', { hasText: 'Why is grass green? Tell' }).waitFor();
  assert.equal(await page.inputValue('#session'), session);
  await page.locator('summary', { hasText: 'Share it' }).click();
  await page.click('#shared-with-me');
  await page.getByText('Nothing is shared with you.').waitFor();
  await state('share');
  if (!real) {
    await page.fill('#share-with', 'bob');
    await page.click('#share');
    await page.getByText('bob may see this session now.').waitFor();
  }
  await page.locator('summary', { hasText: 'Signed in' }).click();
  await page.click('#signout');
  await word('disconnected');
  assert.equal(await log.textContent(), '');
  await done();
}
