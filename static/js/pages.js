// What the kinds of trials share that show no image: a page is a form with one heading and one button. A kind gives
//   build(trial, jsPsych)    {nodes, read, fill, hold, longest, label}: read() returns the values, or null after it
//                            said what is missing; fill(values) answers as a person would; hold and longest are seconds
//   draw(trial, random)      values as a simulated person gives them
import { element, painted } from "./painted.js";
import { translate, translateCount } from "./words.js";

const { ParameterType } = window.jsPsychModule;
const SAID_EVERY = 10; // seconds between two announcements of a countdown

export const DATA = {
  /** Milliseconds from the page being shown to going on. */
  rt: { type: ParameterType.FLOAT },
  /** No image is shown. */
  images: { type: ParameterType.STRING, array: true },
};
export const VALUES = {
  /** What was answered, by name. */
  values: { type: ParameterType.OBJECT },
};
export const text = (fallback) => ({ type: ParameterType.STRING, default: fallback });
export const list = { type: ParameterType.COMPLEX, array: true, default: [] };
export const number = (fallback) => ({ type: ParameterType.INT, default: fallback });

export const heading = (words, id = "heading") => element("h1", { tabindex: "-1", id }, words);
export const paragraphs = (texts) => texts.map((words) => element("p", {}, words));

// One question with a button for each of its answers: {node, value, pick(answer), complain(words)}.
export function choices(name, question, options, { heading = false, optional = false, soft = "" } = {}) {
  const id = `choice-${name}`;
  const error = element("p", { class: "field-error", id: `${id}-error`, hidden: "" });
  const inputs = options.map((option, place) => {
    const input = element("input", { type: "radio", name: id, id: `${id}-${place}`, value: String(place), autocomplete: "off" });
    input.addEventListener("change", () => complain(""));
    return input;
  });
  const labels = options.map((option, place) =>
    element("label", { class: "option", for: `${id}-${place}` }, inputs[place], element("span", {}, option)),
  );
  const asked = heading ? { role: "radiogroup", "aria-labelledby": heading } : {};
  const legend = heading ? [] : [element("legend", {}, question, ...(soft ? [element("span", { class: "soft" }, ` ${soft}`)] : []))];
  const node = element(heading ? "div" : "fieldset", { class: "choices", "aria-describedby": error.id, ...asked }, ...legend, error, element("div", { class: "options" }, ...labels));
  function complain(words) {
    error.textContent = words;
    error.hidden = words === "";
    node.classList.toggle("wrong", words !== "");
  }
  return {
    node,
    inputs,
    complain,
    optional,
    first: inputs[0],
    get value() {
      const place = inputs.findIndex((input) => input.checked);
      return place < 0 ? null : options[place];
    },
    pick(option) {
      const input = inputs[options.indexOf(option)];
      if (input) input.checked = true;
    },
  };
}

// Says at every question without an answer that one is missing, and goes to the first; true when none is.
export function allAnswered(questions, status, words = translate("Please choose an answer.")) {
  const missing = questions.filter((one) => one.value === null && !one.optional);
  for (const one of questions) one.complain(missing.includes(one) ? words : "");
  status.textContent = missing.length === 0 ? "" : translateCount(missing.length, "One answer is missing.", "{count} answers are missing.");
  missing[0]?.first.focus();
  return missing.length === 0;
}

export const statusLine = () => element("p", { class: "hint", role: "status" });

const left = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
const inWords = (seconds) => translateCount(seconds, "1 second", "{count} seconds");

// Counts down on the page's clock; shows every second, says every ten and the last.
class Countdown {
  constructor(seconds, node, words, onEnd) {
    this.until = performance.now() + 1000 * seconds;
    this.shown = element("span", { class: "timer", "aria-hidden": "true" });
    this.said = element("span", { class: "said", role: "status" });
    this.node = element("span", { class: "clock" }, this.shown, this.said);
    node.append(this.node);
    this.words = words;
    this.onEnd = onEnd;
    this.spoken = null;
    this.timer = setInterval(() => this.look(), 200);
    this.look();
  }

  look() {
    const seconds = Math.max(0, Math.ceil((this.until - performance.now()) / 1000));
    this.shown.textContent = this.words(left(seconds));
    const step = Math.ceil(seconds / SAID_EVERY);
    if (step !== this.spoken) this.said.textContent = this.words(inWords(seconds));
    this.spoken = step;
    if (seconds === 0) {
      this.stop();
      this.onEnd();
    }
  }

  stop() {
    clearInterval(this.timer);
    this.node.remove();
  }
}

// The jsPsych plugin of a kind of pages.
export function pagePlugin(info, { build, draw }) {
  return class {
    static info = info;

    constructor(jsPsych) {
      this.jsPsych = jsPsych;
    }

    trial(display, trial, onLoad) {
      const page = build(trial, this.jsPsych);
      this.page = page;
      const button = element("button", { type: "submit", class: "main" }, page.label ?? translate("Continue"));
      const note = element("p", { class: "hint" });
      const form = element("form", { class: `page ${page.name ?? ""}`.trim(), novalidate: "" }, ...page.nodes);
      form.append(element("div", { class: "onward" }, note, button));
      display.replaceChildren(form);
      window.scrollTo(0, 0);
      form.querySelector("h1").focus({ preventScroll: true });
      let shown = null;
      const clocks = [];
      const done = (values) => {
        for (const clock of clocks) clock.stop();
        this.finish(performance.now() - shown, values, trial);
      };
      this.shown = painted([]).then((moment) => {
        shown = moment;
        form.dataset.shown = "";
        if (page.hold > 0) {
          button.disabled = true;
          const free = () => {
            button.disabled = false;
          };
          clocks.push(new Countdown(page.hold, note, (time) => translate("You can go on in {time}", { time }), free));
        }
        if (page.longest) clocks.push(new Countdown(page.longest, note, (time) => translate("It goes on by itself in {time}", { time }), () => done({})));
      });
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        if (shown === null || button.disabled) return;
        const values = page.read();
        if (values === null) return;
        button.disabled = true;
        done(values);
      });
      onLoad?.();
    }

    finish(rt, values) {
      const answered = "values" in info.data ? { values } : {};
      this.jsPsych.finishTrial({ rt: Math.round(rt * 10) / 10, images: [], ...answered });
    }

    simulate(trial, mode, options, onLoad) {
      const random = this.jsPsych.randomization;
      const least = 1000 * (trial.least_seconds ?? 0);
      const drawn = { rt: least + random.sampleExGaussian(2500, 400, 1 / 600, true), values: draw(trial, random) };
      const data = this.jsPsych.pluginAPI.mergeSimulationData(drawn, options);
      if (mode === "data-only") {
        onLoad();
        this.finish(data.rt, data.values);
        return;
      }
      const display = this.jsPsych.getDisplayElement();
      this.trial(display, trial, onLoad);
      this.page.fill(data.values);
      this.shown.then(() => {
        this.jsPsych.pluginAPI.clickTarget(display.querySelector("button[type=submit]"), Math.max(data.rt, least + 300));
      });
    }
  };
}

export const one = (random, options) => random.sampleWithoutReplacement(options, 1)[0];
