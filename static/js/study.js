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
import { unpacked } from "./visit.js";
import { newId, pause, sleep } from "./waiting.js";
import { translate, translateCount } from "./words.js";

const GAP_MS = 250;
// Refusals that are an end with a page of its own.
const ENDS = new Set(["ended", "withdrawn", "screened_out"]);
const config = JSON.parse(document.getElementById("config").textContent);
const offline = () => translate("The page goes on by itself as soon as the server can be reached.");
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

function again(label = translate("Try again"), act = () => location.reload()) {
  const button = element("button", { type: "button", class: "main" }, label);
  button.addEventListener("click", act);
  return button;
}

function showProgress(done, total) {
  const percent = total === 0 ? 0 : Math.round((100 * done) / total);
  bar.setAttribute("aria-valuenow", String(percent));
  bar.setAttribute("aria-valuetext", translate("{done} of {total} answered", { done, total }));
  bar.firstElementChild.style.width = `${percent}%`;
}

// Says "kept" only of what the browser's storage took, and that it keeps nothing only when it said so.
function showUnsent(outbox) {
  const refused = outbox.refused.length;
  const count = refused || outbox.size;
  unsent.dataset.waiting = String(outbox.size);
  unsent.hidden = count === 0 || (outbox.failures === 0 && refused === 0);
  if (unsent.hidden) return;
  const why = refused > 0 ? outbox.refused[0].refused : outbox.said || noAnswer();
  unsent.textContent = `${why} ${whereabouts(outbox, refused > 0, count)}`;
}

function noAnswer() {
  return navigator.onLine ? translate("The server cannot be reached.") : translate("You are offline.");
}

function whereabouts(outbox, refused, count) {
  if (outbox.someUnkept) {
    const open = translateCount(
      count,
      "One answer is not stored yet, and this browser keeps nothing: please leave this page open.",
      "{count} answers are not stored yet, and this browser keeps nothing: please leave this page open.",
    );
    if (refused) return open;
    const sent = translateCount(
      count,
      "It will be sent by itself; you can go on.",
      "They will be sent by themselves; you can go on.",
    );
    return `${open} ${sent}`;
  }
  if (refused) {
    return translateCount(
      count,
      "One answer is kept in this browser and will be offered to the site again when you load this page again.",
      "{count} answers are kept in this browser and will be offered to the site again when you load this page again.",
    );
  }
  if (outbox.allKept) {
    return translateCount(
      count,
      "One answer is kept in this browser and will be sent by itself; you can go on.",
      "{count} answers are kept in this browser and will be sent by themselves; you can go on.",
    );
  }
  return translateCount(
    count,
    "One answer is being stored in this browser and will be sent by itself; you can go on.",
    "{count} answers are being stored in this browser and will be sent by themselves; you can go on.",
  );
}

function keptHere(count) {
  return translateCount(
    count,
    "One answer is kept in this browser.",
    "{count} answers are kept in this browser.",
  );
}

// The server takes no more of this visit: say why, and what is kept. An end has a page of its own.
function showOver(reply, outbox) {
  if (ENDS.has(reply.reason)) {
    location.replace(config.urls.study);
    return;
  }
  const kept = outbox.size === 0 ? [] : [keptHere(outbox.size)];
  say(translate("The study cannot go on here"), [reply.say, ...(outbox.allKept ? kept : [])], again());
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
    tell(translate("Waiting for the network"), [offline()]);
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
  const part = () => translate("Part {number} of {total}", { number: parts.indexOf(block) + 1, total: parts.length });
  const begin = parts.length > 1 ? part() : translate("Before you begin");
  const title = resumed ? translate("Welcome back") : begin;
  return page("almond-introduction", (display, goOn) => {
    const shown = words(title, block.instructions, again(resumed ? translate("Continue") : translate("Begin"), goOn));
    const notes = block.keys ? [element("p", { class: "keys soft" }, block.keys)] : [];
    if (config.resume_code && (first || resumed)) {
      const code = element("b", { class: "resume" }, config.resume_code);
      const note = translate("To continue in another browser later, note this code:");
      notes.push(element("p", { class: "soft" }, `${note} `, code));
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

// What keeps the course of trials in time, where some block has one.
async function loadTiming(blocks) {
  const timed = blocks.find(({ course }) => course);
  return timed ? import(timed.course.script) : null;
}

// A page of its own until the pictures of a trial have come.
function waitFor(pictures, digests) {
  return page("almond-wait", (display, goOn) => {
    display.replaceChildren(words(translate("Loading the next picture"), [translate("One moment, please.")]));
    pictures
      .ready(digests)
      .then(goOn, (error) => {
        console.warn(error);
        const help = translate("Please check your connection, then try again. Your answers so far are kept.");
        say(translate("A picture did not come"), [help], again());
      });
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
    const answered = Object.entries(values).flatMap(([name, value]) => [
      element("dt", {}, study.constructs[name]?.question ?? name),
      element("dd", {}, `${value}`),
    ]);
    const side = values.missed ? translate("You did not answer in time.") : {
      left: translate("You chose the picture on the left."),
      right: translate("You chose the picture on the right."),
      "": translate("You saw no difference."),
    }[chosen];
    const told = side ? element("p", {}, side) : element("dl", { class: "answered" }, ...answered);
    const shown = words(translate("Your answer"), texts, again(translate("Continue"), goOn));
    shown.firstElementChild.after(told);
    display.replaceChildren(shown);
    window.scrollTo(0, 0);
    display.querySelector("h1").focus({ preventScroll: true });
  });
}

function trialNode(trial, kind, block, study, onAnswer, events) {
  const { pictures, measuring, timing } = study;
  const { course } = block;
  const wait = { type: waitFor(pictures, trial.images) };
  const images = trial.images.map((digest) => pictures.get(digest));
  let frames = null;
  let given = null;
  let time = null;
  const shown = {
    type: kind.plugin,
    asked: { trial, kind },
    ...kind.trial(trial, { constructs: study.constructs, images, block: block.shown ?? {} }),
    on_start: () => {
      events.trialIndex = trial.index;
      frames = new Frames(measuring);
      time = course ? new timing.ImageTime(stage, course, study, trial) : null;
    },
    on_finish: (data) => {
      events.add("frames", { ...frames.end(), ...time?.end(data) });
      for (const [name, detail] of kind.events?.(data) ?? []) events.add(name, detail);
      given = answerBody(trial, kind, data);
      onAnswer(trial, given);
    },
    post_trial_gap: course?.interval_ms ?? GAP_MS,
  };
  const before = (course ? timing.partsBefore(course) : []).map((part) => {
    const show = (display, goOn) => timing.showPart(display, part, measuring).then(goOn);
    return { type: page(`almond-${part.look}`, show) };
  });
  const practice = block.shown?.practice;
  const after = practice ? [{ type: feedback(practice, study, () => given) }] : [];
  const waiting = { timeline: [wait], conditional_function: () => !pictures.has(trial.images) };
  return [waiting, ...before, shown, ...after];
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
  study.jsPsych = jsPsych;
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
  // The server says who is a robot: somebody in a rehearsal, who answers by simulation.
  await (config.robot ? (await import(config.robot.script)).simulate(jsPsych, timeline, config.robot) : jsPsych.run(timeline));
}

// Resolves to true when everything is stored; false when the server says no to something for good.
async function allSent(outbox) {
  while (outbox.size > outbox.refused.length && !outbox.over) {
    const open = translate("Please keep this page open for a moment.");
    say(translate("Storing your answers"), [outbox.said, open].filter(Boolean));
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
    if (outbox.failures > 0) tell(translate("Waiting for the network"), [translate("What comes next depends on your answers."), offline()]);
    outbox.flush();
    await sleep(outbox.failures > 0 ? 500 : 30);
  }
}

async function finish(outbox) {
  for (let attempt = 0; ; attempt += 1) {
    const stored = await allSent(outbox);
    if (outbox.over) return;
    if (!stored) {
      const why = translateCount(
        outbox.refused.length,
        "One answer is not stored: {why}",
        "{count} answers are not stored: {why}",
        { why: outbox.refused[0].refused },
      );
      say(translate("Not quite finished"), [why], again());
      return;
    }
    try {
      const { status, reply } = await post(config.urls.finish, {});
      if (status === 200 && reply?.finished) {
        location.replace(config.urls.done);
        return;
      }
      if (ENDS.has(reply?.reason)) {
        location.replace(config.urls.study);
        return;
      }
      if (reply?.reason) {
        say(translate("Not quite finished"), [reply.say], again(translate("Continue")));
        return;
      }
    } catch {
      // no network: wait and ask again
    }
    say(translate("Storing your answers"), [
      translate("Please keep this page open: the server cannot be reached at the moment."),
    ]);
    await sleep(pause(attempt));
  }
}

// True when this tab may go on; else it says where the study is open, and offers to go on here.
async function alone(outbox, takeOver) {
  const name = `almond:${config.participant}`;
  const lost = () => {
    outbox.stop();
    const close = translate("You can close this one.");
    say(translate("The study went on in another window"), [close], again(translate("Continue here")));
  };
  if (await haveAlone(name, lost, { takeOver })) return true;
  const button = again(translate("Continue here"), () => visit({ takeOver: true }).catch(sayProblem));
  const there = translate("Please continue there, or take it over into this one.");
  say(translate("The study is open in another window"), [there], button);
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
    const later = translate("Your answers so far are stored. Please come back later.");
    say(translate("The study is not open at the moment"), [later], again());
    return;
  }
  if (open.length > 0) {
    const pictures = loadPictures(state, open, events);
    const [kinds, timing] = await Promise.all([loadKinds(state.blocks), loadTiming(state.blocks)]);
    const onAnswer = (trial, answer) => {
      done += 1;
      showProgress(done, total());
      if (!config.preview) outbox.add(answer);
    };
    Object.assign(study, { pictures, timing });
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
  if (!config.preview) {
    await finish(outbox);
    return;
  }
  say(translate("End of the preview"), [translate("Nothing was stored.")], again(translate("From the start")));
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
    say(translate("The study cannot go on here"), [error.message], again());
    return;
  }
  console.warn(error);
  say(translate("A part of the study could not be loaded"), [
    translate("Please check your connection, switch off what blocks content on this page, or use another browser."),
    translate("Your answers so far are not lost."),
  ], again());
}

offerToStop();
visit().catch(sayProblem);
