// Choices: two images side by side and a question; one of them is chosen by pointer or by keys. A study may offer
// "No difference", and may ask after a choice how sure somebody is.
import { element, painted, picture } from "../painted.js";
import { translate } from "../words.js";

const { ParameterType } = window.jsPsychModule;
const KEYS = { f: "left", arrowleft: "left", j: "right", arrowright: "right" };
const NEITHER_KEYS = ["n", "arrowdown"];
const POINT_KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "-"];
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
    /** Whether one may answer that there is no difference. */
    no_difference: { type: ParameterType.BOOL, default: false },
    /** Points on which people say how sure they are; 0: they are not asked. */
    confidence: { type: ParameterType.INT, default: 0 },
  },
  data: {
    /** Milliseconds from the first paint of both images to the choice. */
    rt: { type: ParameterType.FLOAT },
    /** "left", "right", or "" for no difference. */
    chosen: { type: ParameterType.STRING },
    /** {confidence: 1 or more}, where somebody was asked. */
    values: { type: ParameterType.OBJECT },
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

function neither() {
  const hint = element("span", { class: "key", "aria-hidden": "true" }, "N");
  return element("button", { type: "button", class: "labelled neither", "data-side": "" }, translate("No difference"), hint);
}

// The buttons by which somebody says how sure they are.
function surety(points) {
  const [guessing, certain] = [translate("guessing"), translate("certain")];
  const buttons = Array.from({ length: points }, (_, place) => {
    const end = place === 0 ? `, ${guessing}` : place === points - 1 ? `, ${certain}` : "";
    const label = translate("{number} of {points}", { number: place + 1, points });
    return element("button", { type: "button", class: "sure", "aria-label": `${label}${end}` }, String(place + 1));
  });
  const row = element("div", { class: "points", role: "group", "aria-labelledby": "question" }, ...buttons);
  row.style.setProperty("--points", String(points));
  const words = [guessing, certain].map((word) => element("span", {}, word));
  return { buttons, node: element("div", { class: "surety" }, row, element("p", { class: "ends", "aria-hidden": "true" }, ...words)) };
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
    const frame = element("div", { class: "pair" }, question, sides);
    const buttons = { left: left.button, right: right.button };
    if (trial.no_difference) frame.append((buttons[""] = neither()));
    display.replaceChildren(frame);
    // A pointer that rests where a picture appears marks nothing: nobody has pointed at it yet.
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
      document.dispatchEvent(new Event("almond-over"));
      buttons[chosen].classList.add("chosen");
      if (chosen && trial.confidence) this.askSurety(frame, question, buttons, { rt, chosen, trial });
      else this.jsPsych.pluginAPI.setTimeout(() => this.finish(rt, chosen, trial), SEEN_MS);
    };
    const onKey = whenFree((key) => {
      const chosen = trial.no_difference && NEITHER_KEYS.includes(key) ? "" : KEYS[key];
      if (chosen !== undefined) choose(chosen);
      return chosen !== undefined;
    });
    document.addEventListener("keydown", onKey);
    const over = () => {
      shown = null;
      document.removeEventListener("keydown", onKey);
    };
    document.addEventListener("almond-over", over, { once: true });
    for (const [name, button] of Object.entries(buttons)) button.addEventListener("click", () => choose(name));
    onLoad?.();
  }

  // The pictures stay, with the chosen one marked; the question is how sure somebody is.
  askSurety(frame, question, buttons, { rt, chosen, trial }) {
    const { buttons: points, node } = surety(trial.confidence);
    for (const button of Object.values(buttons)) button.disabled = true;
    buttons[""]?.remove();
    question.textContent = translate("How sure are you?");
    frame.append(node);
    question.focus({ preventScroll: true });
    node.scrollIntoView({ block: "nearest" });
    let open = true;
    const answer = (place) => {
      if (!open || !points[place]) return false;
      open = false;
      document.removeEventListener("keydown", onKey);
      points[place].classList.add("chosen");
      this.jsPsych.pluginAPI.setTimeout(() => this.finish(rt, chosen, trial, { confidence: place + 1 }), SEEN_MS);
      return true;
    };
    const onKey = whenFree((key) => answer(POINT_KEYS.indexOf(key)));
    document.addEventListener("keydown", onKey);
    points.forEach((button, place) => button.addEventListener("click", () => answer(place)));
  }

  finish(rt, chosen, trial, values = {}) {
    const images = [trial.left.digest, trial.right.digest];
    this.jsPsych.finishTrial({ rt: Math.round(rt * 10) / 10, chosen, values, images });
  }

  simulate(trial, mode, options, onLoad) {
    const random = this.jsPsych.randomization;
    const sides = ["left", "right", ...(trial.no_difference ? [""] : [])];
    const [chosen] = random.sampleWithoutReplacement(sides, 1);
    const values = chosen && trial.confidence ? { confidence: random.randomInt(1, trial.confidence) } : {};
    const data = this.jsPsych.pluginAPI.mergeSimulationData(
      { rt: random.sampleExGaussian(900, 150, 1 / 300, true), chosen, values },
      options,
    );
    if (mode === "data-only") {
      onLoad();
      this.finish(data.rt, data.chosen, trial, data.values);
      return;
    }
    const display = this.jsPsych.getDisplayElement();
    this.trial(display, trial, onLoad);
    this.shown.then(() => {
      this.jsPsych.pluginAPI.clickTarget(display.querySelector(`[data-side="${data.chosen}"]`), data.rt);
      const sure = () => display.querySelectorAll(".sure")[data.values.confidence - 1]?.click();
      if (data.values.confidence) this.jsPsych.pluginAPI.setTimeout(sure, data.rt + 2 * SEEN_MS);
    });
  }
}

// Listens to keys that are pressed for the trial: not for a dialog or a browser's command.
function whenFree(act) {
  return (event) => {
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (act(event.key.toLowerCase())) event.preventDefault();
  };
}

export default {
  info,
  plugin: ChoicePlugin,
  trial: (planned, study) => ({
    question: planned.question,
    left: study.images[0],
    right: study.images[1],
    ...study.block,
  }),
  answer: ({ chosen, values }) => ({ chosen, values }),
};
