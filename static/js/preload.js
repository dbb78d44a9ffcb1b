// Loads the images a few at a time, tries again what fails, and checks every byte against its digest before
// anybody sees it. What is shown later comes from memory, so a lost network cannot spoil a trial.
import { sha256 } from "./sha256.js";
import { pause, sleep } from "./waiting.js";

const AT_ONCE = 6;
const ATTEMPTS = 5;
const PATIENCE_MS = 30000;

export class ImageProblem extends Error {}

async function fetchOnce(url, fresh) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), PATIENCE_MS);
  try {
    const answer = await fetch(url, { signal: stop.signal, cache: fresh ? "reload" : "default" });
    if (!answer.ok) throw new ImageProblem(`${url}: the server answered ${answer.status}`);
    return { bytes: await answer.arrayBuffer(), type: answer.headers.get("Content-Type") ?? "" };
  } finally {
    clearTimeout(timer);
  }
}

async function loadOne(digest, image, counts) {
  let problem;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    if (attempt > 0) {
      counts.retries += 1;
      await sleep(pause(attempt - 1));
    }
    try {
      const { bytes, type } = await fetchOnce(image.url, attempt > 0);
      const found = await sha256(bytes);
      if (found === digest) return { digest: found, url: URL.createObjectURL(new Blob([bytes], { type })) };
      problem = new ImageProblem(`${image.url}: other bytes arrived than were sent`);
    } catch (error) {
      problem = error;
    }
  }
  throw problem;
}

// images: digest -> {url, width, height}. Resolves to digest -> {digest as computed here, url in memory, width, height}.
export async function preload(images, onProgress) {
  const loaded = new Map();
  const counts = { retries: 0 };
  const queue = Object.entries(images);
  const total = queue.length;
  const worker = async () => {
    while (queue.length > 0) {
      const [digest, image] = queue.shift();
      loaded.set(digest, { ...image, ...(await loadOne(digest, image, counts)) });
      onProgress(loaded.size, total);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { loaded, retries: counts.retries };
}
