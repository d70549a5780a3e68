// One visit to a workspace.

import { play } from './browser.mjs';
import { Workbench } from './workbench.mjs';

/**
 * @typedef {{ do: 'write', name: string, text: string }} Write
 * @typedef {{ do: 'read', name: string }} Read
 * @typedef {{ do: 'settings', settings: Record<string, unknown> }} Settings
 * @typedef {{ do: 'fontSize' }} FontSize
 * @typedef {{ do: 'terminal', command: string, shows: string }} Terminal
 * @typedef {{ do: 'screenshot', path: string }} Screenshot
 * @typedef {Write | Read | Settings | FontSize | Terminal | Screenshot} Step
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

await play(
  'the workbench',
  async (page, stepTimeoutMs) => {
    const workbench = new Workbench(page, stepTimeoutMs);
    await workbench.ready();
    return workbench;
  },
  take,
);
