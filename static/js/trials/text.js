// Free texts: one image, and words of one's own for each question.
import { element } from "../painted.js";
import { answersToGo, declared, singleImageKind } from "../single_image.js";
import { translate } from "../words.js";

const { ParameterType } = window.jsPsychModule;

const info = declared("text", {
  /** Characters, without space around them. */
  shortest: { type: ParameterType.INT, default: 1 },
  longest: { type: ParameterType.INT, default: 500 },
});

const characters = (area) => [...area.value.trim()].length; // as the server counts them

function field(construct, number, trial, changed) {
  const id = `text-${number}`;
  const area = element("textarea", {
    id,
    class: "typed long",
    rows: trial.longest > 120 ? "4" : "2",
    "aria-describedby": `${id}-range`,
    autocomplete: "off",
  });
  const range = element("p", { class: "range", id: `${id}-range` });
  const count = element("span", { "aria-hidden": "true" });
  const { shortest, longest } = trial;
  const many = translate("{shortest} to {longest} characters", { shortest, longest });
  const most = translate("At most {longest} characters", { longest });
  range.append(`${shortest > 0 ? many : most} `, count);
  const say = () => {
    const length = characters(area);
    count.textContent = translate("({length} so far)", { length });
    area.setAttribute("aria-invalid", String(length > trial.longest));
  };
  area.addEventListener("input", () => {
    say();
    changed();
  });
  say();
  return { area, node: element("div", { class: "slider" }, element("label", { for: id }, construct.question), area, range) };
}

function controls(trial, { changed }) {
  const fields = trial.constructs.map((construct, number) => field(construct, number, trial, changed));
  const fits = ({ area }) => characters(area) >= trial.shortest && characters(area) <= trial.longest;
  return {
    node: element("div", { class: "rows" }, ...fields.map(({ node }) => node)),
    focus: () => fields[0].area.focus({ preventScroll: true }),
    missing: () => fields.filter((one) => !fits(one)).length,
    values: () => Object.fromEntries(fields.map(({ area }, number) => [trial.constructs[number].name, area.value.trim()])),
    operate: (values) =>
      fields.forEach(({ area }, number) => {
        area.value = values[trial.constructs[number].name];
        area.dispatchEvent(new Event("input", { bubbles: true }));
      }),
  };
}

function draw(trial, random) {
  const length = () => random.randomInt(Math.max(trial.shortest, 1), Math.min(trial.longest, trial.shortest + 40));
  return Object.fromEntries(trial.constructs.map(({ name }) => [name, "abcdefghij".repeat(300).slice(0, length())]));
}

export default singleImageKind(info, { toGo: answersToGo, controls, draw });
