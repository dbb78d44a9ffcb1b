// Breaks: nobody goes on before the least time; after the longest the study goes on by itself.
import { DATA, heading, list, number, pagePlugin, paragraphs } from "../pages.js";
import { translate } from "../words.js";

const info = {
  name: "almond-break",
  version: "1.0.0",
  parameters: {
    /** Paragraphs. */
    text: list,
    least_seconds: number(0),
    /** Null: the study waits for the person. */
    longest_seconds: number(null),
  },
  data: DATA,
};

export default {
  info,
  plugin: pagePlugin(info, {
    build: (trial) => ({
      name: "rest",
      nodes: [heading(translate("Time for a break")), ...paragraphs(trial.text)],
      hold: trial.least_seconds,
      longest: trial.longest_seconds,
      label: translate("Continue"),
      read: () => ({}),
      fill: () => undefined,
    }),
    draw: () => ({}),
  }),
  trial: (planned, { block }) => ({
    text: block.text,
    least_seconds: block.least_seconds,
    longest_seconds: block.longest_seconds,
  }),
  answer: () => ({}),
};
