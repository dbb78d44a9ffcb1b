"""Scripts of trial kinds: what they declare is what they store, also when they simulate themselves."""

from __future__ import annotations

from typing import Any

import pytest

from ratings.services import join
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
    assert found["answers"] == [{"values": rating["values"]}, {"chosen": choice["chosen"]}]
    assert set(rating["values"]) == {"threat", "joy"}
    assert all(0 <= value <= 100 for value in rating["values"].values())
    assert rating["images"] == ["a"]
    assert choice["chosen"] in {"left", "right"}
    assert choice["images"] == ["b", "c"]
    assert rating["rt"] >= 300
    assert here.complaints == []
