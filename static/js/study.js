// A participant's visit: send what waits, ask the server what is stored, load the images, go on at the first
// open trial, and fetch the completion code when the server has every answer.
//
// How a trial looks is the matter of its kind: a script that the server names, in js/trials. It exports an object:
//   info                   what its jsPsych plugin declares: parameters and data, rt and images among them
//   plugin                 the jsPsych plugin
//   trial(planned, study)  the plugin's parameters; study has the constructs by name, and the images of the trial
//   answer(data)           the fields of the posted answer that only this kind has
import { Events } from "./events.js";
import { Outbox, post } from "./outbox.js";
import { element } from "./painted.js";
import { preload } from "./preload.js";
import { newId, pause, sleep } from "./waiting.js";

const GAP_MS = 250;
const config = JSON.parse(document.getElementById("config").textContent);
const stage = document.getElementById("study");
const bar = document.getElementById("progress");
const unsent = document.getElementById("unsent");

function say(title, texts, button) {
  const parts = [element("h1", { tabindex: "-1" }, title), ...texts.map((text) => element("p", {}, text))];
  if (button) parts.push(button);
  stage.replaceChildren(element("div", { class: "words" }, ...parts));
}

function again(label = "Try again") {
  const button = element("button", { type: "button", class: "main" }, label);
  button.addEventListener("click", () => location.reload());
  return button;
}

function showProgress(done, total) {
  const percent = total === 0 ? 0 : Math.round((100 * done) / total);
  bar.setAttribute("aria-valuenow", String(percent));
  bar.setAttribute("aria-valuetext", `${done} of ${total} answered`);
  bar.firstElementChild.style.width = `${percent}%`;
}

function showUnsent(outbox) {
  const count = outbox.size;
  const late = count > 0 && outbox.failures > 0;
  unsent.hidden = !late;
  if (!late) return;
  const answers = count === 1 ? "One answer is" : `${count} answers are`;
  const why = outbox.said || (navigator.onLine ? "The server cannot be reached." : "You are offline.");
  unsent.textContent = `${why} ${answers} kept in this browser and will be sent by itself; you can go on.`;
}

async function fetchState() {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const answer = await fetch(config.urls.state, { headers: { Accept: "application/json" }, cache: "no-store" });
      if (answer.ok) return answer.json();
      if (answer.status < 500) throw new Error(`the server answered ${answer.status}`);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // only a network that failed is tried again
    }
    say("Waiting for the network", ["The page goes on by itself as soon as the server can be reached."]);
    await sleep(pause(attempt));
  }
}

async function loadImages(state, open, events) {
  const needed = new Set(open.flatMap((trial) => trial.images));
  const images = Object.fromEntries([...needed].map((digest) => [digest, state.images[digest]]));
  say("Loading the pictures", ["One moment, please."]);
  const count = element("p", { class: "soft" });
  stage.firstElementChild.append(count);
  const begun = performance.now();
  const { loaded, retries } = await preload(images, (done, total) => {
    count.textContent = `${done} of ${total}`;
  });
  events.add("images", { count: loaded.size, retries, ms: Math.round(performance.now() - begun) });
  return loaded;
}

function escaped(text) {
  return element("p", {}, text).innerHTML;
}

function introduction(block, number, blocks, resumed) {
  const title = resumed ? "Welcome back" : blocks > 1 ? `Part ${number + 1} of ${blocks}` : "Before you begin";
  const texts = block.instructions.map((text) => `<p>${escaped(text)}</p>`).join("");
  const keys = `<p class="keys soft">${escaped(block.keys)}</p>`;
  return {
    type: window.jsPsychHtmlButtonResponse,
    stimulus: `<div class="words"><h1 tabindex="-1">${title}</h1>${texts}${keys}</div>`,
    choices: [resumed ? "Go on" : "Begin"],
    button_html: (label) => `<button type="button" class="main">${label}</button>`,
    on_load: () => {
      window.scrollTo(0, 0);
      stage.querySelector("h1").focus({ preventScroll: true });
    },
  };
}

// The kinds of the blocks by name, each from its script.
async function loadKinds(blocks) {
  const load = async ({ kind, script }) => [kind, (await import(script)).default];
  return Object.fromEntries(await Promise.all(blocks.map(load)));
}

function trialNode(trial, kind, study, onAnswer, events) {
  const images = trial.images.map((digest) => study.images.get(digest));
  return {
    type: kind.plugin,
    ...kind.trial(trial, { constructs: study.constructs, images }),
    on_start: () => {
      events.trialIndex = trial.index;
    },
    on_finish: (data) => onAnswer(trial, answerBody(trial, kind, data)),
    post_trial_gap: GAP_MS,
  };
}

function answerBody(trial, kind, data) {
  return { response_id: newId(), trial_id: trial.id, rt_ms: data.rt, images: data.images, ...kind.answer(data) };
}

async function run(state, kinds, open, images, onAnswer, events) {
  const begunAlready = open.length < state.trials.length;
  const jsPsych = window.initJsPsych({ display_element: stage, auto_update_progress_bar: false });
  const study = { constructs: state.constructs, images };
  const timeline = [];
  state.blocks.forEach((block, number) => {
    const trials = open.filter((trial) => trial.block === block.name);
    if (trials.length === 0) return;
    const resumed = begunAlready && timeline.length === 0;
    timeline.push(introduction(block, number, state.blocks.length, resumed));
    timeline.push(...trials.map((trial) => trialNode(trial, kinds[block.kind], study, onAnswer, events)));
  });
  stage.replaceChildren();
  await jsPsych.run(timeline);
}

async function allSent(outbox) {
  while (outbox.size > 0) {
    say("Storing your answers", ["Please keep this page open for a moment."]);
    outbox.flush();
    await sleep(300);
  }
}

async function finish(outbox) {
  for (let attempt = 0; ; attempt += 1) {
    await allSent(outbox);
    try {
      const { status, reply } = await post(config.urls.finish, {});
      if (status === 200) {
        location.replace(config.urls.done);
        return;
      }
      if (status < 500) {
        say("Not quite finished", [reply?.message ?? "Some answers are not stored yet.", ...outbox.refused], again("Go on"));
        return;
      }
    } catch {
      // no network: wait and ask again
    }
    say("Storing your answers", ["Please keep this page open: the server cannot be reached at the moment."]);
    await sleep(pause(attempt));
  }
}

async function visit() {
  const events = new Events(config.preview ? null : config.urls.events);
  const outbox = new Outbox(config.participant, config.urls.responses, showUnsent);
  events.watch();
  await outbox.flush();
  const state = config.preview ? config.state : await fetchState();
  const open = state.trials.filter((trial) => !trial.done && !outbox.has(trial.id));
  const total = state.trials.length;
  let done = total - open.length;
  showProgress(done, total);
  events.add("load", { done, waiting: outbox.size, width: innerWidth, height: innerHeight, ratio: devicePixelRatio });
  if (!state.live && !config.preview && open.length > 0) {
    say("The study is not open at the moment", ["Your answers so far are stored. Please come back later."], again());
    return;
  }
  if (open.length > 0) {
    const kinds = await loadKinds(state.blocks);
    const images = await loadImages(state, open, events);
    const onAnswer = (trial, answer) => {
      done += 1;
      showProgress(done, total);
      if (!config.preview) outbox.add(answer);
    };
    await run(state, kinds, open, images, onAnswer, events);
  }
  await events.send(false);
  if (config.preview) say("End of the preview", ["Nothing was stored."], again("From the start"));
  else await finish(outbox);
}

function offerToStop() {
  const dialog = document.getElementById("stop");
  if (!dialog) return;
  const open = document.getElementById("stop-open");
  open.addEventListener("click", () => dialog.showModal());
  document.getElementById("stop-not").addEventListener("click", () => dialog.close());
  open.hidden = false;
}

offerToStop();
visit().catch((error) => {
  say("Something did not work", [`${error.message}.`, "Your answers so far are kept."], again());
});
