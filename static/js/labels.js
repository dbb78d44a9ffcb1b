// The names in an atlas' label table as choices: each adds or takes away its name in the field of labels.

const table = () => document.getElementById("id_table");
const labels = () => document.getElementById("id_labels");
const chosen = () => labels().value.split(/[,\n]/).map((part) => part.trim()).filter(Boolean);

function write(names) {
  labels().value = names.join(", ");
  labels().dispatchEvent(new Event("input", { bubbles: true }));
}

function chip(number, name) {
  const button = document.createElement("button");
  const mark = () => button.setAttribute("aria-pressed", String(chosen().includes(name) || chosen().includes(number)));
  button.type = "button";
  button.className = "al-chip";
  button.textContent = `${number} ${name}`;
  button.dataset.name = name.toLowerCase();
  button.addEventListener("click", () => {
    const names = chosen();
    const kept = names.filter((one) => one !== name && one !== number);
    write(kept.length === names.length ? [...names, name] : kept);
    mark();
  });
  mark();
  return button;
}

function show(panel, found) {
  const filter = document.createElement("input");
  const list = document.createElement("div");
  filter.className = "al-input";
  filter.placeholder = "filter";
  filter.setAttribute("aria-label", "Filter the labels");
  list.className = "al-links";
  list.append(...found.map(([number, name]) => chip(String(number), name)));
  filter.addEventListener("input", () => {
    for (const one of list.children) one.hidden = !one.textContent.toLowerCase().includes(filter.value.toLowerCase());
  });
  panel.replaceChildren(filter, list);
}

async function ask(panel) {
  const address = new URL("../labels/", window.location.href);
  address.searchParams.set("table", table().value.trim());
  const answer = await fetch(address);
  const found = await answer.json();
  if (answer.ok) {
    show(panel, found.labels);
  } else {
    panel.textContent = found.error;
  }
}

document.addEventListener("DOMContentLoaded", () => {
  if (!table() || !labels()) return;
  const place = document.createElement("div");
  const button = document.createElement("button");
  const panel = document.createElement("div");
  place.className = "al al-labels";
  button.type = "button";
  button.className = "al-button";
  button.textContent = "Show labels";
  button.style.alignSelf = "flex-start";
  panel.className = "al-labels";
  panel.setAttribute("aria-live", "polite");
  button.addEventListener("click", () => ask(panel));
  place.append(button, panel);
  labels().after(place);
});
