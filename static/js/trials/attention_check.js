// Attention checks: a question that says which of its answers to choose. Which one is correct is not known here.
import { DATA, VALUES, allAnswered, choices, heading, list, one, pagePlugin, statusLine, text } from "../pages.js";

const info = {
  name: "almond-attention-check",
  version: "1.0.0",
  parameters: {
    question: text(undefined),
    options: list,
  },
  data: { ...DATA, ...VALUES },
};

function build(trial) {
  const question = choices("check", trial.question, trial.options, { heading: "heading" });
  const status = statusLine();
  return {
    nodes: [heading(trial.question), question.node, status],
    read: () => (allAnswered([question], status) ? { answer: question.value } : null),
    fill: ({ answer }) => question.pick(answer),
  };
}

export default {
  info,
  plugin: pagePlugin(info, { build, draw: (trial, random) => ({ answer: one(random, trial.options) }) }),
  trial: (planned, { block }) => ({ question: block.question, options: block.options }),
  answer: (data) => ({ values: data.values }),
};
