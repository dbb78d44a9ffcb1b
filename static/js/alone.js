// A visit goes on in one tab at a time (Web Locks). Browsers offer no locks on a plain http address: there two tabs
// may be open at once, which loses nothing, for each answer is a record of its own and the first one counts.

const PATIENCE_MS = 1000; // a reload: the page before lets go in this time
const forEver = new Promise(() => undefined);

// Resolves to true when this tab has the visit. onLost: another tab took it over.
export function haveAlone(name, onLost, { takeOver = false } = {}) {
  if (!navigator.locks) return Promise.resolve(true);
  return new Promise((go) => {
    const options = takeOver ? { steal: true } : { signal: AbortSignal.timeout(PATIENCE_MS) };
    let mine = false;
    navigator.locks
      .request(name, options, () => {
        mine = true;
        go(true);
        return forEver;
      })
      .catch(() => (mine ? onLost() : go(false)));
  });
}
