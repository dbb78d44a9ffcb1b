// What the plugins of one image share: the picture, the controls of the answer, Continue, the time, and the two modes
// in which jsPsych simulates them. A kind says what is its own:
//   toGo(count)             how many answers are missing, in the words beside Continue
//   atOnce                  whether an answer ends the trial, without Continue
//   heading(trial)          the heading, where people shall see one
//   draw(trial, random)     values for a simulation, by construct
//   controls(trial, touch)  what is operated: touch.changed() after each change, touch.done() when an answer ends the
//                           trial, touch.elapsed() the milliseconds since the picture came, null before. It returns
//     node, focus()         the element, and what takes the focus at first
//     missing(), values()   how many answers are open, and the values by construct
//     operate(values)       answers as a person would, for a simulation
//     key(event)            true where a key of the page was an answer
//     more()                further data of the trial
import { element, painted, picture } from "./painted.js";
import { translate, translateCount } from "./words.js";

const SEEN_MS = 160; // so long an answer that ends the trial is marked before the next one

export function declared(name, parameters, data = {}) {
  const { ParameterType } = window.jsPsychModule;
  return {
    name: `almond-${name}`,
    version: "1.0.0",
    parameters: {
      /** {url, width, height, digest} of the image. */
      image: { type: ParameterType.OBJECT, default: undefined },
      /** [{name, question, low, high}], an answer to each. */
      constructs: { type: ParameterType.COMPLEX, array: true, default: undefined },
      button_label: { type: ParameterType.STRING, default: translate("Continue") },
      ...parameters,
    },
    data: {
      /** Milliseconds from the first paint of the image to the answer. */
      rt: { type: ParameterType.FLOAT },
      /** Construct -> its answer. */
      values: { type: ParameterType.OBJECT },
      /** Digests of the image bytes shown. */
      images: { type: ParameterType.STRING, array: true },
      ...data,
    },
  };
}

// Keys that are pressed for something else: a dialog, a browser's command, a text that is typed.
function isElsewhere(event) {
  const typing = event.target.matches?.("textarea, input:not([type=radio], [type=checkbox], [type=range])");
  return event.repeat || event.ctrlKey || event.altKey || event.metaKey || typing || document.querySelector("dialog[open]");
}

export function singleImagePlugin(info, kind) {
  return class {
    static info = info;

    constructor(jsPsych) {
      this.jsPsych = jsPsych;
    }

    trial(display, trial, onLoad) {
      const image = picture(trial.image, translate("The picture to judge"));
      const hint = element("p", { class: "hint", role: "status" });
      const button = element("button", { type: "submit", class: "main", disabled: "" }, trial.button_label);
      const form = element("form", { class: "sliders", novalidate: "" });
      let shown = null;
      const changed = () => {
        const left = this.controls.missing();
        button.disabled = left > 0;
        hint.textContent = left === 0 ? "" : kind.toGo(left);
      };
      const done = () => {
        if (shown === null || this.controls.missing() > 0) return;
        const rt = performance.now() - shown;
        document.dispatchEvent(new Event("almond-over"));
        button.disabled = true;
        const end = () => this.finish(rt, this.controls.values(), trial, this.controls.more?.());
        if (kind.atOnce) this.jsPsych.pluginAPI.setTimeout(end, SEEN_MS);
        else end();
      };
      const onKey = (event) => {
        if (!isElsewhere(event) && this.controls.key?.(event)) event.preventDefault();
      };
      const elapsed = () => (shown === null ? null : performance.now() - shown);
      this.controls = kind.controls(trial, { changed, done, elapsed });
      form.append(this.controls.node);
      if (!kind.atOnce) form.append(element("div", { class: "onward" }, hint, button));
      const heading = element("h1", kind.heading ? {} : { class: "unseen" }, kind.heading?.(trial) ?? translate("The picture"));
      const answer = element("div", { class: "answer" }, heading, form);
      display.replaceChildren(
        element("div", { class: `rating ${info.name}` }, element("figure", { class: "picture" }, image), answer),
      );
      changed();
      document.addEventListener("keydown", onKey);
      const over = () => {
        shown = null;
        document.removeEventListener("keydown", onKey);
      };
      document.addEventListener("almond-over", over, { once: true });
      this.controls.focus();
      window.scrollTo(0, 0);
      this.shown = painted([image]).then((moment) => {
        shown = moment;
        display.firstElementChild.dataset.shown = "";
      });
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        done();
      });
      onLoad?.();
    }

    finish(rt, values, trial, more = {}) {
      this.jsPsych.finishTrial({ rt: Math.round(rt * 10) / 10, values, images: [trial.image.digest], ...more });
    }

    simulate(trial, mode, options, onLoad) {
      const random = this.jsPsych.randomization;
      const data = this.jsPsych.pluginAPI.mergeSimulationData(
        { rt: random.sampleExGaussian(2500, 400, 1 / 600, true), values: kind.draw(trial, random) },
        options,
      );
      if (mode === "data-only") {
        onLoad();
        this.finish(data.rt, data.values, trial, kind.unseen?.(trial));
        return;
      }
      const display = this.jsPsych.getDisplayElement();
      this.trial(display, trial, onLoad);
      this.shown.then(() => {
        this.jsPsych.pluginAPI.setTimeout(() => {
          this.controls.operate(data.values);
          display.querySelector("button[type=submit]")?.click();
        }, data.rt);
      });
    }
  };
}

export function singleImageKind(info, kind) {
  return {
    info,
    plugin: singleImagePlugin(info, kind),
    trial: (planned, study) => ({
      image: study.images[0],
      constructs: planned.constructs.map((name) => ({ name, ...study.constructs[name] })),
      ...study.block,
    }),
    answer: (data) => ({ values: data.values }),
  };
}

// The words of the two ends of a scale, below it.
export function ends(construct, id) {
  return element(
    "p",
    { class: "ends", id },
    element("span", {}, construct.low),
    element("span", { class: "unseen" }, ` ${translate("to")} `),
    element("span", {}, construct.high),
  );
}

// How many answers are missing, where a kind has no word of its own for them.
export const answersToGo = (count) => translateCount(count, "One answer to go", "{count} answers to go");
