// Multiple choice: one image, and options of which one or several are chosen for each question.
import { element } from "../painted.js";
import { answersToGo, declared, singleImageKind } from "../single_image.js";

const { ParameterType } = window.jsPsychModule;

const info = declared("options", {
  options: { type: ParameterType.STRING, array: true, default: undefined },
  /** Whether any number of them may be chosen, none as well. */
  several: { type: ParameterType.BOOL, default: false },
});

function question(construct, number, trial, changed) {
  const type = trial.several ? "checkbox" : "radio";
  const inputs = trial.options.map((value) => element("input", { type, name: `question-${number}`, value, autocomplete: "off" }));
  const labels = inputs.map((input, place) => {
    input.addEventListener("change", changed);
    return element("label", { class: "option" }, input, element("span", {}, trial.options[place]));
  });
  const node = element("fieldset", { class: "scale" }, element("legend", {}, construct.question), ...labels);
  return { inputs, node, chosen: () => inputs.filter((input) => input.checked).map((input) => input.value) };
}

function controls(trial, { changed, done }) {
  const questions = trial.constructs.map((construct, number) => question(construct, number, trial, changed));
  const node = element("div", { class: "rows" }, ...questions.map((one) => one.node));
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return; // check boxes alone send no form
    event.preventDefault();
    done();
  });
  return {
    node,
    focus: () => questions[0].inputs[0].focus({ preventScroll: true }),
    missing: () => (trial.several ? 0 : questions.filter(({ chosen }) => chosen().length === 0).length),
    values: () => Object.fromEntries(questions.map(({ chosen }, number) => [trial.constructs[number].name, chosen()])),
    operate: (values) =>
      questions.forEach(({ inputs }, number) => {
        const wanted = values[trial.constructs[number].name];
        inputs.filter((input) => wanted.includes(input.value) !== input.checked).forEach((input) => input.click());
      }),
  };
}

function draw(trial, random) {
  const one = () => random.sampleWithoutReplacement(trial.options, 1);
  return Object.fromEntries(trial.constructs.map(({ name }) => [name, one()]));
}

export default singleImageKind(info, { toGo: answersToGo, controls, draw });
