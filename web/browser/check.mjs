// `npm run browser [-- --shots DIR]`: both built pages in a real Chromium against the mock, or against HEADWATER_URL.
// Checks what only a browser can show: CSP, the element ids, drop and resume, stop, errors, keyboard, axe.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { readFileSync } from 'node:fs';

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
let failed = 0;
try {
  for (const [look, options] of Object.entries(LOOKS)) {
    await chatPage(look, options);
    await frontPage(look, options);
  }
} catch (e) {
  failed = 1;
  console.error(e);
} finally {
  await browser.close();
  end();
}
process.exit(failed);

async function open(look, options, path, name) {
  const context = await browser.newContext({ ...options, reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const complaints = [];
  // A 4xx that a check provokes is logged by the browser as "Failed to load resource": that one is expected.
  page.on('console', (m) => m.type() === 'error' && !/Failed to load resource/.test(m.text()) && complaints.push(m.text()));
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
  };
  const state = async (s) => (await wide(s), await shot(s), await accessible(s));
  const done = async () => {
    assert.deepEqual(complaints, [], `console of ${name} ${look}`);
    assert.ok(!page.url().includes('token'), 'no token in the address');
    await context.close();
    console.log(`ok ${name} ${look}`);
  };
  return { page, response, state, done };
}

async function chatPage(look, options) {
  const { page, response, state, done } = await open(look, options, '/ws/test', 'chat');
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

  await page.fill('#email', `ada-${look}-${Date.now()}@example.com`);
  await page.fill('#password', 'correct horse');
  await page.fill('#name', 'Ada');
  await page.click('#register');
  await page.locator('#identity', { hasText: 'Ada' }).waitFor();
  await state('idle');

  // Enter sends. Drop in mid-stream; what follows is whole.
  await page.fill('#message', 'What is the engine power?');
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

  // A reload in mid-stream goes on where it was.
  await page.getByRole('button', { name: 'How often is the service?' }).click();
  await grown(20);
  await page.reload();
  await word('connected');
  await idle();
  assert.ok((await page.locator('#history').textContent()).includes('10,000 km'), 'after a reload the answer is there');

  if (!real) {
    await page.fill('#message', 'Please fail');
    await page.press('#message', 'Enter');
    await page.locator('#errors', { hasText: 'PROCESSING_ERROR' }).waitFor();
    await page.locator('#history .tag.failed').waitFor();
    await state('failed');
  }
  await page.press('#message', 'Enter');
  await page.locator('#errors', { hasText: 'EMPTY_MESSAGE' }).waitFor();
  assert.ok(!(await page.locator('#inspector').textContent()).includes('mock.'), 'no token in the frames shown');
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
  await page.fill('textarea#message', real ? 'What is the engine power?' : 'What is the engine power? And something unknown');
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
  await state('done');

  await page.fill('#position', '9');
  await page.getByRole('button', { name: /^Open run \S+$/ }).first().click();
  await page.locator('.viewer .tag', { hasText: /^10–\d+, none missing/ }).waitFor();
  await page.fill('#position', '9999');
  await page.getByRole('button', { name: /^Open run \S+$/ }).first().click();
  await page.locator('.viewer', { hasText: 'refused' }).waitFor();
  await state('error');

  await page.fill('textarea#message', 'A long answer');
  await page.click('#start');
  await viewer.first().locator('.events tr.token').nth(3).waitFor();
  await page.getByRole('button', { name: 'Stop the run' }).click();
  await viewer.locator('.tag.cancelled').waitFor();
  await state('stopped');
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
