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
  // measuring: resolves to the length of a frame.
  constructor(measuring) {
    this.length = null;
    this.lengths = [];
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
    measuring.then((length) => {
      this.length = length;
    });
    this.watch();
  }

  watch() {
    this.request = requestAnimationFrame((moment) => {
      if (this.last !== null) this.lengths.push(moment - this.last);
      this.last = moment;
      this.watch();
    });
  }

  // What is told of the trial; nothing is watched any more.
  end() {
    cancelAnimationFrame(this.request);
    document.removeEventListener("almond-shown", this.shown);
    document.removeEventListener("visibilitychange", this.hidden);
    const { length, lengths } = this;
    const slow = length === null ? null : lengths.filter((one) => one > SLOW * length).length;
    const longest = tenths(lengths.reduce((most, one) => Math.max(most, one), 0));
    return { ...this.onset, frames: lengths.length, slow, longest_ms: longest, frame_ms: length };
  }
}
