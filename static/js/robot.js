// A rehearsal's robot: goes through a study's timeline in jsPsych's visual simulation, with the answers that the server
// says. Only pages of robots load this, which no study for people has.

const PRESSED_AFTER_MS = 250;
// Pages between the trials that wait for a press; others go on by themselves.
const PRESSED = new Set(["almond-introduction", "almond-feedback"]);

// What a plugin of such a page does when it is simulated: it shows the page, and presses the button.
function press(trial, mode, options, onLoad) {
  const display = this.jsPsych.getDisplayElement();
  this.trial(display);
  onLoad();
  this.jsPsych.pluginAPI.clickTarget(display.querySelector("button.main"), PRESSED_AFTER_MS);
}

// The data of a trial: a kind whose data have other names than its answer says how one is made of the other.
function dataOf({ trial, kind }, answers) {
  const { rt, ...answer } = answers[trial.id];
  return { rt, ...(kind.simulated?.(answer) ?? answer) };
}

function prepare(node, answers) {
  for (const inner of node.timeline ?? []) prepare(inner, answers);
  if (PRESSED.has(node.type?.info.name)) node.type.prototype.simulate = press;
  if (node.asked && answers[node.asked.trial.id]) node.simulation_options = { data: dataOf(node.asked, answers) };
}

export function simulate(jsPsych, timeline, { answers }) {
  prepare({ timeline }, answers);
  return jsPsych.simulate(timeline, "visual");
}
