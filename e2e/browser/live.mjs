// Several people at once, each with a browser profile of their own, who do what a test tells them, step by step:
// the first line of standard input is the scene, each further one a step; each answer is one line on standard output.

import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { attack } from './attack.mjs';
import { chromiumArgs, goto } from './browser.mjs';
import { Traffic } from './traffic.mjs';
import { Workbench } from './workbench.mjs';

/**
 * @typedef {{ chromium: string, args: string[], stepTimeoutMs: number }} Scene
 * @typedef {{ who: string, tab: string, do: string, path?: string, name?: string, text?: string, command?: string, shows?: string }} Step
 *   who has a profile, tab is one page of it
 * @typedef {{ page: import('playwright-core').Page, traffic: Traffic, workbench: Workbench }} Tab
 */

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** @returns {Promise<unknown>} undefined at the end */
async function next() {
  const line = await lines.next();
  return line.done ? undefined : JSON.parse(line.value);
}

const scene = /** @type {Scene} */ (await next());
const browser = await chromium.launch({ executablePath: scene.chromium, headless: true, args: [...chromiumArgs, ...scene.args] });

/** @type {Map<string, import('playwright-core').BrowserContext>} */
const people = new Map();
/** @type {Map<string, Tab>} */
const tabs = new Map();

/** @param {string} who */
async function person(who) {
  const known = people.get(who);
  if (known) return known;
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  people.set(who, context);
  return context;
}

/** @param {Step} step */
async function tabOf(step) {
  const key = `${step.who}/${step.tab}`;
  const known = tabs.get(key);
  if (known) return known;
  const context = await person(step.who);
  const page = await context.newPage();
  const tab = { page, traffic: new Traffic(page), workbench: new Workbench(page, scene.stepTimeoutMs) };
  tabs.set(key, tab);
  return tab;
}

/**
 * Another document is there: Chromium does not tell of the WebSockets that went with the last one.
 *
 * @param {import('./traffic.mjs').Socket[]} sockets
 */
function gone(sockets) {
  for (const socket of sockets) {
    if (!socket.open) continue;
    socket.open = false;
    socket.closed = Date.now();
  }
}

/**
 * @param {Tab} tab
 * @param {Step} step
 * @returns {Promise<string>}
 */
async function take({ page, traffic, workbench }, step) {
  const { path = '', name = '', text = '' } = step;
  switch (step.do) {
    case 'go': {
      const before = [...traffic.sockets];
      const response = await goto(page, path);
      gone(before);
      return `${response?.status() ?? 0} ${page.url()}`;
    }
    case 'reload': {
      const before = [...traffic.sockets];
      const response = await page.reload({ waitUntil: 'domcontentloaded' });
      gone(before);
      return `${response?.status() ?? 0} ${page.url()}`;
    }
    case 'fill':
      await page.locator(`[name="${name}"]`).fill(text);
      return '';
    case 'press':
      await page.getByRole('button', { name }).first().click();
      return '';
    case 'shows':
      await page.getByText(text).first().waitFor();
      return '';
    case 'page':
      return `${page.url()}\n${await page.locator('body').innerText()}`;
    case 'workbench':
      await workbench.ready();
      return page.url();
    case 'write':
      await workbench.writeFile(name, text);
      return '';
    case 'append':
      await workbench.append(name, text);
      return '';
    case 'read':
      return workbench.readFile(name);
    case 'terminal':
      await workbench.terminal(step.command ?? '', step.shows ?? '');
      return '';
    case 'sockets':
      return JSON.stringify(traffic.sockets);
    case 'cookies':
      return JSON.stringify(await page.context().cookies());
    case 'run':
      return String(await page.evaluate(text));
    case 'attack': {
      // name is the other workspace's address, path where the page's own server answers, text the console's address.
      /** @type {{ url: string, status: number, method: string }[]} */
      const answers = [];
      /** @param {import('playwright-core').Response} response */
      const listen = (response) => {
        answers.push({ url: response.url(), status: response.status(), method: response.request().method() });
      };
      /** @param {import('playwright-core').Request} request */
      const fails = (request) => void answers.push({ url: request.url(), status: 0, method: request.method() });
      page.on('response', listen);
      page.on('requestfailed', fails);
      const tried = await page.evaluate(attack, { other: name, own: path, console: text });
      page.off('response', listen);
      page.off('requestfailed', fails);
      /** @param {string} origin */
      const of = (origin) => answers.filter((a) => a.url.startsWith(origin));
      return JSON.stringify({ ...tried, answers: of(name).filter((a) => a.status > 0), console: of(text) });
    }
    case 'screenshot':
      await mkdir(dirname(path), { recursive: true });
      await page.screenshot({ path });
      return '';
    default:
      throw new Error(`there is no step "${step.do}"`);
  }
}

for (;;) {
  const step = /** @type {Step | undefined} */ (await next());
  if (!step) break;
  let result = '';
  let problem = '';
  try {
    const tab = await tabOf(step);
    tab.page.setDefaultTimeout(scene.stepTimeoutMs);
    result = await take(tab, step);
  } catch (error) {
    problem = error instanceof Error ? `${error.message} ${error.cause instanceof Error ? error.cause.message : ''}` : String(error);
  }
  process.stdout.write(`${JSON.stringify({ result, problem, at: Date.now() })}\n`);
}
await browser.close();
