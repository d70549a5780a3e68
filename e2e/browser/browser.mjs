// Chromium with a profile of its own that is thrown away at the end, for one scenario: one JSON object on
// standard input. The report is one on standard output; the exit code is 1 when a step failed, and the report
// then says which and why.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { chromium } from 'playwright-core';
import { Traffic } from './traffic.mjs';

export const chromiumArgs = [
  '--no-sandbox', // Chromium's sandbox refuses root
  '--disable-gpu',
  '--disable-3d-apis', // without WebGL the terminal draws text, which can be read
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * @template Step
 * @typedef {{ chromium: string, url: string, stepTimeoutMs: number, failureScreenshot: string, steps: Step[] }} Scenario
 */

/**
 * Opens the scenario's URL and plays its steps.
 *
 * @template {{ do: string }} Step
 * @template Shown what ready gives, for the steps to act on
 * @param {string} what it is that has to be there first
 * @param {(page: import('playwright-core').Page, stepTimeoutMs: number) => Promise<Shown>} ready
 * @param {(shown: Shown, page: import('playwright-core').Page, step: Step) => Promise<string>} take
 *   gives what the step found out; "" when it only does something
 */
export async function play(what, ready, take) {
  /** @type {Scenario<Step>} */
  const scenario = JSON.parse(await text(process.stdin));
  const profile = await mkdtemp(join(tmpdir(), 'bothy-e2e-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: scenario.chromium,
    headless: true,
    viewport: { width: 1280, height: 800 },
    args: chromiumArgs,
  });

  /** @type {string[]} */
  const results = [];
  /** @type {string[]} */
  const complaints = [];
  let at = 'open the page';
  let problem = '';
  let status = 0;
  const page = context.pages()[0] ?? (await context.newPage());
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  const traffic = new Traffic(page);
  try {
    const response = await goto(page, scenario.url);
    status = response?.status() ?? 0;
    at = `wait for ${what}`;
    const shown = await ready(page, scenario.stepTimeoutMs);
    for (const [i, step] of scenario.steps.entries()) {
      at = `step ${i + 1} (${step.do})`;
      results.push(await take(shown, page, step));
    }
  } catch (error) {
    problem = `${at}: ${error instanceof Error ? error.message : String(error)}`;
    await page.screenshot({ path: scenario.failureScreenshot }).catch(() => {}); // the page may be gone; the problem above is what counts
  }
  const report = {
    problem,
    status,
    url: page.url(),
    results,
    requests: traffic.requests,
    failures: traffic.failures,
    sockets: traffic.sockets,
    origins: [...traffic.origins].sort(),
    complaints,
  };
  traffic.leave();
  await context.close();
  await rm(profile, { recursive: true, force: true });
  process.stdout.write(`${JSON.stringify(report)}\n`);
  process.exitCode = problem === '' ? 0 : 1;
}

/**
 * Goes to an address; where that is a link of Bothy's, on through the page that asks before it is taken.
 *
 * @param {import('playwright-core').Page} page
 * @param {string} url
 */
export async function goto(page, url) {
  const response = await page.goto(url, { waitUntil: 'domcontentloaded' });
  const button = page.locator('form[action*="/-/enter?"] button');
  if ((await button.count()) === 0) return response;
  const [led] = await Promise.all([page.waitForNavigation({ waitUntil: 'domcontentloaded' }), button.click()]);
  return led;
}
