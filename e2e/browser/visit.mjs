// One visit to a workspace in Chromium, with a profile of its own that is thrown away at the end.
// The scenario is one JSON object on standard input, the report one on standard output; the exit code is 1
// when a step failed, and the report then says which and why.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { chromium } from 'playwright-core';
import { Traffic } from './traffic.mjs';
import { Workbench } from './workbench.mjs';

/**
 * @typedef {{ do: 'write', name: string, text: string }} Write
 * @typedef {{ do: 'read', name: string }} Read
 * @typedef {{ do: 'settings', settings: Record<string, unknown> }} Settings
 * @typedef {{ do: 'fontSize' }} FontSize
 * @typedef {{ do: 'terminal', command: string, shows: string }} Terminal
 * @typedef {{ do: 'screenshot', path: string }} Screenshot
 * @typedef {Write | Read | Settings | FontSize | Terminal | Screenshot} Step
 * @typedef {{ chromium: string, url: string, stepTimeoutMs: number, failureScreenshot: string, steps: Step[] }} Scenario
 */

/**
 * @param {Workbench} workbench
 * @param {import('playwright-core').Page} page
 * @param {Step} step
 * @returns {Promise<string>} what the step found out; "" when it only does something
 */
async function take(workbench, page, step) {
  switch (step.do) {
    case 'write':
      await workbench.writeFile(step.name, step.text);
      return '';
    case 'read':
      return workbench.readFile(step.name);
    case 'settings':
      await workbench.changeSettings(step.settings);
      return '';
    case 'fontSize':
      return String(await workbench.fontSize());
    case 'terminal':
      await workbench.terminal(step.command, step.shows);
      return '';
    case 'screenshot':
      await page.screenshot({ path: step.path });
      return '';
  }
}

/** @type {Scenario} */
const scenario = JSON.parse(await text(process.stdin));
const profile = await mkdtemp(join(tmpdir(), 'bothy-e2e-chromium-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: scenario.chromium,
  headless: true,
  viewport: { width: 1280, height: 800 },
  args: [
    '--no-sandbox', // Chromium's sandbox refuses root
    '--disable-gpu',
    '--disable-3d-apis', // without WebGL the terminal draws text, which can be read
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});

/** @type {string[]} */
const results = [];
let at = 'open the page';
let problem = '';
let status = 0;
const page = context.pages()[0] ?? (await context.newPage());
const traffic = new Traffic(page);
try {
  const response = await page.goto(scenario.url, { waitUntil: 'domcontentloaded' });
  status = response?.status() ?? 0;
  at = 'wait for the workbench';
  const workbench = new Workbench(page, scenario.stepTimeoutMs);
  await workbench.ready();
  for (const [i, step] of scenario.steps.entries()) {
    at = `step ${i + 1} (${step.do})`;
    results.push(await take(workbench, page, step));
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
};
traffic.leave();
await context.close();
await rm(profile, { recursive: true, force: true });
process.stdout.write(`${JSON.stringify(report)}\n`);
process.exitCode = problem === '' ? 0 : 1;
