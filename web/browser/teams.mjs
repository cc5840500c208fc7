// `/orchestrate/test` in a browser: a brief, two teams side by side, a drop, a cancel, a failure, and the list of jobs.
import assert from 'node:assert/strict';

export async function teamsPage({ open, look, options, real }) {
  const { page, state, reachable, done } = await open(look, options, '/orchestrate/test', 'teams');
  const word = (w) => page.waitForFunction((w) => document.querySelector('#status').textContent === w, w);
  const job = (w) => page.waitForFunction((w) => document.querySelector('#job-status')?.textContent === w, w);
  const team = (name) => page.locator(`.team[data-team="${name}"]`);
  const code = (name) => team(name).locator('pre.team-code');
  const said = (words) => page.locator('#errors', { hasText: words }).waitFor();

  await page.getByText('One brief, several teams.').waitFor();
  await state('empty');
  await page.fill('#email', `otto-${look}-${Date.now()}@example.com`);
  await page.fill('#password', real ? 'A-long-passw0rd!' : 'correct horse');
  await page.fill('#name', 'Otto');
  await page.click('#register');
  await page.locator('#notice', { hasText: 'google' }).waitFor();
  await page.getByText('No job yet: give').waitFor();

  // What is wrong is said, here and by the server.
  await page.fill('#style', 'blue');
  await page.click('#start');
  await page.getByText('is not “key: value”').waitFor();
  await page.fill('#style', 'color: blue\nrounded: true');
  await page.locator('summary', { hasText: 'Workspace' }).click();
  await page.fill('input[name=project_name]', 'shop');
  await page.click('#start');
  await said('project_path');
  await state('refused');
  await page.fill('input[name=project_path]', '/home/otto/shop');
  await page.fill('input[name=dependencies]', 'react, zod');

  // By keyboard: Tab from the last field to the button.
  await page.fill('#brief', real ? 'A login form' : 'A login form, by plan');
  await page.focus('#start');
  await page.keyboard.press('Enter');
  await team('anthropic').locator('.team-thoughts li').first().waitFor();
  await page.waitForFunction(() => document.querySelector('[data-team=google] pre.team-code')?.textContent.length > 60);
  await state('midstream');
  const id = await page.locator('#job-id').textContent();
  await page.click('#drop');
  await word('disconnected');
  await word('connected');
  await job('complete');
  for (const name of ['anthropic', 'google']) {
    await team(name).locator('.state', { hasText: 'complete' }).waitFor();
    if (!real) assert.ok((await code(name).textContent()).endsWith('  );\n}\n') && (await code(name).textContent()).startsWith('export default'), `whole: ${name}`);
    const thoughts = await team(name).locator('.team-thoughts li').allTextContents();
    assert.ok(thoughts.length >= 1);
    if (!real) assert.equal(thoughts.length, 3, 'each thought once');
  }
  if (!real) {
    assert.match(await page.locator('#phases').textContent(), /planner complete.*anthropic complete.*google complete/);
    await page.getByText('Plan and review, 1 thought').waitFor();
    assert.match(await team('google').textContent(), /in place of google: tiny local model/);
  }
  await page.context().grantPermissions(['clipboard-write', 'clipboard-read']);
  await team('google').locator('.copy').click();
  await team('google').getByText('copied', { exact: true }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await code('google').textContent());
  await state('complete');
  if (look === 'light') await reachable();

  // A reload shows the same job, told from its beginning.
  await page.reload();
  await job('complete');
  await page.waitForFunction(() => document.querySelectorAll('pre.team-code').length === 2);
  assert.equal(await page.locator('#job-id').textContent(), id);

  // A reload in the middle of a job: it is followed again from its beginning, to its end.
  await page.fill('#brief', 'A login form with an email, a password and a way to begin anew, long');
  await page.click('#start');
  await page.waitForFunction(() => document.querySelector('[data-team=google] pre.team-code')?.textContent.length > 100);
  const running = await page.locator('#job-id').textContent();
  await page.reload();
  await page.waitForFunction((id) => document.querySelector('#job-id')?.textContent === id, running);
  await page.waitForFunction(() => document.querySelector('[data-team=google] pre.team-code')?.textContent.length > 200);
  await state('reloaded');
  await word('connected');
  await page.click('#cancel');
  await job('cancelled');

  // Cancelled at once: nothing comes after it, and it is in no list.
  await page.fill('#brief', 'Something long');
  await page.click('#start');
  await page.waitForFunction((id) => document.querySelector('#job-id').textContent !== id, id);
  const second = await page.locator('#job-id').textContent();
  await page.waitForFunction(() => document.querySelector('pre.team-code')?.textContent.length > 20);
  await page.click('#cancel');
  await job('cancelled');
  await team('google').locator('.wrong', { hasText: 'Job cancelled' }).waitFor();
  await state('cancelled');
  await page.fill('#wanted', second);
  await page.click('#open');
  await said('Job not found');

  // One team only; then one that fails, and once more.
  await page.locator('input[value=anthropic]').uncheck();
  await page.fill('#brief', 'A button');
  await page.click('#start');
  await job('complete');
  assert.equal(await page.locator('.team').count(), 1);
  await page.locator('input[value=anthropic]').check();
  if (!real) {
    await page.fill('#brief', 'Let it fail');
    await page.click('#start');
    await job('error');
    await team('google').locator('.wrong', { hasText: 'API rate limit exceeded' }).waitFor();
    await state('failed');
    await page.click('#once-more');
    await job('complete');
  }

  // The list: by status, page by page, and a job of the past by its line.
  await page.selectOption('#only', 'complete');
  await page.locator('#past li', { hasText: 'A login form' }).waitFor();
  await page.selectOption('#only', 'received');
  await page.getByText('No job of this status.').waitFor();
  await page.selectOption('#only', '');
  await page.locator('.job-line', { hasText: 'A login form' }).click();
  await page.waitForFunction((id) => document.querySelector('#job-id').textContent === id, id);
  if (!real) {
    for (let n = 0; n < 8; n++) {
      await page.fill('#brief', `Brief ${n}`);
      await page.click('#start');
      await page.locator('.job-line', { hasText: `Brief ${n}` }).waitFor();
      await page.click('#cancel');
      await job('cancelled');
      if (n < 3) continue;
      await page.fill('#brief', `Kept ${n}`);
      await page.click('#start');
      await page.locator('.job-line', { hasText: `Kept ${n}` }).waitFor();
      await job('complete');
    }
    await page.click('#older');
    await page.locator('#past li', { hasText: 'A login form' }).waitFor();
    await page.click('#newer');
  }
  await state('jobs');
  await page.locator('summary', { hasText: 'Signed in' }).click();
  await page.click('#signout');
  await page.getByText('One brief, several teams.').waitFor();
  await done();
}
