// Answers on their way to the server. Only a receipt of the server removes one; until then it is posted again and
// again, and after a reload too. What the server says no to stays as well, marked, and is offered again.
import { Kept } from "./kept.js";
import { pause } from "./waiting.js";

const PATIENCE_MS = 20000;
// Refusals that concern the whole visit, not one answer.
const OVER = new Set(["origin", "link", "ended", "withdrawn", "screened_out"]);
const LATER = new Set(["paused", "too_many"]);

export async function post(url, body) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), PATIENCE_MS);
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: stop.signal,
    });
    const wait = Number(answer.headers.get("Retry-After")) * 1000 || 0;
    return { status: answer.status, wait, reply: await answer.json().catch(() => null) };
  } finally {
    clearTimeout(timer);
  }
}

export class Outbox {
  // onChange(outbox): something waits, or waits no more. onOver(reply): the server takes no more of this visit.
  constructor(store, url, { onChange, onOver }) {
    this.store = store;
    this.url = url;
    this.onChange = onChange;
    this.onOver = onOver;
    // {body, kept: in the browser's storage, null until the storage has said, refused: why, in words}
    this.waiting = [];
    this.failures = 0;
    this.said = "";
    this.wait = 0;
    this.busy = false;
    this.over = false;
    this.timer = null;
    window.addEventListener("online", () => this.flush());
    window.addEventListener("beforeunload", (event) => {
      if (!this.allKept) event.preventDefault();
    });
  }

  static async open(participant, url, handlers) {
    const outbox = new Outbox(await Kept.open(participant), url, handlers);
    outbox.waiting = (await outbox.store.read()).map((body) => ({ body, kept: true, refused: "" }));
    return outbox;
  }

  get size() {
    return this.waiting.length;
  }

  get refused() {
    return this.waiting.filter(({ refused }) => refused);
  }

  get allKept() {
    return this.waiting.every(({ kept }) => kept);
  }

  get someUnkept() {
    return this.waiting.some(({ kept }) => kept === false);
  }

  has(trialId) {
    return this.waiting.some(({ body }) => body.trial_id === trialId);
  }

  async add(body) {
    const item = { body, kept: null, refused: "" };
    this.waiting.push(item);
    this.onChange(this);
    const kept = this.store.add(body).then((stored) => {
      item.kept = stored;
      this.onChange(this);
    });
    this.flush();
    await kept;
  }

  async drop(item) {
    this.waiting = this.waiting.filter((other) => other !== item);
    this.failures = 0;
    this.said = "";
    await this.store.remove(item.body);
    this.onChange(this);
  }

  // Send what waits, in order, until nothing waits or the server cannot be reached.
  async flush() {
    if (this.busy || this.over) return;
    this.busy = true;
    clearTimeout(this.timer);
    let going = true;
    while (going && !this.over) {
      const item = this.waiting.find(({ refused }) => !refused);
      going = item !== undefined && (await this.send(item));
    }
    this.busy = false;
    if (!this.over && this.size > this.refused.length) {
      const wait = Math.max(this.wait, pause(this.failures - 1, { first: 1000, longest: 30000 }));
      this.timer = setTimeout(() => this.flush(), wait);
    }
  }

  // True when the next one may be sent.
  async send(item) {
    this.wait = 0;
    try {
      const { wait, reply } = await post(this.url, item.body);
      if (reply?.acknowledged) {
        await this.drop(item);
        return true;
      }
      this.wait = wait;
      if (reply?.reason) return this.refuse(item, reply); // else it was not our server who answered
    } catch {
      // no network, or the server took too long: it stays and is sent later
    }
    this.failures += 1;
    this.onChange(this);
    return false;
  }

  refuse(item, reply) {
    this.said = reply.say;
    if (OVER.has(reply.reason)) {
      this.stop();
      this.onOver(reply);
      return false;
    }
    const later = LATER.has(reply.reason);
    if (later) this.failures += 1;
    else item.refused = reply.say;
    this.onChange(this);
    return !later;
  }

  // Nothing is sent any more; what waits stays where it is.
  stop() {
    this.over = true;
    clearTimeout(this.timer);
  }
}
