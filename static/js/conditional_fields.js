// Shows a field's row while another field of the same form has certain values (lab/conditional_fields.py).
// Fields are only read: what a hidden one holds stays as it is.

const conditional = () => [...document.querySelectorAll("[data-shown-when]")];
const rowOf = (field) => field.closest(".field-line");

function valueOf(fields) {
  const [field] = fields;
  if (field.type === "radio") return fields.find((button) => button.checked)?.value ?? "";
  if (field.type === "checkbox") return fields.some((box) => box.checked) ? "on" : "";
  return field.value.trim();
}

/** Is the condition of a field met? The forms of an inline have names with a prefix, which conditions lack. */
function isMet(field) {
  const { own, field: deciding, values, unless } = JSON.parse(field.dataset.shownWhen);
  const prefix = field.name.slice(0, field.name.lastIndexOf(own));
  const fields = [...field.form.elements].filter(({ name }) => name === prefix + deciding);
  if (fields.length === 0) return true;
  const above = fields[0].dataset.shownWhen;
  return (above === undefined || isMet(fields[0])) && values.includes(valueOf(fields)) !== unless;
}

/** A row with an error is shown in any case, so that nobody searches for what is wrong. */
function update() {
  for (const field of conditional()) {
    rowOf(field).hidden = !isMet(field) && !rowOf(field).classList.contains("errors");
  }
  for (const outer of [".form-row", "fieldset.module"]) {
    for (const element of document.querySelectorAll(`${outer}:has([data-shown-when])`)) {
      element.hidden = [...element.querySelectorAll(".field-line")].every((row) => row.hidden);
    }
  }
  document.querySelectorAll(".form-rows:has([data-shown-when])").forEach(markLast);
}

/** Unfold draws a line below each row but the last one. */
function markLast(rows) {
  const shown = [...rows.children].filter((row) => !row.hidden);
  for (const row of rows.children) row.classList.toggle("last", row === shown.at(-1));
}

for (const event of ["input", "change", "formset:added"]) document.addEventListener(event, update);
// Django's own drop-down lists with a search announce a choice through jQuery alone.
document.addEventListener("DOMContentLoaded", () => window.django?.jQuery(document).on("change", update));
update();
