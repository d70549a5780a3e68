// A link of a student's to a page of theirs, in somebody else's browser.

import { attack } from './attack.mjs';
import { goto, play } from './browser.mjs';

/**
 * @typedef {{ do: 'goto', path: string }} Goto another address, in the same browser
 * @typedef {{ do: 'attack', name: string, path: string, text: string }} Attack name is the other workspace's address, path
 *   where the page's own server answers, text the console's address
 * @typedef {{ do: 'signIn', name: string, text: string }} SignIn with login and password, and wait for VS Code
 * @typedef {{ do: 'link', path: string, name: string, text: string }} Link asks the API for a link, at path with the
 *   cookies in name, to the path in text; the steps after it follow it
 * @typedef {{ do: 'follow' }} Follow the link as far as the page that asks, whose text it gives
 * @typedef {{ do: 'press' }} Press the button of that page
 * @typedef {{ do: 'page', path: string }} Page of an address: its own address and text
 * @typedef {{ do: 'screenshot', path: string }} Screenshot
 * @typedef {Goto | Attack | SignIn | Link | Follow | Press | Page | Screenshot} Step
 */

let link = '';

await play(
  'the page',
  async (page, stepTimeoutMs) => {
    page.setDefaultTimeout(stepTimeoutMs);
    /** @type {{ url: string, status: number, method: string }[]} */
    const answers = [];
    page.on('response', (response) => {
      answers.push({ url: response.url(), status: response.status(), method: response.request().method() });
    });
    return answers;
  },
  /** @param {{ url: string, status: number, method: string }[]} answers @param {import('playwright-core').Page} page @param {Step} step */
  async (answers, page, step) => {
    switch (step.do) {
      case 'goto':
        await goto(page, step.path);
        return '';
      case 'attack': {
        answers.length = 0;
        const tried = await page.evaluate(attack, { other: step.name, own: step.path, console: step.text });
        return JSON.stringify({ ...tried, answers: answers.filter((a) => a.url.startsWith(step.name)) });
      }
      case 'signIn':
        await page.locator('[name="login"]').fill(step.name);
        await page.locator('[name="password"]').fill(step.text);
        await page.getByRole('button', { name: 'Sign in' }).first().click();
        await page.locator('.monaco-workbench').first().waitFor();
        return page.url();
      case 'link': {
        const answer = await fetch(step.path, {
          method: 'POST',
          headers: { Cookie: step.name, 'Content-Type': 'application/json' },
          body: JSON.stringify({ path: step.text }),
        });
        if (answer.status !== 200) throw new Error(`a link: ${answer.status} ${await answer.text()}`);
        ({ url: link } = await answer.json());
        return '';
      }
      case 'follow':
        await page.goto(link, { waitUntil: 'domcontentloaded' });
        return page.locator('body').innerText();
      case 'press':
        await goto(page, link);
        return page.url();
      case 'page':
        await page.goto(step.path, { waitUntil: 'domcontentloaded' });
        return `${page.url()}\n${await page.locator('body').innerText()}`;
      case 'screenshot':
        await page.screenshot({ path: step.path });
        return '';
    }
  },
);
