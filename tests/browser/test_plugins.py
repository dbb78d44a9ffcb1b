"""Scripts of trial kinds: what they declare is what they store, also when they simulate themselves."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from django.templatetags.static import static

from almond.design.assignment import make_lists
from almond.design.trials import TRIAL_KINDS
from almond.shapes import read
from ratings.services import join
from tests.almond.small_export import SmallStudy
from tests.almond.test_trial_kinds import BLOCKS, plan_of
from tests.site.small_study import make_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SIMULATE = """async (mode) => {
    const rating = (await import("/static/js/trials/rating.js")).default;
    const choice = (await import("/static/js/trials/choice.js")).default;
    const canvas = document.createElement("canvas");
    const dot = canvas.toDataURL();
    const image = (digest) => ({ url: dot, width: 1, height: 1, digest });
    const stage = document.createElement("div");
    document.body.append(stage);
    const jsPsych = initJsPsych({ display_element: stage });
    const scale = (name) => ({ question: name + "?", low: "no", high: "yes" });
    const constructs = { threat: scale("threat"), joy: scale("joy") };
    const trial = (kind, planned, digests) =>
        ({ type: kind.plugin, ...kind.trial(planned, { constructs, images: digests.map(image) }) });
    const timeline = [
        trial(rating, { constructs: ["threat", "joy"] }, ["a"]),
        trial(choice, { question: "Which?" }, ["b", "c"]),
    ];
    const options = { data: { rt: 400 } };
    await jsPsych.simulate(timeline.map((one) => ({ ...one, simulation_options: options })), mode);
    const kinds = [rating, choice];
    const rows = jsPsych.data.get().values();
    const answers = rows.map((row, number) => kinds[number].answer(row));
    return { rows, answers, declared: kinds.map((kind) => Object.keys(kind.info.data)) };
}"""


@pytest.mark.parametrize("mode", ["data-only", "visual"])
def test_plugins_simulate_what_they_declare(visit: Any, mode: str) -> None:
    here = visit()
    joined = join(study=make_study())
    here.page.goto(f"{here.address}/take/{joined.token}/")
    found = here.page.evaluate(SIMULATE, mode)
    rating, choice = found["rows"]
    for row, declared in zip((rating, choice), found["declared"], strict=True):
        assert set(declared) <= set(row)
    assert found["answers"] == [{"values": rating["values"]}, {"chosen": choice["chosen"], "values": {}}]
    assert set(rating["values"]) == {"threat", "joy"}
    assert all(0 <= value <= 100 for value in rating["values"].values())
    assert rating["images"] == ["a"]
    assert choice["chosen"] in {"left", "right"}
    assert choice["images"] == ["b", "c"]
    assert rating["rt"] >= 300
    assert here.complaints == []


SIMULATE_ALL = """async ({ mode, cases }) => {
    const canvas = document.createElement("canvas");
    const image = (digest) => ({ url: canvas.toDataURL(), width: 1, height: 1, digest });
    const stage = document.createElement("div");
    document.body.append(stage);
    const jsPsych = initJsPsych({ display_element: stage });
    const kinds = await Promise.all(cases.map(async ({ script }) => (await import(script)).default));
    const scale = (name) => [name, { question: `${name}?`, low: "low", high: "high" }];
    const timeline = cases.map(({ planned, block, digests }, number) => {
        const constructs = Object.fromEntries(planned.constructs.map(scale));
        const study = { constructs, block, images: digests.map(image) };
        const { plugin, trial } = kinds[number];
        return { type: plugin, ...trial(planned, study), simulation_options: { data: { rt: 300 } } };
    });
    await jsPsych.simulate(timeline, mode);
    const rows = jsPsych.data.get().values();
    return rows.map((row, number) => {
        const { answer, info } = kinds[number];
        const [data, declared] = [Object.keys(row), Object.keys(info.data)];
        return { answer: answer(row), rt: row.rt, images: row.images, data, declared };
    });
}"""


@pytest.mark.parametrize("mode", ["data-only", "visual"])
def test_what_a_kind_simulates_is_an_answer_to_its_trial(visit: Any, mode: str, tmp_path: Path) -> None:
    here = visit()
    here.page.goto(f"{here.address}/take/{join(study=make_study()).token}/")
    plan = plan_of(SmallStudy(tmp_path), *BLOCKS)
    firsts = {trial.block: trial for trial in reversed(make_lists(plan, 1)[0])}
    trials = [firsts[block.name] for block in plan.blocks]
    cases = [
        {
            "script": static(TRIAL_KINDS.load(block.kind).script),
            "planned": {"constructs": list(trial.constructs), "question": trial.question},
            "block": TRIAL_KINDS.load(block.kind).shown(block),
            "digests": list(trial.stimuli),
        }
        for block, trial in zip(plan.blocks, trials, strict=True)
    ]
    found = here.page.evaluate(SIMULATE_ALL, {"mode": mode, "cases": cases})
    for block, trial, told in zip(plan.blocks, trials, found, strict=True):
        kind = TRIAL_KINDS.load(block.kind)
        assert set(told["declared"]) <= set(told["data"]), block.kind
        body = {
            "response_id": str(uuid.uuid4()),
            "trial_id": "t",
            "rt_ms": told["rt"],
            "images": told["images"],
        }
        answer = read(kind.answer, {**body, **told["answer"]}, source=block.kind)
        assert list(kind.check(answer, trial, block)) == [], block.kind
        assert tuple(answer.images) == trial.stimuli
        assert told["rt"] >= 250
    assert here.complaints == []
