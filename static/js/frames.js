// How the browser draws: the length of a frame, and during a trial when its pictures came and which frames were slow.

const MEASURED = 12;
const SLOW = 1.5; // times the usual length: at least one frame was left out

const nextFrame = () => new Promise((go) => requestAnimationFrame(go));
const tenths = (ms) => Math.round(ms * 10) / 10;

// The length of a frame in milliseconds, the median of eleven; null where the page draws none for a second.
export function frameLength() {
  return Promise.race([measuredFrames(), new Promise((go) => setTimeout(() => go(null), 1000))]);
}

async function measuredFrames() {
  const moments = [];
  while (moments.length < MEASURED) moments.push(await nextFrame());
  const lengths = moments.slice(1).map((moment, number) => moment - moments[number]);
  return Math.round(lengths.sort((one, other) => one - other)[(MEASURED - 2) / 2] * 100) / 100;
}

// Watches the frames of one trial, from its start until its answer. Time in which the page is hidden has no frames.
export class Frames {
  constructor(length) {
    this.length = length;
    this.count = 0;
    this.slow = 0;
    this.longest = 0;
    this.onset = {};
    this.last = null;
    this.shown = ({ detail }) => {
      this.onset = { onset_ms: tenths(detail.moment), uncertainty_ms: tenths(detail.uncertainty) };
    };
    this.hidden = () => {
      this.last = null;
    };
    document.addEventListener("almond-shown", this.shown);
    document.addEventListener("visibilitychange", this.hidden);
    this.watch();
  }

  watch() {
    this.request = requestAnimationFrame((moment) => {
      if (this.last !== null) this.add(moment - this.last);
      this.last = moment;
      this.watch();
    });
  }

  add(length) {
    this.count += 1;
    this.longest = Math.max(this.longest, length);
    if (this.length !== null && length > SLOW * this.length) this.slow += 1;
  }

  // What is told of the trial; nothing is watched any more.
  end() {
    cancelAnimationFrame(this.request);
    document.removeEventListener("almond-shown", this.shown);
    document.removeEventListener("visibilitychange", this.hidden);
    const { count, slow, length } = this;
    return { ...this.onset, frames: count, slow, longest_ms: tenths(this.longest), frame_ms: length };
  }
}
