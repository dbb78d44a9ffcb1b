// A participant's visit: send what waits, learn what is stored, go on at the first open trial while the pictures load, and fetch the completion code when the server has every answer.
//
// How a trial looks is the matter of its kind: a script that the server names, in js/trials. It exports an object:
//   info                   what its jsPsych plugin declares: parameters and data, rt and images among them
//   plugin                 the jsPsych plugin
//   trial(planned, study)  the plugin's parameters; study has the constructs by name, the images of the trial, and
//                          as block what the kind shows of the settings of its block
//   answer(data)           the fields of the posted answer that only this kind has
//   events(data)           pairs of name and detail of events to record, where a kind has some
import { haveAlone } from "./alone.js";
import { Events } from "./events.js";
import { Outbox, post } from "./outbox.js";
import { Frames, frameLength } from "./frames.js";
import { element } from "./painted.js";
import { Pictures } from "./preload.js";
import { ImageTime, partsBefore, showPart } from "./timing.js";
import { unpacked } from "./visit.js";
import { newId, pause, sleep } from "./waiting.js";

const GAP_MS = 250;
const OFFLINE = ["The page goes on by itself as soon as the server can be reached."];
const config = JSON.parse(document.getElementById("config").textContent);
const stage = document.getElementById("study");
const bar = document.getElementById("progress");
const unsent = document.getElementById("unsent");

function words(title, texts, button) {
  const parts = [element("h1", { tabindex: "-1" }, title), ...texts.map((text) => element("p", {}, text))];
  if (button) parts.push(button);
  return element("div", { class: "words" }, ...parts);
}

function say(title, texts, button) {
  stage.replaceChildren(words(title, texts, button));
}

function again(label = "Try again", act = () => location.reload()) {
  const button = element("button", { type: "button", class: "main" }, label);
  button.addEventListener("click", act);
  return button;
}

function showProgress(done, total) {
  const percent = total === 0 ? 0 : Math.round((100 * done) / total);
  bar.setAttribute("aria-valuenow", String(percent));
  bar.setAttribute("aria-valuetext", `${done} of ${total} answered`);
  bar.firstElementChild.style.width = `${percent}%`;
}

function answers(count) {
  return count === 1 ? "One answer is" : `${count} answers are`;
}

// Says "kept" only of what the browser's storage took, and that it keeps nothing only when it said so.
function showUnsent(outbox) {
  const refused = outbox.refused.length;
  const count = refused || outbox.size;
  unsent.dataset.waiting = String(outbox.size);
  unsent.hidden = count === 0 || (outbox.failures === 0 && refused === 0);
  if (unsent.hidden) return;
  const why = refused > 0 ? outbox.refused[0].refused : outbox.said || noAnswer();
  unsent.textContent = `${why} ${answers(count)} ${whereabouts(outbox, refused > 0, count)}`;
}

function noAnswer() {
  return navigator.onLine ? "The server cannot be reached." : "You are offline.";
}

function whereabouts(outbox, refused, count) {
  const sent = `will be sent by ${count === 1 ? "itself" : "themselves"}; you can go on.`;
  if (outbox.someUnkept) {
    const open = "not stored yet, and this browser keeps nothing: please leave this page open.";
    return refused ? open : `${open} ${count === 1 ? "It" : "They"} ${sent}`;
  }
  const where = `${outbox.allKept ? "kept" : "being stored"} in this browser`;
  return refused ? `${where} and will be offered to the site again when you load this page again.` : `${where} and ${sent}`;
}

// The server takes no more of this visit: say why, and what is kept. An end has a page of its own.
function showOver(reply, outbox) {
  if (["ended", "withdrawn"].includes(reply.reason)) {
    location.replace(config.urls.study);
    return;
  }
  const kept = outbox.size === 0 ? [] : [`${answers(outbox.size)} kept in this browser.`];
  say("The study cannot go on here", [reply.say, ...(outbox.allKept ? kept : [])], again());
}

// The server says no, in its own words.
class Stopped extends Error {
  constructor(reply) {
    super(reply.say);
    this.reply = reply;
  }
}

async function fetchState(tell = say) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const answer = await fetch(config.urls.state, { headers: { Accept: "application/json" }, cache: "no-store" });
      if (answer.ok) return answer.json();
      const reply = await answer.json().catch(() => null);
      if (reply?.reason) throw new Stopped(reply);
    } catch (error) {
      if (error instanceof Stopped) throw error; // else no network, or not our server who answered: ask again
    }
    tell("Waiting for the network", OFFLINE);
    await sleep(pause(attempt));
  }
}

// Starts loading all pictures, those of the first trial first. Nobody waits for them here: there are words to read.
function loadPictures(state, open, events) {
  const begun = performance.now();
  const pictures = new Pictures(state.images, open.flatMap((trial) => trial.images), ({ loaded, total, retries }) => {
    bar.dataset.pictures = `${loaded} of ${total}`;
    if (loaded === total) events.add("images", { count: total, retries, ms: Math.round(performance.now() - begun) });
  });
  pictures.start(open.find((trial) => trial.images.length > 0)?.images ?? []);
  return pictures;
}

// A jsPsych plugin that fills a page and goes on when the page says so: fill(display, goOn).
function page(name, fill) {
  return class {
    static info = { name, version: "1.0.0", parameters: {}, data: {} };

    constructor(jsPsych) {
      this.jsPsych = jsPsych;
    }

    trial(display) {
      fill(display, () => this.jsPsych.finishTrial({}));
    }
  };
}

// The words before a block, until the person goes on. Blocks of pages have none, and are no part of their own.
function introduction(block, blocks, first, resumed) {
  const parts = blocks.filter(({ instructions }) => instructions.length > 0);
  const part = `Part ${parts.indexOf(block) + 1} of ${parts.length}`;
  const title = resumed ? "Welcome back" : parts.length > 1 ? part : "Before you begin";
  return page("almond-introduction", (display, goOn) => {
    const shown = words(title, block.instructions, again(resumed ? "Go on" : "Begin", goOn));
    const notes = block.keys ? [element("p", { class: "keys soft" }, block.keys)] : [];
    if (config.resume_code && (first || resumed)) {
      const code = element("b", { class: "resume" }, config.resume_code);
      notes.push(element("p", { class: "soft" }, "To go on in another browser later, note this code: ", code));
    }
    shown.lastElementChild.before(...notes);
    display.replaceChildren(shown);
    window.scrollTo(0, 0);
    display.querySelector("h1").focus({ preventScroll: true });
  });
}

// The kinds of the blocks by name, each from its script.
async function loadKinds(blocks) {
  const load = async ({ kind, script }) => [kind, (await import(script)).default];
  return Object.fromEntries(await Promise.all(blocks.map(load)));
}

// A page of its own until the pictures of a trial have come.
function waitFor(pictures, digests) {
  return page("almond-wait", (display, goOn) => {
    display.replaceChildren(words("Loading the next picture", ["One moment, please."]));
    pictures
      .ready(digests)
      .then(goOn, (error) => say("A picture did not come", [`${error.message}.`, "Your answers so far are kept."], again()));
  });
}

// A page between the trials, until the server has every answer and has said what is not asked.
function decision(study) {
  return page("almond-decision", (display, goOn) => {
    study.decide((title, texts) => display.replaceChildren(words(title, texts))).then(goOn, sayProblem);
  });
}

// What was answered in practice, and what the block says about it.
function feedback(texts, study, given) {
  return page("almond-feedback", (display, goOn) => {
    const { chosen, values = {} } = given();
    const choice = chosen ? `You chose the picture on the ${chosen}.` : "You saw no difference.";
    const answered = Object.entries(values).flatMap(([name, value]) => [
      element("dt", {}, study.constructs[name]?.question ?? name),
      element("dd", {}, String(value)),
    ]);
    const told = chosen !== undefined ? element("p", {}, choice) : element("dl", { class: "answered" }, ...answered);
    const shown = words("Your answer", texts, again("Continue", goOn));
    shown.firstElementChild.after(told);
    display.replaceChildren(shown);
    window.scrollTo(0, 0);
    display.querySelector("h1").focus({ preventScroll: true });
  });
}

function trialNode(trial, kind, block, study, onAnswer, events) {
  const { pictures, measuring } = study;
  const course = block.course ?? {};
  const wait = { type: waitFor(pictures, trial.images) };
  const images = trial.images.map((digest) => pictures.get(digest));
  let frames = null;
  let given = null;
  let time = null;
  const shown = {
    type: kind.plugin,
    ...kind.trial(trial, { constructs: study.constructs, images, block: block.shown ?? {} }),
    on_start: () => {
      events.trialIndex = trial.index;
      frames = new Frames(measuring);
      time = new ImageTime(stage, course, measuring);
    },
    on_finish: (data) => {
      events.add("frames", { ...frames.end(), ...time.end() });
      for (const [name, detail] of kind.events?.(data) ?? []) events.add(name, detail);
      given = answerBody(trial, kind, data);
      onAnswer(trial, given);
    },
    post_trial_gap: course.interval_ms ?? GAP_MS,
  };
  const before = partsBefore(course).map((part) => {
    const show = (display, goOn) => showPart(display, part, measuring).then(goOn);
    return { type: page(`almond-${part.look}`, show) };
  });
  const practice = block.shown?.practice;
  const after = practice ? [{ type: feedback(practice, study, () => given) }] : [];
  return [{ timeline: [wait], conditional_function: () => !pictures.has(trial.images) }, ...before, shown, ...after];
}

function answerBody(trial, kind, data) {
  return { response_id: newId(), trial_id: trial.id, rt_ms: data.rt, images: data.images, ...kind.answer(data) };
}

async function run(state, kinds, open, study, onAnswer, events) {
  const begunAlready = open.length < state.trials.length;
  const jsPsych = window.initJsPsych({ display_element: stage, auto_update_progress_bar: false });
  const timeline = [];
  const isAsked = (trial) => !study.skipped.has(trial.index);
  const where = (trials, nodes) => timeline.push({ timeline: nodes, conditional_function: () => trials.some(isAsked) });
  let introduced = false;
  for (const block of state.blocks) {
    const trials = open.filter((trial) => trial.block === block.name);
    if (trials.length === 0) continue;
    const resumed = begunAlready && timeline.length === 0;
    if (block.waits) timeline.push({ type: decision(study) });
    if (resumed || block.instructions.length > 0) {
      where(trials, [{ type: introduction(block, state.blocks, !introduced, resumed) }]);
      introduced = true;
    }
    trials.forEach((trial, number) => {
      if (block.waits === "each" && number > 0) timeline.push({ type: decision(study) });
      where([trial], trialNode(trial, kinds[block.kind], block, study, onAnswer, events));
    });
  }
  stage.replaceChildren();
  await jsPsych.run(timeline);
}

// Resolves to true when everything is stored; false when the server says no to something for good.
async function allSent(outbox) {
  while (outbox.size > outbox.refused.length && !outbox.over) {
    say("Storing your answers", [outbox.said, "Please keep this page open for a moment."].filter(Boolean));
    outbox.flush();
    await sleep(300);
  }
  return outbox.size === 0;
}

// Resolves when the server has every answer that it takes. When it takes none any more, the page says so, and this
// never resolves.
async function reached(outbox, tell) {
  while (outbox.over || outbox.size > outbox.refused.length) {
    if (outbox.over) await new Promise(() => {});
    if (outbox.failures > 0) tell("Waiting for the network", ["What comes next depends on your answers.", ...OFFLINE]);
    outbox.flush();
    await sleep(outbox.failures > 0 ? 500 : 30);
  }
}

async function finish(outbox) {
  for (let attempt = 0; ; attempt += 1) {
    const stored = await allSent(outbox);
    if (outbox.over) return;
    if (!stored) {
      const count = outbox.refused.length;
      say("Not quite finished", [`${answers(count)} not stored: ${outbox.refused[0].refused}`], again());
      return;
    }
    try {
      const { status, reply } = await post(config.urls.finish, {});
      if (status === 200 && reply?.finished) {
        location.replace(config.urls.done);
        return;
      }
      if (reply?.reason) {
        say("Not quite finished", [reply.say], again("Go on"));
        return;
      }
    } catch {
      // no network: wait and ask again
    }
    say("Storing your answers", ["Please keep this page open: the server cannot be reached at the moment."]);
    await sleep(pause(attempt));
  }
}

// True when this tab may go on; else it says where the study is open, and offers to go on here.
async function alone(outbox, takeOver) {
  const name = `almond:${config.participant}`;
  const lost = () => {
    outbox.stop();
    say("The study went on in another window", ["You can close this one."], again("Go on here"));
  };
  if (await haveAlone(name, lost, { takeOver })) return true;
  const button = again("Go on here", () => visit({ takeOver: true }).catch(sayProblem));
  say("The study is open in another window", ["Please go on there, or take it over into this one."], button);
  return false;
}

async function noteLoad(events, outbox, done, measuring) {
  const detail = { done, waiting: outbox.size, kept: outbox.store.works };
  const screen = { width: innerWidth, height: innerHeight, ratio: devicePixelRatio };
  events.add("load", { ...detail, ...screen, frame_ms: await measuring });
}

async function visit({ takeOver = false } = {}) {
  document.getElementById("late")?.remove();
  const measuring = frameLength();
  const events = new Events(config.preview ? null : config.urls.events);
  const outbox = await Outbox.open(config.participant, config.urls.responses, {
    onChange: showUnsent,
    onOver: (reply) => showOver(reply, outbox),
  });
  if (!config.preview && !(await alone(outbox, takeOver))) return;
  events.watch();
  // What came with the page may be older than an answer that waited, or that another tab gave.
  const fresh = outbox.size === 0 && outbox.store.works && !takeOver;
  await outbox.flush();
  if (outbox.over) return;
  const state = unpacked(config.preview || fresh ? config.state : await fetchState());
  const open = state.trials.filter((trial) => !trial.done && !outbox.has(trial.id) && !state.skipped.has(trial.index));
  const total = () => state.trials.length - study.skipped.size;
  const study = { constructs: state.constructs, skipped: state.skipped, measuring };
  let done = total() - open.length;
  showProgress(done, total());
  noteLoad(events, outbox, done, measuring);
  if (!state.live && !config.preview && open.length > 0) {
    say("The study is not open at the moment", ["Your answers so far are stored. Please come back later."], again());
    return;
  }
  if (open.length > 0) {
    const pictures = loadPictures(state, open, events);
    const kinds = await loadKinds(state.blocks);
    const onAnswer = (trial, answer) => {
      done += 1;
      showProgress(done, total());
      if (!config.preview) outbox.add(answer);
    };
    study.pictures = pictures;
    study.decide = async (tell) => {
      if (config.preview) return;
      await reached(outbox, tell);
      study.skipped = unpacked(await fetchState(tell)).skipped;
      showProgress(done, total());
    };
    await run(state, kinds, open, study, onAnswer, events);
  }
  if (outbox.over) return;
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

function sayProblem(error) {
  if (error instanceof Stopped) {
    say("The study cannot go on here", [error.message], again());
    return;
  }
  console.warn(error);
  say("A part of the study could not be loaded", [
    "Please check your connection, switch off what blocks content on this page, or use another browser.",
    "Your answers so far are not lost.",
  ], again());
}

offerToStop();
visit().catch(sayProblem);
