// Best-worst scaling: four images; one has most of what is asked, another one least.
import { element, painted, picture } from "../painted.js";
import { translate } from "../words.js";

const { ParameterType } = window.jsPsychModule;

const info = {
  name: "almond-best-worst",
  version: "1.0.0",
  parameters: {
    question: { type: ParameterType.STRING, default: undefined },
    /** [{url, width, height, digest}], four of them, row by row. */
    images: { type: ParameterType.COMPLEX, array: true, default: undefined },
    /** Labels of the two answers. */
    most: { type: ParameterType.STRING, default: "most" },
    least: { type: ParameterType.STRING, default: "least" },
  },
  data: {
    /** Milliseconds from the first paint of all images to Continue. */
    rt: { type: ParameterType.FLOAT },
    /** {best, worst}: places of the images chosen, from 1. */
    values: { type: ParameterType.OBJECT },
    /** Digests of the image bytes shown, row by row. */
    images: { type: ParameterType.STRING, array: true },
  },
};

// The radio button of one image for one of the two answers.
function option(name, label, place) {
  const input = element("input", { type: "radio", name, value: String(place), autocomplete: "off" });
  const words = element("span", {}, label, element("span", { class: "unseen" }, translate(": picture {number}", { number: place })));
  return { input, node: element("label", { class: "chip" }, input, words) };
}

class BestWorstPlugin {
  static info = info;

  constructor(jsPsych) {
    this.jsPsych = jsPsych;
  }

  trial(display, trial, onLoad) {
    const shots = trial.images.map((image, place) => picture(image, translate("Picture {number}", { number: place + 1 })));
    const best = shots.map((_, place) => option("best", trial.most, place + 1));
    const worst = shots.map((_, place) => option("worst", trial.least, place + 1));
    const cards = shots.map((shot, place) =>
      element("div", { class: "card" }, shot, element("div", { class: "chips" }, best[place].node, worst[place].node)),
    );
    const hint = element("p", { class: "hint", role: "status" });
    const button = element("button", { type: "submit", class: "main", disabled: "" }, translate("Continue"));
    const question = element("h1", { class: "question", tabindex: "-1" }, trial.question);
    const onward = element("div", { class: "onward" }, hint, button);
    const form = element("form", { class: "four" }, question, element("div", { class: "cards" }, ...cards), onward);
    display.replaceChildren(form);
    const placeOf = (options) => options.findIndex(({ input }) => input.checked) + 1;
    const look = () => {
      const open = [[best, trial.most], [worst, trial.least]].filter(([options]) => placeOf(options) === 0);
      button.disabled = open.length > 0;
      const labels = open.map(([, label]) => label).join(", ");
      hint.textContent = labels && translate("To choose: {labels}", { labels });
    };
    // One image cannot be both.
    const link = (options, others) =>
      options.forEach(({ input }, place) =>
        input.addEventListener("change", () => {
          others[place].input.checked = false;
          look();
        }),
      );
    link(best, worst);
    link(worst, best);
    look();
    let shown = null;
    this.shown = painted(shots).then((moment) => {
      shown = moment;
      form.dataset.shown = "";
    });
    const onKey = (event) => {
      if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
      if (!/^[1-4]$/.test(event.key)) return;
      event.preventDefault();
      const { input } = (placeOf(best) === 0 ? best : worst)[Number(event.key) - 1];
      input.click();
      input.focus({ preventScroll: true });
    };
    document.addEventListener("keydown", onKey);
    document.addEventListener("almond-over", () => document.removeEventListener("keydown", onKey), { once: true });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (shown === null || button.disabled) return;
      button.disabled = true;
      document.dispatchEvent(new Event("almond-over"));
      this.finish(performance.now() - shown, { best: placeOf(best), worst: placeOf(worst) }, trial);
    });
    question.focus({ preventScroll: true });
    window.scrollTo(0, 0);
    onLoad?.();
  }

  finish(rt, values, trial) {
    const images = trial.images.map(({ digest }) => digest);
    this.jsPsych.finishTrial({ rt: Math.round(rt * 10) / 10, values, images });
  }

  simulate(trial, mode, options, onLoad) {
    const random = this.jsPsych.randomization;
    const [best, worst] = random.sampleWithoutReplacement([1, 2, 3, 4], 2);
    const data = this.jsPsych.pluginAPI.mergeSimulationData(
      { rt: random.sampleExGaussian(4000, 600, 1 / 900, true), values: { best, worst } },
      options,
    );
    if (mode === "data-only") {
      onLoad();
      this.finish(data.rt, data.values, trial);
      return;
    }
    const display = this.jsPsych.getDisplayElement();
    this.trial(display, trial, onLoad);
    this.shown.then(() => {
      for (const name of ["best", "worst"]) display.querySelector(`[name=${name}][value="${data.values[name]}"]`).click();
      this.jsPsych.pluginAPI.clickTarget(display.querySelector("button"), data.rt);
    });
  }
}

export default {
  info,
  plugin: BestWorstPlugin,
  trial: (planned, study) => ({
    question: study.block.prompt || study.constructs[planned.constructs[0]].question,
    images: study.images,
    most: study.block.most,
    least: study.block.least,
  }),
  answer: (data) => ({ values: data.values }),
};
