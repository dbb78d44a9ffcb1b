"""The two jsPsych plugins: what they declare is what they store, also when they simulate themselves."""

from __future__ import annotations

from typing import Any

import pytest

from ratings.services import join
from tests.site.small_study import make_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SIMULATE = """async (mode) => {
    const { RatingPlugin } = await import("/static/js/plugin-rating.js");
    const { PairPlugin } = await import("/static/js/plugin-pair.js");
    const canvas = document.createElement("canvas");
    const dot = canvas.toDataURL();
    const image = (digest) => ({ url: dot, width: 1, height: 1, digest });
    const stage = document.createElement("div");
    document.body.append(stage);
    const jsPsych = initJsPsych({ display_element: stage });
    const scale = (name) => ({ name, question: name + "?", low: "no", high: "yes" });
    const timeline = [
        { type: RatingPlugin, image: image("a"), constructs: [scale("threat"), scale("joy")] },
        { type: PairPlugin, question: "Which?", left: image("b"), right: image("c") },
    ];
    const options = { data: { rt: 400 } };
    await jsPsych.simulate(timeline.map((one) => ({ ...one, simulation_options: options })), mode);
    const declared = [RatingPlugin, PairPlugin].map((plugin) => Object.keys(plugin.info.data));
    return { rows: jsPsych.data.get().values(), declared };
}"""


@pytest.mark.parametrize("mode", ["data-only", "visual"])
def test_plugins_simulate_what_they_declare(visit: Any, mode: str) -> None:
    here = visit()
    joined = join(study=make_study())
    here.page.goto(f"{here.address}/take/{joined.token}/")
    found = here.page.evaluate(SIMULATE, mode)
    rating, pair = found["rows"]
    for row, declared in zip((rating, pair), found["declared"], strict=True):
        assert set(declared) <= set(row)
    assert set(rating["values"]) == {"threat", "joy"}
    assert all(0 <= value <= 100 for value in rating["values"].values())
    assert rating["images"] == ["a"]
    assert pair["chosen"] in {"left", "right"}
    assert pair["images"] == ["b", "c"]
    assert rating["rt"] >= 300
    assert here.complaints == []
