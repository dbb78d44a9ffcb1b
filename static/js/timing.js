// The course of a trial of images, counted in frames: a fixation cross and an empty screen before it, and images that
// go, or are masked, after their time. Plugins know nothing of it: they tell when their images came ("almond-shown").
import { element } from "./painted.js";

const GRAIN = 64; // squares of a mask, on a side

const nextFrame = () => new Promise((go) => requestAnimationFrame(go));

/** Resolves at the first frame that begins when the time is over, within half a frame. */
async function after(ms, frameMs) {
  const begun = await nextFrame();
  let now = begun;
  while (now - begun < ms - frameMs / 2) now = await nextFrame();
  return now;
}

// What stands before the images: [class, words, ms], each on a screen of its own.
export function partsBefore({ fixation_ms: fixation, delay_ms: delay }) {
  const parts = [];
  if (fixation) parts.push({ look: "fixation", sign: "+", ms: fixation });
  if (delay) parts.push({ look: "empty", sign: "", ms: delay });
  return parts;
}

export async function showPart(display, { look, sign, ms }, measuring) {
  display.replaceChildren(element("div", { class: look, "aria-hidden": "true" }, sign));
  window.scrollTo(0, 0);
  await after(ms, (await measuring) ?? 0);
}

function noise(width, height) {
  const canvas = element("canvas", { width: String(GRAIN), height: String(GRAIN), class: "mask", "aria-hidden": "true" });
  const brush = canvas.getContext("2d");
  const pixels = brush.createImageData(GRAIN, GRAIN);
  for (let place = 0; place < pixels.data.length; place += 4) {
    const shade = Math.floor(Math.random() * 256);
    pixels.data.set([shade, shade, shade, 255], place);
  }
  brush.putImageData(pixels, 0, 0);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  return canvas;
}

// Images keep their places, so that nothing on the page moves.
function cover(images, masked) {
  for (const image of images) {
    const { width, height } = image.getBoundingClientRect();
    image.style.visibility = "hidden";
    if (!masked) continue;
    const mask = noise(width, height);
    mask.style.left = `${image.offsetLeft}px`;
    mask.style.top = `${image.offsetTop}px`;
    image.parentElement.classList.add("covered");
    image.after(mask);
  }
}

// Takes the images of one trial away in time, and ends the trial where no answer comes before its deadline. "almond-over"
// is told once in each trial: by its plugin when an answer was given, or from here when there was none.
// told: gone_ms, when the images were, for the record of frames.
export class ImageTime {
  constructor(stage, { image_ms: ms, mask, deadline_ms: deadline }, { measuring, jsPsych }, { images }) {
    this.told = {};
    this.over = false;
    this.start = async ({ detail }) => {
      const frameMs = (await measuring) ?? 0;
      while (!this.over && performance.now() - detail.moment < ms - 1.5 * frameMs) await nextFrame();
      if (this.over) return;
      cover(stage.querySelectorAll("img"), mask);
      this.told = { gone_ms: Math.round((await nextFrame()) * 10) / 10 };
    };
    if (ms) document.addEventListener("almond-shown", this.start, { once: true });
    this.deadline = deadline ?? Infinity;
    this.none = { rt: deadline, images, chosen: "", values: { missed: 1 } };
    this.wait = ({ detail }) => {
      this.timer = setTimeout(() => {
        document.dispatchEvent(new Event("almond-over"));
        jsPsych.finishTrial(this.none);
      }, deadline - (performance.now() - detail.moment));
    };
    this.answered = () => clearTimeout(this.timer);
    if (deadline) document.addEventListener("almond-shown", this.wait, { once: true });
    document.addEventListener("almond-over", this.answered, { once: true });
  }

  // Of an answer that came after the deadline, as in a simulation without pages, none is left in its data.
  end(data) {
    if (data.rt > this.deadline) Object.assign(data, this.none);
    this.over = true;
    this.answered();
    document.removeEventListener("almond-shown", this.start);
    document.removeEventListener("almond-shown", this.wait);
    document.removeEventListener("almond-over", this.answered);
    return this.told;
  }
}
