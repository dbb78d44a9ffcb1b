// What happens around the answers: focus lost, page hidden, network gone. Sent in batches; never in the way.
import { newId } from "./waiting.js";

const EVERY_MS = 5000;
const MOST = 100;

export class Events {
  constructor(url) {
    this.url = url;
    this.waiting = [];
    this.size = MOST;
    this.notBefore = 0;
    this.trialIndex = null;
  }

  watch() {
    const on = (target, name, kind) => target.addEventListener(name, () => this.add(kind()));
    on(window, "focus", () => "focus");
    on(window, "blur", () => "blur");
    on(window, "offline", () => "offline");
    on(window, "online", () => "online");
    on(document, "visibilitychange", () => (document.hidden ? "hidden" : "visible"));
    on(document, "fullscreenchange", () => (document.fullscreenElement ? "fullscreen" : "fullscreen_left"));
    let resized = null;
    window.addEventListener("resize", () => {
      clearTimeout(resized); // one event for all steps of a drag
      resized = setTimeout(() => this.add("resize", { width: innerWidth, height: innerHeight }), 300);
    });
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
    if (!this.url || this.waiting.length === 0) return;
    if (!leaving && (!navigator.onLine || performance.now() < this.notBefore)) return;
    const batch = this.waiting.splice(0, this.size);
    const request = {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ events: batch }),
      keepalive: leaving,
    };
    try {
      const answer = await fetch(this.url, request);
      const reply = await answer.json().catch(() => null);
      if (reply?.acknowledged) {
        this.size = MOST;
      } else if (reply?.reason === "malformed") {
        this.divide(batch);
      } else {
        this.notBefore = performance.now() + (Number(answer.headers.get("Retry-After")) * 1000 || 0);
        this.waiting.unshift(...batch);
      }
    } catch {
      this.waiting.unshift(...batch); // each has an id: sent twice, it is stored once
    }
  }

  // One event that the server cannot read costs that event alone: halves are sent until it is by itself.
  divide(batch) {
    if (batch.length === 1) return;
    this.waiting.unshift(...batch);
    this.size = Math.ceil(batch.length / 2);
    this.send(false);
  }
}
