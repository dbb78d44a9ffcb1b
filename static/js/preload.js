// Loads pictures in the order of the trials, tries again what fails, and checks every byte against its digest before
// anybody sees it. What is shown later comes from memory, so a lost network cannot spoil a trial.
import { sha256 } from "./sha256.js";
import { pause, sleep } from "./waiting.js";

const AT_ONCE = 6;
const ATTEMPTS = 8;
const WRONG = 3; // so often other bytes may come whole: something on the way changes them
const STALLED_MS = 20000; // since the last byte, not since the first

export class ImageProblem extends Error {}

// The bytes that came so far stay in `parts` over tries; the next try asks for the rest.
async function fetchInto(parts, url, fresh) {
  const stop = new AbortController();
  let timer = setTimeout(() => stop.abort(), STALLED_MS);
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const headers = length > 0 ? { Range: `bytes=${length}-` } : {};
  try {
    const answer = await fetch(url, { headers, signal: stop.signal, cache: fresh ? "reload" : "default" });
    if (!answer.ok) throw new ImageProblem(`the server answered ${answer.status}`);
    if (answer.status !== 206) parts.length = 0;
    const reader = answer.body.getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      parts.push(piece.value);
      clearTimeout(timer);
      timer = setTimeout(() => stop.abort(), STALLED_MS);
    }
    return answer.headers.get("Content-Type") ?? "";
  } finally {
    clearTimeout(timer);
  }
}

async function loadOne(digest, url, onRetry) {
  const parts = [];
  let problem;
  let wrong = 0;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    if (attempt > 0) {
      onRetry();
      await sleep(pause(attempt - 1, { longest: 10000 }));
    }
    try {
      const type = await fetchInto(parts, url, attempt > 0 && parts.length === 0);
      const blob = new Blob(parts, { type });
      if ((await sha256(await blob.arrayBuffer())) === digest) return URL.createObjectURL(blob);
      problem = new ImageProblem("other bytes arrived than were sent");
      parts.length = 0;
      wrong += 1;
    } catch (error) {
      problem = error;
    }
    if (wrong === WRONG) break;
  }
  throw problem;
}

// The pictures of the open trials. Each is an object {digest, url, width, height} whose `url` in memory comes when it
// is loaded: those of the first trial before all others, then as many at once as the line bears.
export class Pictures {
  // images: digest -> {url, width, height} as the server names them; order: digests, first needed first.
  constructor(images, order, onChange) {
    this.sources = images;
    this.queue = [...new Set(order)];
    this.total = this.queue.length;
    this.pictures = new Map(this.queue.map((digest) => [digest, { ...images[digest], digest, url: null }]));
    this.loaded = 0;
    this.retries = 0;
    this.workers = 0;
    this.most = 1;
    this.ceiling = AT_ONCE;
    this.problem = null;
    this.onChange = onChange;
    this.wake = [];
  }

  get(digest) {
    return this.pictures.get(digest);
  }

  has(digests) {
    return digests.every((digest) => this.get(digest).url !== null);
  }

  // Load `first` by itself, then everything in the background.
  start(first) {
    this.first = [...new Set(first)];
    this.work();
  }

  work() {
    this.most = this.has(this.first) ? this.ceiling : Math.min(this.first.length, this.ceiling);
    while (this.workers < this.most && this.queue.length > 0 && !this.problem) {
      this.workers += 1;
      this.load(this.queue.shift());
    }
  }

  async load(digest) {
    try {
      this.get(digest).url = await loadOne(digest, this.sources[digest].url, () => {
        this.retries += 1;
        this.ceiling = Math.max(1, this.workers - 1); // fewer at once on a poor line
      });
      this.loaded += 1;
    } catch (error) {
      this.problem = error;
    }
    this.workers -= 1;
    this.work();
    this.onChange(this);
    this.wake.splice(0).forEach((go) => go());
  }

  // Resolves when all of these pictures are loaded; fails when one cannot be.
  async ready(digests) {
    while (!this.has(digests)) {
      if (this.problem) throw this.problem;
      await new Promise((go) => this.wake.push(go));
    }
  }
}
