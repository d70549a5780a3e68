// What a page that a student controls can do in somebody's browser: a report of each thing that it tries.

/**
 * Runs inside the hostile page.
 *
 * @param {{ other: string, own: string, console: string }} at
 */
export async function attack(at) {
  /** @param {() => Promise<unknown>} what */
  const attempt = async (what) => {
    try {
      return String(await what());
    } catch (error) {
      return `refused: ${error instanceof Error ? error.name : String(error)}`;
    }
  };
  /** @param {(done: (said: string) => void) => void} begin */
  const within = (begin) =>
    new Promise((resolve) => {
      begin(resolve);
      setTimeout(() => resolve('nothing'), 5000);
    });
  return {
    cookies: document.cookie,
    sent: await attempt(async () => (await fetch(`${at.own}headers`)).text()),
    read: await attempt(async () => (await fetch(at.other, { credentials: 'include' })).status),
    blind: await attempt(async () => (await fetch(at.other, { credentials: 'include', mode: 'no-cors' })).type),
    post: await attempt(async () => (await fetch(at.other, { method: 'POST', credentials: 'include', mode: 'no-cors', body: 'x' })).type),
    frame: await attempt(() =>
      within((done) => {
        const frame = document.createElement('iframe');
        frame.src = at.other;
        frame.onload = () => {
          try {
            done(frame.contentDocument?.body.innerText ?? 'out of reach');
          } catch {
            done('out of reach');
          }
        };
        document.body.append(frame);
      }),
    ),
    socket: await attempt(() =>
      within((done) => {
        const socket = new WebSocket(at.other.replace('http', 'ws'));
        socket.onopen = () => done('open');
        socket.onerror = () => done('refused');
      }),
    ),
    worker: await attempt(async () => (await navigator.serviceWorker.register(`${at.own}worker.js`, { scope: '/' })).scope),
    api: await attempt(async () => (await fetch(`${at.console}/v1/workspaces`, { credentials: 'include' })).status),
    peek: await attempt(async () => (await fetch(`${at.console}/v1/workspaces`, { credentials: 'include', mode: 'no-cors' })).type),
    write: await attempt(async () => {
      const body = JSON.stringify({ name: 'Hostile' });
      return (await fetch(`${at.console}/v1/cohorts`, { method: 'POST', credentials: 'include', mode: 'no-cors', body })).type;
    }),
    signOut: await attempt(async () => (await fetch(`${at.console}/sign-out`, { method: 'POST', credentials: 'include', mode: 'no-cors' })).type),
  };
}
