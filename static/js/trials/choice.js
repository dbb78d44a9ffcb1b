// Choices: two images side by side and a question; one of them is chosen by pointer or by keys.
import { element, painted, picture } from "../painted.js";
import { translate } from "../words.js";

const { ParameterType } = window.jsPsychModule;
const KEYS = { f: "left", arrowleft: "left", j: "right", arrowright: "right" };
const SEEN_MS = 160; // so long the choice is marked before the next trial

const info = {
  name: "almond-choice",
  version: "1.0.0",
  parameters: {
    question: { type: ParameterType.STRING, default: undefined },
    /** {url, width, height, digest}, shown on the left. */
    left: { type: ParameterType.OBJECT, default: undefined },
    /** The same, shown on the right. */
    right: { type: ParameterType.OBJECT, default: undefined },
  },
  data: {
    /** Milliseconds from the first paint of both images to the choice. */
    rt: { type: ParameterType.FLOAT },
    /** "left" or "right". */
    chosen: { type: ParameterType.STRING },
    /** Digests of the image bytes shown, left to right. */
    images: { type: ParameterType.STRING, array: true },
  },
};

function side(name, key, image) {
  const shown = picture(image, "");
  const hint = element("span", { class: "key", "aria-hidden": "true" }, key);
  const button = element("button", { type: "button", class: "side", "data-side": name }, shown, hint);
  const label = name === "left" ? translate("The picture on the left (key {key})", { key }) : translate("The picture on the right (key {key})", { key });
  button.setAttribute("aria-label", label);
  return { shown, button };
}

class ChoicePlugin {
  static info = info;

  constructor(jsPsych) {
    this.jsPsych = jsPsych;
  }

  trial(display, trial, onLoad) {
    const question = element("h1", { class: "question", tabindex: "-1", id: "question" }, trial.question);
    const left = side("left", "F", trial.left);
    const right = side("right", "J", trial.right);
    const sides = element("div", { class: "sides", role: "group" }, left.button, right.button);
    sides.setAttribute("aria-labelledby", "question");
    display.replaceChildren(element("div", { class: "pair" }, question, sides));
    // A pointer that rests where a picture appears marks nothing: nobody has pointed at it yet.
    const frame = display.firstElementChild;
    frame.addEventListener("pointermove", () => frame.classList.add("pointed"), { once: true });
    question.focus({ preventScroll: true });
    window.scrollTo(0, 0);
    let shown = null;
    this.shown = painted([left.shown, right.shown]).then((moment) => {
      shown = moment;
      frame.dataset.shown = "";
    });
    const choose = (chosen) => {
      if (shown === null) return;
      const rt = performance.now() - shown;
      shown = null;
      document.removeEventListener("keydown", onKey);
      (chosen === "left" ? left : right).button.classList.add("chosen");
      this.jsPsych.pluginAPI.setTimeout(() => this.finish(rt, chosen, trial), SEEN_MS);
    };
    const onKey = (event) => {
      const chosen = KEYS[event.key.toLowerCase()];
      if (!chosen || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
      if (document.querySelector("dialog[open]")) return;
      event.preventDefault();
      choose(chosen);
    };
    document.addEventListener("keydown", onKey);
    left.button.addEventListener("click", () => choose("left"));
    right.button.addEventListener("click", () => choose("right"));
    onLoad?.();
  }

  finish(rt, chosen, trial) {
    const images = [trial.left.digest, trial.right.digest];
    this.jsPsych.finishTrial({ rt: Math.round(rt * 10) / 10, chosen, images });
  }

  simulate(trial, mode, options, onLoad) {
    const random = this.jsPsych.randomization;
    const data = this.jsPsych.pluginAPI.mergeSimulationData(
      { rt: random.sampleExGaussian(900, 150, 1 / 300, true), chosen: random.sampleWithoutReplacement(["left", "right"], 1)[0] },
      options,
    );
    if (mode === "data-only") {
      onLoad();
      this.finish(data.rt, data.chosen, trial);
      return;
    }
    const display = this.jsPsych.getDisplayElement();
    this.trial(display, trial, onLoad);
    this.shown.then(() => {
      this.jsPsych.pluginAPI.clickTarget(display.querySelector(`[data-side="${data.chosen}"]`), data.rt);
    });
  }
}

export default {
  info,
  plugin: ChoicePlugin,
  trial: (planned, study) => ({ question: planned.question, left: study.images[0], right: study.images[1] }),
  answer: (data) => ({ chosen: data.chosen }),
};
