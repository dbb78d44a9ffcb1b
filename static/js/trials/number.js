// Numbers: one image, and a number with its unit for each construct.
import { element } from "../painted.js";
import { declared, singleImageKind } from "../single_image.js";

const { ParameterType } = window.jsPsychModule;

const info = declared("number", {
  least: { type: ParameterType.FLOAT, default: 0 },
  most: { type: ParameterType.FLOAT, default: 100 },
  /** 0 for whole numbers. */
  decimals: { type: ParameterType.INT, default: 0 },
  /** Stands behind the number; empty for none. */
  unit: { type: ParameterType.STRING, default: "" },
});

function field(construct, number, trial, changed) {
  const id = `number-${number}`;
  const input = element("input", {
    type: "number",
    id,
    class: "typed",
    min: String(trial.least),
    max: String(trial.most),
    step: String(10 ** -trial.decimals),
    inputmode: trial.decimals > 0 ? "decimal" : "numeric",
    required: "",
    autocomplete: "off",
    "aria-describedby": `${id}-range`,
  });
  const range = element("p", { class: "range", id: `${id}-range` });
  const say = () => {
    const wrong = !input.validity.valid && !(input.validity.valueMissing && !input.validity.badInput);
    input.setAttribute("aria-invalid", String(wrong));
    const decimals = trial.decimals > 0 ? `, at most ${trial.decimals} decimal${trial.decimals > 1 ? "s" : ""}` : ", whole";
    range.textContent = `${wrong ? "Please type a number from" : "From"} ${trial.least} to ${trial.most}${decimals}`;
  };
  input.addEventListener("input", () => {
    say();
    changed();
  });
  say();
  const line = element("div", { class: "typed-line" }, input, element("span", { class: "unit" }, trial.unit));
  return { input, node: element("div", { class: "slider" }, element("label", { for: id }, construct.question), line, range) };
}

function controls(trial, { changed }) {
  const fields = trial.constructs.map((construct, number) => field(construct, number, trial, changed));
  const inputs = fields.map(({ input }) => input);
  inputs.forEach((input, number) => {
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !inputs[number + 1] || !input.validity.valid) return;
      event.preventDefault();
      inputs[number + 1].focus();
    });
  });
  return {
    node: element("div", { class: "rows" }, ...fields.map(({ node }) => node)),
    focus: () => inputs[0].focus({ preventScroll: true }),
    missing: () => inputs.filter((input) => !input.validity.valid).length,
    values: () => Object.fromEntries(inputs.map((input, number) => [trial.constructs[number].name, input.valueAsNumber])),
    operate: (values) =>
      inputs.forEach((input, number) => {
        input.value = String(values[trial.constructs[number].name]);
        input.dispatchEvent(new Event("input", { bubbles: true }));
      }),
  };
}

function draw(trial, random) {
  const unit = 10 ** -trial.decimals;
  const steps = Math.floor((trial.most - trial.least) / unit + 1e-9);
  const number = () => Number((trial.least + random.randomInt(0, steps) * unit).toFixed(10));
  return Object.fromEntries(trial.constructs.map(({ name }) => [name, number()]));
}

export default singleImageKind(info, { noun: ["number", "numbers"], controls, draw });
