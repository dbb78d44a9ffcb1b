// Keeps the monitor of a study up to date; asks only while somebody can see it.
const EVERY_MS = 4000;
const SVG = "http://www.w3.org/2000/svg";
const page = document.getElementById("monitor");

function showNumbers(numbers) {
  const at = new Date(numbers.at).toLocaleTimeString();
  const highest = Math.max(...numbers.per_minute);
  for (const [name, value] of Object.entries({ ...numbers, at, highest })) {
    const cell = page.querySelector(`[data-number="${name}"]`);
    if (cell && typeof value !== "object") cell.textContent = value;
  }
}

function listRow(list) {
  const row = document.createElement("div");
  row.className = "st-list";
  const bar = document.createElement("div");
  bar.className = "st-bar";
  for (const count of [list.taken, list.finished]) {
    const part = document.createElement("span");
    part.style.width = `${(100 * Math.min(count, list.capacity)) / list.capacity}%`;
    bar.append(part);
  }
  const name = document.createElement("span");
  name.textContent = `List ${list.number}`;
  const said = document.createElement("span");
  said.className = "al-small al-soft al-number";
  said.textContent = `${list.finished} + ${list.taken - list.finished} of ${list.capacity}`;
  said.title = "finished + under way, of all slots";
  row.append(name, bar, said);
  return row;
}

function showRate(counts) {
  const highest = Math.max(1, ...counts);
  const width = 300 / counts.length;
  const bars = counts.map((count, minute) => {
    const bar = document.createElementNS(SVG, "rect");
    const height = (92 * count) / highest;
    const box = { x: minute * width + 1, y: 98 - height, width: width - 2, height };
    for (const [key, value] of Object.entries(box)) bar.setAttribute(key, value.toFixed(2));
    return bar;
  });
  const floor = document.createElementNS(SVG, "line");
  for (const [key, value] of Object.entries({ x1: 0, x2: 300, y1: 98.5, y2: 98.5 })) floor.setAttribute(key, value);
  document.getElementById("rate").replaceChildren(...bars, floor);
}

function show(numbers) {
  showNumbers(numbers);
  showRate(numbers.per_minute);
  document.getElementById("lists").replaceChildren(...numbers.lists.map(listRow));
}

async function look() {
  if (document.hidden) return;
  const answer = await fetch(page.dataset.address, { headers: { Accept: "application/json" } });
  if (answer.ok) show(await answer.json());
}

show(JSON.parse(document.getElementById("numbers").textContent));
setInterval(() => look().catch(() => undefined), EVERY_MS);
