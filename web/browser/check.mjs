// `npm run browser [-- --shots DIR]`: every built page in a real Chromium against the mock, or against HEADWATER_URL.
// Checks what only a browser can show: CSP, the element ids, drop and resume, stop, errors, keyboard, axe.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { readFileSync } from 'node:fs';
import { teamsPage } from './teams.mjs';
import { tutorPage } from './tutor.mjs';

const at = process.argv.indexOf('--shots');
const shots = at > 0 ? process.argv[at + 1] : null;
if (shots) mkdirSync(shots, { recursive: true });
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const { url, end } = process.env.HEADWATER_URL ? { url: process.env.HEADWATER_URL, end: () => {} } : await mock();
const real = Boolean(process.env.HEADWATER_URL);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

const LOOKS = {
  light: { colorScheme: 'light', viewport: { width: 1360, height: 860 } },
  dark: { colorScheme: 'dark', viewport: { width: 1360, height: 860 } },
  phone: { colorScheme: 'light', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
  phonedark: { colorScheme: 'dark', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};
// `-- --only tutor`: one page's walk; `-- --look phone`: in one look.
const given = (name) => (process.argv.indexOf(name) > 0 ? process.argv[process.argv.indexOf(name) + 1] : null);
const only = given('--only');
const inLook = given('--look');
const WALKS = {
  chat: chatPage,
  ai: aiPage,
  tutor: (look, options) => tutorPage({ open, look, options, real }),
  teams: (look, options) => teamsPage({ open, look, options, real }),
  front: frontPage,
  knowledge: knowledgePage,
  docs: docsPage,
};
let failed = 0;
try {
  for (const [look, options] of Object.entries(LOOKS)) {
    if (inLook && inLook !== look) continue;
    for (const [name, walk] of Object.entries(WALKS)) if (!only || only === name) await walk(look, options);
  }
} catch (e) {
  failed = 1;
  console.error(e);
} finally {
  await browser.close();
  end();
}
process.exit(failed);

/** `expected`: what the console may say beside that. */
async function open(look, options, path, name, expected = /^$/) {
  const context = await browser.newContext({ ...options, reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const complaints = [];
  // A 4xx that a check provokes is logged by the browser as "Failed to load resource": that one is expected.
  page.on('console', (m) => m.type() === 'error' && !/Failed to load resource/.test(m.text()) && !expected.test(m.text()) && complaints.push(m.text()));
  page.on('pageerror', (e) => complaints.push(String(e)));
  const response = await page.goto(url + path);
  assert.equal(response.status(), 200);
  const shot = async (state) => {
    if (!shots) return;
    await page.screenshot({ path: `${shots}/${name}-${state}-${look}.png`, fullPage: look.startsWith('phone') });
  };
  const accessible = async (state) => {
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
    const lines = violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target} ${n.failureSummary}`));
    assert.deepEqual(lines, [], `axe on ${name} ${state} ${look}`);
  };
  const wide = async (state) => {
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(over, 0, `${name} ${state} ${look} scrolls sideways by ${over}px`);
    const out = await page.evaluate(() => [...document.querySelectorAll('.card')].filter((c) => c.scrollWidth > c.clientWidth + 1).map((c) => c.textContent.slice(0, 60)));
    assert.deepEqual(out, [], `${name} ${state} ${look}: what stands out of its card`);
  };
  const state = async (s) => (await wide(s), await shot(s), await accessible(s));
  /** By Tab alone everything that can be used is come to, and seen to be come to. */
  const reachable = async () => {
    await page.evaluate(() => document.activeElement?.blur());
    let rest = [];
    // Each frame is a stop of its own, and 300 of them are kept.
    for (let n = 0; n < 500; n++) {
      await page.keyboard.press('Tab');
      rest = await page.evaluate(() => {
        const at = document.activeElement;
        const { outlineStyle, outlineWidth } = getComputedStyle(at);
        if (at !== document.body && outlineStyle !== 'none' && outlineWidth !== '0px') at.dataset.reached = '1';
        const all = [...document.querySelectorAll('button, a[href], input, textarea, select, summary, [tabindex="0"]')];
        return all.filter((e) => e.checkVisibility() && !e.dataset.reached && !e.closest('[inert]')).map((e) => e.id || e.textContent.slice(0, 40));
      });
      if (rest.length === 0) break;
    }
    assert.deepEqual(rest, [], `${name} ${look}: what Tab does not come to`);
  };
  const done = async () => {
    assert.deepEqual(complaints, [], `console of ${name} ${look}`);
    assert.ok(!page.url().includes('token'), 'no token in the address');
    await context.close();
    console.log(`ok ${name} ${look}`);
  };
  return { page, response, state, reachable, done };
}

async function aiPage(look, options) {
  const { page, state, reachable, done } = await open(look, options, '/ws/ai/test', 'ai', /Error during WebSocket handshake/);
  const said = (words) => page.locator('#errors', { hasText: words }).waitFor();
  const phase = (word) => page.locator('#phase', { hasText: word }).waitFor();
  const grown = (n) => page.waitForFunction((n) => document.querySelector('#answer').textContent.length > n, n);
  // Without a token, and with one that is not good: both are said.
  await page.click('#connect');
  await said('A token is needed');
  await page.fill('#token', 'not-a-token');
  await page.click('#authenticate');
  await said('handshake was refused');
  await state('refused');

  if (!(await page.locator('#email').isVisible())) await page.locator('details.fold summary').first().click();
  await page.fill('#email', `ai-${look}-${Date.now()}@example.com`);
  await page.fill('#password', 'correct horse');
  await page.fill('#name', 'Ada');
  await page.click('#register');
  await page.waitForFunction(() => document.querySelector('#status').textContent === 'connected');
  if (look === 'light') await reachable();
  await page.click('#ping');
  await page.locator('#inspector', { hasText: 'pong' }).waitFor();
  await page.click('#no-prompt');
  await said('Prompt is required for generate action');
  await page.click('#unknown');
  await said('Unknown action: unknown');
  await page.fill('#prompt', 'Tell me a long story about the engine');
  await page.fill('#system', 'Be short.');
  await page.click('#generate');
  await grown(60);
  await state('midstream');
  await page.click('#stop');
  await phase('stopped');
  await page.fill('#prompt', 'What is the engine power?');
  await page.click('#generate');
  await phase('done');
  await page.locator('#remaining', { hasText: '48 of 50' }).waitFor();
  await state('done');
  await page.click('#disconnect');
  await page.waitForFunction(() => document.querySelector('#status').textContent === 'disconnected');
  await done();
}

async function chatPage(look, options) {
  const { page, response, state, reachable, done } = await open(look, options, '/ws/test', 'chat');
  const html = await response.text();
  assert.equal(await page.title(), 'WebSocket Chat Test');
  assert.ok(html.includes('ws.onopen'));
  const text = (id) => page.locator(id).textContent();
  const grown = (n) => page.waitForFunction((n) => document.querySelector('#answer').textContent.length > n, n);
  const word = (w) => page.waitForFunction((w) => document.querySelector('#status').textContent === w, w);
  const idle = () => page.waitForFunction(() => document.querySelector('#answer').getAttribute('aria-busy') === 'false');
  await word('connected');

  // Unauthenticated, then a bad token: both are said, the socket stays.
  await page.fill('#message', 'Hello?');
  await page.click('#send');
  await page.locator('#errors', { hasText: 'AUTH_REQUIRED' }).waitFor();
  await page.fill('#token', 'not-a-token');
  await page.click('#authenticate');
  await page.locator('#errors', { hasText: 'Invalid token' }).waitFor();
  assert.equal(await text('#status'), 'connected');
  await state('error');
  await page.click('#new-session');
  await page.getByRole('button', { name: 'Clear' }).first().click();

  const email = `ada-${look}-${Date.now()}@example.com`;
  await page.fill('#email', email);
  await page.fill('#password', 'correct horse');
  await page.fill('#name', 'Ada');
  await page.click('#register');
  await page.locator('#identity', { hasText: 'Ada' }).waitFor();
  await state('idle');

  // Enter sends. Drop in mid-stream; what follows is whole. Slowly: pictures and axe take their time, too.
  await page.fill('#message', 'What is the engine power? Tell it slowly');
  await page.press('#message', 'Enter');
  await grown(120);
  assert.ok((await page.locator('#progress li').count()) >= 4);
  await state('midstream');
  const runId = await text('#run-id');
  await page.click('#drop');
  await word('disconnected');
  const before = (await text('#answer')).length;
  assert.equal(await text('#identity'), 'Ada', 'a lost connection signs nobody out');
  const room = await page.locator('.talk .scroll').boundingBox();
  assert.ok(room.height > 240, `the messages keep their room: ${room.height}`);
  await state('dropped');
  await word('connected');
  await grown(before);
  assert.equal(await text('#run-id'), runId, 'the same run goes on');
  await state('resumed');
  await idle();
  const finished = await text('#answer');
  const log = page.locator('#history');
  assert.ok((await log.textContent()).includes(finished), 'the history has the whole answer');
  if (!real) assert.match(finished, /128 hp.*5,500 rpm.*owner.s manual/s);
  await state('done');

  // Stop, by keyboard alone. The next answer waits in the queue meanwhile.
  await page.fill('#message', 'Tell me a long story about the engine');
  await page.press('#message', 'Enter');
  await grown(60);
  await page.fill('#message', 'My brakes squeal');
  await page.press('#message', 'Enter');
  await page.locator('.tag', { hasText: 'queued' }).waitFor();
  await state('queued');
  await page.focus('#stop');
  await page.keyboard.press('Enter');
  await log.locator('.tag', { hasText: 'stopped' }).waitFor();
  await idle();
  await state('stopped');
  if (look === 'light') await reachable();

  // A reload in mid-stream goes on where it was.
  await page.getByRole('button', { name: 'How often is the service?' }).click();
  await grown(20);
  await page.reload();
  await word('connected');
  await idle();
  const kept = real ? 'How often is the service?' : '10,000 km';
  assert.ok((await page.locator('#history').textContent()).includes(kept), 'after a reload the answer is there');

  // What hangs on an answer: tools, the hand-off, thumbs.
  if (!real) {
    await page.fill('#message', 'Please book an oil change, and I want a person');
    await page.press('#message', 'Enter');
    await log.locator('.notice', { hasText: 'ESC-20261121-7F3A' }).waitFor();
    await idle();
    const answered = log.locator('.answered').last();
    assert.equal(await answered.locator('.tag.tool').count(), 2);
    assert.equal(await answered.locator('.tools .tag.failed').count(), 1);
    await answered.getByRole('button', { name: 'Good answer' }).click();
    const why = answered.getByRole('textbox', { name: 'Why? (optional)' });
    await why.fill('It just did it.');
    await state('tools');
    await why.press('Enter');
    await answered.getByText('thank you').waitFor();
    const said = await page.evaluate(async (run) => {
      const headers = { authorization: `Bearer ${sessionStorage.getItem('headwater.token')}` };
      return (await fetch(`/mock/feedback/${run}`, { headers })).json();
    }, await text('#run-id'));
    assert.deepEqual([said.sentiment, said.comment], ['positive', 'It just did it.']);

    // What the model thinks is folded and plain; its sources are links where they are pages.
    await page.fill('#message', 'Please think and cite');
    await page.press('#message', 'Enter');
    await page.locator('.live .thinking summary', { hasText: 'Thinking…' }).click();
    await page.locator('.live .thought', { hasText: '<b>Not bold.</b>' }).waitFor();
    await state('thinking');
    await idle();
    const thought = log.locator('.answered').last();
    assert.equal(await thought.locator('.thinking[open]').count(), 0, 'folded once the answer is there');
    assert.deepEqual(await thought.locator('.citations a').evaluateAll((all) => all.map((a) => [a.href, a.rel])), [['https://example.com/specs', 'noopener noreferrer nofollow']]);
    assert.equal(await thought.locator('.citations li').count(), 3);
    assert.match(await thought.locator('.spent').textContent(), /scripted · mock-1: 1,212 in, \d+ out, \$0\.0021/);
    await thought.scrollIntoViewIfNeeded();
    await state('cited');

    // Too fast: it says when, and sends again.
    await page.fill('#message', 'Not too fast, please');
    await page.press('#message', 'Enter');
    await log.getByRole('button', { name: /^Send again in/ }).waitFor();
    await state('limited');
    await log.getByRole('button', { name: 'Send again', exact: true }).click();
    await grown(60);
    await idle();

    // The token runs out in mid-answer: once it is renewed without a word, once the user must sign in; then it goes on.
    await page.fill('#message', 'Let it expire');
    await page.press('#message', 'Enter');
    await page.locator('#inspector', { hasText: 'TOKEN_EXPIRED' }).waitFor();
    await idle();
    assert.match(await log.locator('.answered').last().textContent(), /128 hp.*5,500 rpm.*owner.s manual/s);
    assert.equal(await text('#identity'), 'Ada');
    await page.fill('#message', 'Let it expire for good');
    await page.press('#message', 'Enter');
    await page.locator('#errors', { hasText: 'TOKEN_EXPIRED' }).waitFor();
    await word('disconnected');
    await page.getByText('sign in again to see it').waitFor();
    await state('expired');
    await page.fill('#email', email);
    await page.fill('#password', 'correct horse');
    await page.click('#login');
    await page.locator('#identity', { hasText: /ada/i }).waitFor();
    await idle();
    assert.match(await log.locator('.answered').last().textContent(), /128 hp.*5,500 rpm.*owner.s manual/s);
    await page.getByRole('button', { name: 'Clear' }).first().click();
  }

  if (!real) {
    await page.fill('#message', 'Please fail');
    await page.press('#message', 'Enter');
    await page.locator('#errors', { hasText: 'PROCESSING_ERROR' }).waitFor();
    await page.locator('#history .tag.failed', { hasText: /^failed$/ }).waitFor();
    await state('failed');
    await page.locator('#history').getByRole('button', { name: 'Try again', exact: true }).click();
    await page.locator('#history .tag.failed', { hasText: /^failed$/ }).nth(1).waitFor();
  }
  await page.press('#message', 'Enter');
  await page.locator('#errors', { hasText: 'EMPTY_MESSAGE' }).waitFor();
  assert.ok(!(await page.locator('#inspector').textContent()).includes('mock.'), 'no token in the frames shown');

  // Logging out leaves nothing of the user, and a connection that is nobody's.
  if (!real) {
    await page.locator('summary', { hasText: 'Signed in' }).click();
    await page.click('#signout');
    await page.locator('#identity', { hasText: 'not signed in' }).waitFor();
    await word('connected');
    assert.equal(await page.locator('#history').textContent(), '');
    assert.equal(await page.evaluate(() => sessionStorage.getItem('headwater.token')), null);
    await page.click('#guest');
    await page.locator('#identity', { hasText: 'Guest' }).waitFor();
  }
  await done();
}

async function frontPage(look, options) {
  const { page, state, done } = await open(look, options, '/', 'front');
  await state('idle');
  await page.fill('#email', `bob-${look}-${Date.now()}@example.com`);
  await page.fill('#password', 'correct horse');
  await page.fill('#name', 'Bob');
  await page.click('#register');
  await page.locator('#identity', { hasText: 'Bob' }).waitFor();
  await page.fill('textarea#message', real ? 'What is the engine power?' : 'What is the engine power? And something unknown. Then book, with a person, slowly');
  await page.click('#start');
  const viewer = page.locator('.viewer');
  await viewer.first().locator('.events tr.token').nth(8).waitFor();
  await page.getByRole('button', { name: 'Second viewer' }).click();
  await viewer.nth(1).locator('.events tr.token').nth(12).waitFor();
  await state('midstream');
  await viewer.first().getByRole('button', { name: 'Drop and resume' }).click();
  await viewer.first().getByText('dropped').waitFor();
  await viewer.first().locator('.tag.resumed').waitFor();
  await state('resumed');
  for (const i of [0, 1]) await viewer.nth(i).locator('.tag.completed', { hasText: /^completed$/ }).waitFor();
  const out = viewer.locator('.out');
  assert.equal(await out.nth(0).textContent(), await out.nth(1).textContent(), 'two viewers, one text');
  assert.equal(await viewer.locator('.tag', { hasText: 'none missing, none twice' }).count(), 2);
  if (!real) assert.ok((await viewer.first().locator('.events').textContent()).includes('"sky":"blue"'), 'unknown events are shown raw');
  if (!real) {
    const rows = await viewer.first().locator('.events').textContent();
    for (const said of ['book_appointment(service: "oil_change"', '✕ get_service_history', 'ESC-20261121-7F3A']) assert.ok(rows.includes(said), said);
    await viewer.first().locator('tr.escalated').scrollIntoViewIfNeeded();
  }
  await state('done');

  await page.fill('#position', '9');
  await page.getByRole('button', { name: /^Open run \S+$/ }).first().click();
  await page.locator('.viewer .tag', { hasText: /^10–\d+, none missing/ }).waitFor();
  await page.fill('#position', '9999');
  await page.getByRole('button', { name: /^Open run \S+$/ }).first().click();
  await page.locator('.viewer', { hasText: 'refused' }).waitFor();
  await state('error');

  if (!real) {
    assert.equal(await page.locator('#pick-model').count(), 0, 'the assistant has a model of its own');
    await page.selectOption('#workflow', 'generate');
    await page.selectOption('#pick-model', 'large');
    await page.fill('textarea#message', 'Think, then cite');
    await page.click('#start');
    await viewer.locator('.thinking summary', { hasText: 'Thinking…' }).click();
    await viewer.locator('.citations a').waitFor();
    await viewer.locator('.spent', { hasText: /^elsewhere · mock-9: 1,212 in, \d+ out, \$0\.0021$/ }).waitFor();
    await state('thinking');
    await page.fill('textarea#message', 'Please fail');
    await page.click('#start');
    await viewer.locator('.wrong', { hasText: 'closed the stream' }).waitFor();
    const failed = await viewer.locator('.meta code').first().getAttribute('title');
    await state('failed');
    await viewer.getByRole('button', { name: 'Try again', exact: true }).click();
    await page.waitForFunction((id) => document.querySelector('.viewer .meta code')?.title !== id, failed);
    await viewer.locator('.wrong', { hasText: 'closed the stream' }).waitFor();
    await page.selectOption('#workflow', 'assist');
  }
  await page.fill('textarea#message', 'A long answer');
  await page.click('#start');
  await viewer.first().locator('.events tr.token').nth(3).waitFor();
  await page.getByRole('button', { name: 'Stop the run' }).click();
  await viewer.locator('.tag.cancelled').waitFor();
  await state('stopped');
  await done();
}

async function knowledgePage(look, options) {
  const { page, state, done } = await open(look, options, '/knowledge', 'knowledge');
  await page.locator('#email').waitFor();
  await state('idle');
  await page.fill('#email', `cleo-${look}-${Date.now()}@example.com`);
  await page.fill('#password', 'correct horse');
  await page.fill('#name', 'Cleo');
  await page.click('#register');
  await page.locator('#identity', { hasText: 'Cleo' }).waitFor();
  await page.locator('#documents tbody tr').first().waitFor();
  const before = await page.locator('#documents tbody tr').count();

  const file = (name, size) => ({ name, mimeType: 'text/markdown', buffer: Buffer.from('# Tyres\n\nThe zebra pressure is 2.3 bar. '.padEnd(size, 'All four tyres are alike. ')) });
  const files = [file('tyres.md', 9_000), file('notes.txt', 500), { ...file('photo.exe', 10) }];
  if (!real) files.push(file('broken.pdf', 2_000));
  await page.setInputFiles('#files', files);
  await page.locator('#uploads', { hasText: 'Unsupported file format' }).waitFor();
  if (!real) await page.locator('#uploads li', { hasText: /indexing \d+ of 9/ }).waitFor();
  await state('uploading');
  await page.locator('#uploads li.done', { hasText: 'tyres.md' }).waitFor();
  await page.locator('#uploads li.done', { hasText: 'notes.txt' }).waitFor();
  if (!real) await page.locator('#uploads li.failed', { hasText: 'page 3' }).waitFor();
  await page.locator('#documents', { hasText: 'tyres.md' }).waitFor();
  assert.equal(await page.locator('#documents tbody tr').count(), before + 2);

  await page.fill('#query', 'zebra pressure');
  await page.press('#query', 'Enter');
  await page.locator('#hits li', { hasText: '2.3 bar' }).first().waitFor();
  await state('found');
  await page.fill('#query', 'qqqq wwww');
  await page.fill('#least', '0.95');
  await page.click('#search');
  await page.getByText('Nothing is good enough').waitFor();

  await page.getByRole('button', { name: 'Delete notes.txt' }).click();
  await state('sure');
  await page.getByRole('button', { name: 'Really delete notes.txt' }).click();
  await page.locator('#documents', { hasText: 'notes.txt' }).waitFor({ state: 'detached' });
  // What is everybody's is nobody's to delete.
  await page.getByRole('button', { name: 'Delete faq_genautox1.md' }).click();
  await page.getByRole('button', { name: 'Really delete faq_genautox1.md' }).click();
  await page.locator('#errors', { hasText: 'Document not found' }).waitFor();
  await state('error');
  await page.reload();
  await page.locator('#identity', { hasText: 'Cleo' }).waitFor();
  await page.locator('#documents', { hasText: 'tyres.md' }).waitFor();
  await done();
}

async function docsPage(look, options) {
  const { page, response, state, done } = await open(look, options, '/docs', 'docs');
  const html = await response.text();
  for (const link of ['/openapi.json', '/docs/native.md', '/docs/chat.md']) {
    assert.ok(html.includes(`href="${link}"`), `without JavaScript: ${link}`);
    assert.equal((await page.request.get(url + link)).status(), 200);
  }
  await page.locator('.op').first().waitFor();
  const document = await (await page.request.get(`${url}/openapi.json`)).json();
  const count = Object.values(document.paths).reduce((n, item) => n + Object.keys(item).length, 0);
  assert.equal(await page.locator('.op').count(), count, 'every operation is shown');
  await state('idle');

  // Registering by the page itself; then its token is used.
  const op = (id) => page.locator(`#${id}`);
  const tried = async (id, status) => {
    await op(id).locator('button[type=submit]').click();
    await op(id).locator('.answer .tag', { hasText: new RegExp(`^${status} `) }).waitFor();
  };
  await op('me').locator('summary').first().click();
  await tried('me', 401);
  await page.locator('.aside summary').click();
  await page.fill('#email', `dora-${look}-${Date.now()}@example.com`);
  await page.fill('#password', 'correct horse');
  await page.fill('#name', 'Dora');
  await page.click('#register');
  await page.locator('#identity', { hasText: 'Dora' }).waitFor();
  await tried('me', 200);
  assert.ok((await op('me').locator('.got').textContent()).includes('"name": "Dora"'));
  await op('me').locator('summary').first().click();

  await page.goto(`${url}/docs#start_run`);
  await page.reload();
  await op('start_run').locator('.try').waitFor();
  await page.locator('#identity', { hasText: 'Dora' }).waitFor();
  // Long and slowly: it is to be under way still when it is followed, and stopped.
  await op('start_run').getByRole('textbox', { name: 'Body' }).fill('{"workflow":"assist","message":"A long answer, slowly"}');
  await tried('start_run', 201);
  const { run_id } = JSON.parse(await op('start_run').locator('.got').textContent());
  assert.ok((await op('start_run').locator('.line').textContent()).includes('Bearer $TOKEN'));
  await op('start_run').scrollIntoViewIfNeeded();
  await state('tried');
  await op('start_run').locator('summary').first().click();

  // A stream is shown while it comes.
  await page.fill('#find', 'log stream');
  assert.ok((await page.locator('.op').count()) < 5);
  await op('follow_run').locator('summary').first().click();
  await op('follow_run').getByRole('textbox', { name: 'run_id' }).fill(run_id);
  await op('follow_run').getByLabel('Answer as').selectOption('text/event-stream');
  await op('follow_run').locator('button[type=submit]').click();
  await op('follow_run').locator('.got', { hasText: '"type":"token"' }).waitFor();
  await state('stream');
  await op('follow_run').getByRole('button', { name: 'Stop' }).click();
  await op('follow_run').locator('.answer .tag', { hasText: 'stopped here' }).waitFor();
  await op('follow_run').locator('summary').first().click();

  await page.fill('#find', 'websocket native');
  await op('ws_native').locator('summary').first().click();
  await op('ws_native').locator('.shape summary', { hasText: 'follow' }).first().click();
  await state('socket');
  await page.fill('#find', 'upload');
  await op('upload_document').locator('summary').first().click();
  await state('upload');
  await page.fill('#find', 'no such words');
  await page.getByText('No route has these words').waitFor();
  await done();
}

async function mock() {
  const child = spawn(process.execPath, [fileURLToPath(new URL('../mock/server.mjs', import.meta.url))], {
    env: { ...process.env, MOCK_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await new Promise((done, lost) => {
    child.stdout.on('data', (line) => done(/http\S+/.exec(line)[0]));
    child.on('exit', () => lost(new Error('the mock ended')));
  });
  return { url, end: () => child.kill() };
}
