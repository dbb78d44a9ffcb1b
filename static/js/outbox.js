// Answers on their way to the server. Each is kept in the browser's storage until the server has acknowledged
// it, posted by itself, and tried again until then; a reload or a lost network loses nothing.
import { pause } from "./waiting.js";

const PATIENCE_MS = 20000;

function openStore(key) {
  try {
    localStorage.setItem(`${key}:try`, "1");
    localStorage.removeItem(`${key}:try`);
    return localStorage;
  } catch {
    return null; // storage is switched off: answers wait in memory only
  }
}

async function post(url, body) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), PATIENCE_MS);
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: stop.signal,
    });
    return { status: answer.status, reply: await answer.json().catch(() => null) };
  } finally {
    clearTimeout(timer);
  }
}

export class Outbox {
  constructor(participant, url, onChange) {
    this.key = `almond:${participant}:answers`;
    this.url = url;
    this.onChange = onChange;
    this.store = openStore(this.key);
    this.waiting = this.read();
    this.failures = 0;
    this.said = "";
    this.refused = [];
    this.busy = false;
    this.timer = null;
    window.addEventListener("online", () => this.flush());
  }

  read() {
    try {
      return JSON.parse(this.store?.getItem(this.key) ?? "[]");
    } catch {
      return []; // what lies there was not written by these pages
    }
  }

  write() {
    try {
      this.store?.setItem(this.key, JSON.stringify(this.waiting));
    } catch {
      this.store = null; // the storage is full: go on in memory
    }
    this.onChange(this);
  }

  get size() {
    return this.waiting.length;
  }

  has(trialId) {
    return this.waiting.some((body) => body.trial_id === trialId);
  }

  add(body) {
    this.waiting.push(body);
    this.write();
    this.flush();
  }

  drop(body) {
    this.waiting = this.waiting.filter((other) => other.response_id !== body.response_id);
    this.failures = 0;
    this.said = "";
    this.write();
  }

  // Send what waits, in order, until nothing waits or the server cannot be reached.
  async flush() {
    if (this.busy) return;
    this.busy = true;
    clearTimeout(this.timer);
    while (this.waiting.length > 0 && (await this.send(this.waiting[0])));
    this.busy = false;
    if (this.waiting.length > 0) {
      this.timer = setTimeout(() => this.flush(), pause(this.failures - 1, { first: 1000, longest: 30000 }));
    }
  }

  async send(body) {
    try {
      const { status, reply } = await post(this.url, body);
      if (reply?.acknowledged) {
        this.drop(body);
        return true;
      }
      if (status === 409) this.said = reply?.message ?? ""; // not now: paused, say; it stays and is sent later
      if (reply && [400, 403, 404].includes(status)) {
        this.refused.push(reply.message);
        this.drop(body);
        return true;
      }
    } catch {
      // no network, or the server took too long: it stays and is sent later
    }
    this.failures += 1;
    this.onChange(this);
    return false;
  }
}

export { post };
