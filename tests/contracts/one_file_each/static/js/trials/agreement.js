// Agreements: one image, a question, and two buttons. Written by a lab; nothing else knows of it.
import { element, painted, picture } from "/static/js/painted.js";

const { ParameterType } = window.jsPsychModule;

const info = {
  name: "lab-agreement",
  version: "1.0.0",
  parameters: {
    image: { type: ParameterType.OBJECT, default: undefined },
    question: { type: ParameterType.STRING, default: undefined },
    /** Of the two buttons. */
    labels: { type: ParameterType.STRING, array: true, default: undefined },
  },
  data: {
    rt: { type: ParameterType.FLOAT },
    agrees: { type: ParameterType.BOOL },
    images: { type: ParameterType.STRING, array: true },
  },
};

class AgreementPlugin {
  static info = info;

  constructor(jsPsych) {
    this.jsPsych = jsPsych;
  }

  trial(display, trial, onLoad) {
    const image = picture(trial.image, "The picture to judge");
    const frame = element("div", { class: "agreement" }, element("h1", {}, trial.question), image);
    let shown = null;
    for (const [label, agrees] of trial.labels.map((text, place) => [text, place === 0])) {
      const button = element("button", { type: "button", class: "main" }, label);
      button.addEventListener("click", () => {
        if (shown === null) return;
        this.jsPsych.finishTrial({ rt: performance.now() - shown, agrees, images: [trial.image.digest] });
      });
      frame.append(button);
    }
    display.replaceChildren(frame);
    this.shown = painted([image]).then((moment) => {
      shown = moment;
      frame.dataset.shown = "";
    });
    onLoad?.();
  }

  // A rehearsal's robot presses the button that it means.
  simulate(trial, mode, options, onLoad) {
    const { pluginAPI, randomization } = this.jsPsych;
    const drawn = { rt: randomization.sampleExGaussian(900, 150, 1 / 300, true), agrees: randomization.sampleBernoulli(0.5) === 1 };
    const data = pluginAPI.mergeSimulationData(drawn, options);
    if (mode === "data-only") {
      onLoad();
      this.jsPsych.finishTrial({ rt: data.rt, agrees: data.agrees, images: [trial.image.digest] });
      return;
    }
    const display = this.jsPsych.getDisplayElement();
    this.trial(display, trial, onLoad);
    const [agree, disagree] = display.querySelectorAll("button");
    this.shown.then(() => pluginAPI.clickTarget(data.agrees ? agree : disagree, data.rt));
  }
}

export default {
  info,
  plugin: AgreementPlugin,
  trial: (planned, study) => ({
    image: study.images[0],
    question: study.constructs[planned.constructs[0]].question,
    labels: study.block.labels,
  }),
  answer: (data) => ({ values: { agrees: data.agrees } }),
  simulated: (answer) => ({ agrees: answer.values.agrees }),
};
