// Comprehension checks: questions about the instructions. From the second attempt on the instructions come first.
// Which answers are correct is not known here: the server says whether there is another attempt.
import { element } from "../painted.js";
import { DATA, VALUES, allAnswered, choices, heading, list, number, one, pagePlugin, paragraphs, statusLine } from "../pages.js";
import { translate } from "../words.js";

const info = {
  name: "almond-comprehension-check",
  version: "1.0.0",
  parameters: {
    /** [[question, answers]]. */
    questions: list,
    /** Paragraphs of the instructions, shown from the second attempt on. */
    reread: list,
    /** Number of the attempt, from 0. */
    attempt: number(0),
  },
  data: { ...DATA, ...VALUES },
};

function build(trial) {
  const groups = trial.questions.map(([question, options], place) => choices(String(place + 1), question, options));
  const status = statusLine();
  const again = trial.attempt > 0;
  const title = again ? translate("Not all of these answers were right") : translate("A few questions before you go on");
  const words = again
    ? [element("p", {}, translate("Please read this once more and answer again.")), element("div", { class: "reread" }, ...paragraphs(trial.reread))]
    : [element("p", {}, translate("They are about what you are asked to do here."))];
  const values = () => Object.fromEntries(groups.map(({ value }, place) => [String(place + 1), value]));
  return {
    nodes: [heading(title), ...words, ...groups.map(({ node }) => node), status],
    read: () => (allAnswered(groups, status) ? values() : null),
    fill: (answers) => groups.forEach((group, place) => group.pick(answers[String(place + 1)])),
  };
}

export default {
  info,
  plugin: pagePlugin(info, {
    build,
    draw: (trial, random) => Object.fromEntries(trial.questions.map(([, options], place) => [String(place + 1), one(random, options)])),
  }),
  trial: (planned, { block }) => ({ questions: block.questions, reread: block.reread, attempt: planned.place }),
  answer: (data) => ({ values: data.values }),
};
