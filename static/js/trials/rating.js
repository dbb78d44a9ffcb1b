// Ratings: one image, and a slider for each construct. A slider has no value, and no thumb, until it is touched:
// nobody is led to the middle, and nothing that was not judged is stored.
import { element, painted, picture } from "../painted.js";
import { translate, translateCount } from "../words.js";

const { ParameterType } = window.jsPsychModule;
const MOVES = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"];

const info = {
  name: "almond-rating",
  version: "1.0.0",
  parameters: {
    /** {url, width, height, digest} of the image. */
    image: { type: ParameterType.OBJECT, default: undefined },
    /** [{name, question, low, high}], one slider each. */
    constructs: { type: ParameterType.COMPLEX, array: true, default: undefined },
    button_label: { type: ParameterType.STRING, default: translate("Continue") },
  },
  data: {
    /** Milliseconds from the first paint of the image to Continue. */
    rt: { type: ParameterType.FLOAT },
    /** Construct -> 0 to 100. */
    values: { type: ParameterType.OBJECT },
    /** Digests of the image bytes shown. */
    images: { type: ParameterType.STRING, array: true },
  },
};

function slider(construct, number, onTouch) {
  const id = `slider-${number}`;
  const input = element("input", {
    type: "range",
    id,
    name: construct.name,
    min: "0",
    max: "100",
    step: "1",
    value: "50",
    class: "slider-input untouched",
    "aria-valuetext": translate("not set yet"),
    "aria-describedby": `${id}-ends`,
    autocomplete: "off",
  });
  const touch = () => {
    input.classList.remove("untouched");
    input.setAttribute("aria-valuetext", translate("{value} of 100", { value: input.value }));
    onTouch();
  };
  input.addEventListener("input", touch);
  input.addEventListener("pointerup", touch);
  input.addEventListener("keydown", (event) => {
    if (["Enter", " "].includes(event.key) || MOVES.includes(event.key)) touch();
    if (event.key === "Enter") event.preventDefault();
  });
  const label = element("label", { for: id }, construct.question);
  const ends = element(
    "p",
    { class: "ends", id: `${id}-ends` },
    element("span", {}, construct.low),
    element("span", { class: "to" }, ` ${translate("to")} `),
    element("span", {}, construct.high),
  );
  return { input, node: element("div", { class: "slider" }, label, input, ends) };
}

class RatingPlugin {
  static info = info;

  constructor(jsPsych) {
    this.jsPsych = jsPsych;
  }

  trial(display, trial, onLoad) {
    const image = picture(trial.image, translate("The picture to judge"));
    const hint = element("p", { class: "hint", role: "status" });
    const button = element("button", { type: "submit", class: "main", disabled: "" }, trial.button_label);
    const sliders = [];
    const look = () => {
      const left = sliders.filter(({ input }) => input.classList.contains("untouched")).length;
      button.disabled = left > 0;
      hint.textContent = left === 0 ? "" : translateCount(left, "One slider to go", "{count} sliders to go");
    };
    trial.constructs.forEach((construct, number) => sliders.push(slider(construct, number, look)));
    const form = element("form", { class: "sliders" }, ...sliders.map(({ node }) => node));
    form.append(element("div", { class: "onward" }, hint, button));
    display.replaceChildren(
      element("div", { class: "rating" }, element("figure", { class: "picture" }, image), form),
    );
    look();
    sliders[0].input.focus({ preventScroll: true });
    window.scrollTo(0, 0);
    let shown = null;
    this.shown = painted([image]).then((moment) => {
      shown = moment;
      display.firstElementChild.dataset.shown = "";
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (shown === null || button.disabled) return;
      button.disabled = true;
      const values = Object.fromEntries(sliders.map(({ input }) => [input.name, Number(input.value)]));
      this.finish(performance.now() - shown, values, trial);
    });
    onLoad?.();
  }

  finish(rt, values, trial) {
    this.jsPsych.finishTrial({ rt: Math.round(rt * 10) / 10, values, images: [trial.image.digest] });
  }

  simulate(trial, mode, options, onLoad) {
    const random = this.jsPsych.randomization;
    const drawn = trial.constructs.map(({ name }) => [name, random.randomInt(0, 100)]);
    const data = this.jsPsych.pluginAPI.mergeSimulationData(
      { rt: random.sampleExGaussian(2500, 400, 1 / 600, true), values: Object.fromEntries(drawn) },
      options,
    );
    if (mode === "data-only") {
      onLoad();
      this.finish(data.rt, data.values, trial);
      return;
    }
    const display = this.jsPsych.getDisplayElement();
    this.trial(display, trial, onLoad);
    for (const input of display.querySelectorAll("input")) {
      input.value = data.values[input.name];
      input.dispatchEvent(new Event("input", { bubbles: true }));
    }
    this.shown.then(() => {
      this.jsPsych.pluginAPI.clickTarget(display.querySelector("button"), data.rt);
    });
  }
}

export default {
  info,
  plugin: RatingPlugin,
  trial: (planned, study) => ({
    image: study.images[0],
    constructs: planned.constructs.map((name) => ({ name, ...study.constructs[name] })),
  }),
  answer: (data) => ({ values: data.values }),
};
