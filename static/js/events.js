// What happens around the answers: focus lost, page hidden, network gone. Sent in batches; never in the way.
import { newId } from "./waiting.js";

const EVERY_MS = 5000;
const MOST = 100;

export class Events {
  constructor(url) {
    this.url = url;
    this.waiting = [];
    this.trialIndex = null;
  }

  watch() {
    const on = (target, name, kind) => target.addEventListener(name, () => this.add(kind()));
    on(window, "focus", () => "focus");
    on(window, "blur", () => "blur");
    on(window, "offline", () => "offline");
    on(window, "online", () => "online");
    on(document, "visibilitychange", () => (document.hidden ? "hidden" : "visible"));
    window.addEventListener("pagehide", () => this.send(true));
    setInterval(() => this.send(false), EVERY_MS);
  }

  add(kind, detail = {}) {
    this.waiting.push({
      event_id: newId(),
      kind,
      trial_index: this.trialIndex,
      page_ms: Math.round(performance.now() * 10) / 10,
      detail,
    });
  }

  async send(leaving) {
    if (!this.url || this.waiting.length === 0 || (!leaving && !navigator.onLine)) return;
    const batch = this.waiting.splice(0, MOST);
    const request = {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ events: batch }),
      keepalive: leaving,
    };
    try {
      const answer = await fetch(this.url, request);
      if (answer.status >= 500) this.waiting.unshift(...batch);
    } catch {
      this.waiting.unshift(...batch); // each has an id: sent twice, it is stored once
    }
  }
}
