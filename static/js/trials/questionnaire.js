// Questionnaires: all statements of an instrument on one page, each with the same answers.
import { translate } from "../words.js";
import { DATA, VALUES, allAnswered, choices, heading, list, pagePlugin, paragraphs, statusLine } from "../pages.js";

const info = {
  name: "almond-questionnaire",
  version: "1.0.0",
  parameters: {
    /** Paragraphs. */
    text: list,
    items: list,
    answers: list,
  },
  data: { ...DATA, ...VALUES },
};

function build(trial) {
  const groups = trial.items.map((item, place) => choices(String(place + 1), item, trial.answers));
  for (const { node } of groups) node.classList.add("statement");
  const status = statusLine();
  const values = () => groups.map(({ value }, place) => [String(place + 1), trial.answers.indexOf(value) + 1]);
  return {
    name: "questionnaire",
    nodes: [heading(translate("Questionnaire")), ...paragraphs(trial.text), ...groups.map(({ node }) => node), status],
    read: () => (allAnswered(groups, status) ? Object.fromEntries(values()) : null),
    fill: (answers) => groups.forEach((group, place) => group.pick(trial.answers[answers[String(place + 1)] - 1])),
  };
}

export default {
  info,
  plugin: pagePlugin(info, {
    build,
    draw: (trial, random) => Object.fromEntries(trial.items.map((item, place) => [String(place + 1), random.randomInt(1, trial.answers.length)])),
  }),
  trial: (planned, { block }) => ({ text: block.text, items: block.items, answers: block.answers }),
  answer: (data) => ({ values: data.values }),
};
