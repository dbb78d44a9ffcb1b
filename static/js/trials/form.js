// Forms: fields for numbers, choices and texts. What is wrong is said at the field when the form is sent.
import { element } from "../painted.js";
import { DATA, VALUES, choices, heading, list, one, pagePlugin, paragraphs, statusLine, text } from "../pages.js";
import { translate, translateCount } from "../words.js";

const EMPTY = translate("No answer");
const NUMBER = /^-?\d+([.,]\d+)?$/;

const info = {
  name: "almond-form",
  version: "1.0.0",
  parameters: {
    heading: text(translate("About you")),
    /** Paragraphs. */
    text: list,
    /** [{name, label, type, optional}]; a number has low, high and whole, a choice has options. */
    fields: list,
  },
  data: { ...DATA, ...VALUES },
};

function numberHint({ whole, low, high }) {
  return whole ? translate("A whole number from {low} to {high}", { low, high }) : translate("A number from {low} to {high}", { low, high });
}

function numberWanted({ whole, low, high }) {
  return whole
    ? translate("Please give a whole number from {low} to {high}.", { low, high })
    : translate("Please give a number from {low} to {high}.", { low, high });
}

// {node, first, read() -> {value} or {problem}, write(value), complain(words)}
function typed(field) {
  const id = `field-${field.name}`;
  const isText = field.type === "text";
  const hint = isText ? "" : numberHint(field);
  const error = element("p", { class: "field-error", id: `${id}-error`, hidden: "" });
  const told = { "aria-describedby": `${id}-hint ${id}-error`, autocomplete: "off", id, name: field.name };
  const input = isText
    ? element("textarea", { ...told, rows: "3", maxlength: "2000" })
    : element("input", { ...told, type: "text", inputmode: field.whole ? "numeric" : "decimal", class: "short" });
  const label = element("label", { for: id }, field.label, ...(field.optional ? [element("span", { class: "soft" }, ` ${translate("(optional)")}`)] : []));
  const node = element("div", { class: "field" }, label, element("p", { class: "soft", id: `${id}-hint` }, hint), error, input);
  const read = () => {
    const words = input.value.trim();
    if (words === "") return field.optional ? { value: null } : { problem: translate("Please fill this in.") };
    if (isText) return { value: words };
    const value = Number(words.replace(",", "."));
    const fits = NUMBER.test(words) && value >= Number(field.low) && value <= Number(field.high);
    return fits && (!field.whole || Number.isInteger(value)) ? { value } : { problem: numberWanted(field) };
  };
  const complain = (words) => {
    error.textContent = words;
    error.hidden = words === "";
    node.classList.toggle("wrong", words !== "");
    input.setAttribute("aria-invalid", String(words !== ""));
  };
  const write = (value) => {
    input.value = value === null ? "" : String(value);
  };
  return { node, first: input, read, write, complain };
}

function chosen(field) {
  const options = field.optional ? [...field.options, EMPTY] : field.options;
  const group = choices(field.name, field.label, options, { soft: field.optional ? translate("(optional)") : "" });
  if (field.optional) group.pick(EMPTY);
  const read = () => {
    const { value } = group;
    if (value === null) return { problem: translate("Please choose an answer.") };
    return { value: field.optional && value === EMPTY ? null : value };
  };
  return { node: group.node, first: group.first, read, write: (value) => group.pick(value ?? EMPTY), complain: group.complain };
}

function build(trial) {
  const fields = trial.fields.map((field) => [field.name, field.type === "choice" ? chosen(field) : typed(field)]);
  const status = statusLine();
  const read = () => {
    const answers = fields.map(([name, field]) => [name, field.read(), field]);
    const wrong = answers.filter(([, { problem }]) => problem);
    for (const [, { problem }, field] of answers) field.complain(problem ?? "");
    status.textContent = wrong.length === 0 ? "" : translateCount(wrong.length, "One field needs another look.", "{count} fields need another look.");
    wrong[0]?.[2].first.focus();
    return wrong.length > 0 ? null : Object.fromEntries(answers.map(([name, { value }]) => [name, value]));
  };
  return {
    nodes: [heading(trial.heading), ...paragraphs(trial.text), ...fields.map(([, { node }]) => node), status],
    read,
    fill: (values) => fields.forEach(([name, field]) => field.write(values[name] ?? null)),
  };
}

function drawn(field, random) {
  if (field.type === "choice") return one(random, field.options);
  if (field.type === "text") return "Written by a simulated participant.";
  return random.randomInt(Math.ceil(Number(field.low)), Math.floor(Number(field.high)));
}

export default {
  info,
  plugin: pagePlugin(info, {
    build,
    draw: (trial, random) => Object.fromEntries(trial.fields.map((field) => [field.name, drawn(field, random)])),
  }),
  trial: (planned, { block }) => ({ heading: block.heading, text: block.text, fields: block.fields }),
  answer: (data) => ({ values: data.values }),
};
