// Instructions: one page of text; its button waits as long as the block says.
import { DATA, heading, list, number, pagePlugin, paragraphs, text } from "../pages.js";
import { translate } from "../words.js";

const info = {
  name: "almond-instruction",
  version: "1.0.0",
  parameters: {
    heading: text(translate("Instructions")),
    /** Paragraphs. */
    text: list,
    least_seconds: number(0),
  },
  data: DATA,
};

export default {
  info,
  plugin: pagePlugin(info, {
    build: (trial) => ({
      nodes: [heading(trial.heading), ...paragraphs(trial.text)],
      hold: trial.least_seconds,
      read: () => ({}),
      fill: () => undefined,
    }),
    draw: () => ({}),
  }),
  trial: (planned, { block }) => ({
    heading: block.pages.length > 1 ? translate("{heading} ({number} of {total})", { heading: block.heading, number: planned.place + 1, total: block.pages.length }) : block.heading,
    text: block.pages[planned.place],
    least_seconds: block.least_seconds,
  }),
  answer: () => ({}),
};
