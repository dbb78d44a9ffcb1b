// Goes through a participant's trials one at a time: by slider, buttons, keys, or by itself at the speed of the answers.
const LONGEST_MS = 8000; // nobody waits longer for one trial, however long it took
const SHORTEST_MS = 150;

const trials = [...document.querySelectorAll(".rp-trial")];
const controls = document.getElementById("replay-controls");
const slider = controls?.querySelector("input");
const where = controls?.querySelector("[data-where]");
const play = controls?.querySelector("[data-play]");
const speed = controls?.querySelector("[data-speed]");
let current = 0;
let timer = null;

function show(place) {
  current = Math.min(Math.max(place, 0), trials.length - 1);
  trials.forEach((trial, number) => {
    trial.hidden = number !== current;
  });
  slider.value = current + 1;
  slider.setAttribute("aria-valuetext", `trial ${current + 1} of ${trials.length}`);
  where.textContent = `${current + 1} of ${trials.length}`;
}

function stop() {
  clearTimeout(timer);
  timer = null;
  sayPlaying();
}

function sayPlaying() {
  play.setAttribute("aria-pressed", String(timer !== null));
  play.querySelector("[data-play-words]").textContent = timer === null ? "Play" : "Pause";
  play.querySelector(".material-symbols-outlined").textContent = timer === null ? "play_arrow" : "pause";
}

function next() {
  if (current === trials.length - 1) {
    stop();
    return;
  }
  const took = Number(trials[current].dataset.ms) / Number(speed.value);
  timer = setTimeout(() => {
    show(current + 1);
    next();
  }, Math.min(Math.max(took, SHORTEST_MS), LONGEST_MS));
}

function toggle() {
  if (timer !== null) {
    stop();
    return;
  }
  if (current === trials.length - 1) show(0);
  next();
  sayPlaying();
}

function go(place) {
  stop();
  show(place);
}

const KEYS = {
  ArrowLeft: () => go(current - 1),
  ArrowRight: () => go(current + 1),
  Home: () => go(0),
  End: () => go(trials.length - 1),
  " ": toggle,
};

// Fields and buttons keep their own keys; everywhere else on the page, keys go through the trials.
function pressed(event) {
  const busy = event.target.closest("input, select, textarea, button, a, [contenteditable]");
  if (busy || event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
  event.preventDefault();
  KEYS[event.key]();
}

if (trials.length > 0) {
  controls.hidden = false;
  document.getElementById("replay-keys").hidden = false;
  slider.addEventListener("input", () => go(Number(slider.value) - 1));
  controls.querySelectorAll("[data-step]").forEach((button) => {
    button.addEventListener("click", () => go(current + Number(button.dataset.step)));
  });
  play.addEventListener("click", toggle);
  document.addEventListener("keydown", pressed);
  show(0);
}
