"""The page about the screen: what it asks, which answers fit, and what its table says of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from almond.design.trials.base import PlannedTrial, Response
from almond.design.trials.pages.screen import TRIAL_KIND, USUAL_PX_PER_MM, ScreenAnswer, ScreenBlock
from almond.errors import InputError
from almond.rng import generator
from almond.shapes import ShapeError, read
from almond.world.raters import simulate_rater, style_of
from tests.almond.design_plans import full_plan
from tests.almond.test_pages import with_pages

TRIAL = PlannedTrial(0, "screen", "screen")
FITTED: dict[str, Any] = {
    "fullscreen": "declined",
    "card": "fitted",
    "px_per_mm": 3.84,
    "screen_width": 1920,
    "screen_height": 1080,
    "pixel_ratio": 1.25,
}


def block(**fields: Any) -> ScreenBlock:
    return read(ScreenBlock, {"kind": "screen", "name": "screen", "trials": 1, **fields}, source="block")


def answer(**values: Any) -> ScreenAnswer:
    body = {
        "response_id": "00000000-0000-4000-8000-000000000000",
        "trial_id": "t",
        "rt_ms": 9.0,
        "images": [],
    }
    return read(ScreenAnswer, {**body, "values": {**FITTED, **values}}, source="answer")


def problems(asked: ScreenBlock, **values: Any) -> list[tuple[str, str]]:
    return list(TRIAL_KIND.check(answer(**values), TRIAL, asked))


def test_answers_fit_what_the_block_asks() -> None:
    assert problems(block()) == []
    assert problems(block(), card="none", px_per_mm=None) == []
    assert problems(block(card=False), card="not_asked", px_per_mm=None) == []
    assert problems(block(), fullscreen="not_asked") == [("values.fullscreen", "is missing")]
    assert problems(block(card=False)) == [("values.card", "is not asked here")]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"px_per_mm": None}, "px_per_mm"),
        ({"card": "none"}, "px_per_mm"),
        ({"px_per_mm": 0.1}, "px_per_mm"),
        ({"screen_width": 0}, "screen_width"),
        ({"fullscreen": "perhaps"}, "fullscreen"),
    ],
)
def test_impossible_answers_are_refused(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ShapeError, match=problem):
        answer(**values)


def test_a_block_that_asks_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="there is nothing to ask"):
        block(fullscreen=False, card=False)


def test_its_row_holds_the_size_and_fits_the_plan() -> None:
    plan = with_pages(full_plan(), {"kind": "screen", "name": "screen", "trials": 1})
    shared = {"response_id": "r", "participant_id": "p", "block": "screen"}
    response = Response(TRIAL, [], FITTED, "", shared)
    (row,) = TRIAL_KIND.rows(plan, response)
    assert row == {**shared, **FITTED}
    assert list(TRIAL_KIND.row_problems(plan, {}, row)) == []
    (without,) = TRIAL_KIND.rows(plan, dataclasses.replace(response, values={**FITTED, "px_per_mm": None}))
    assert without["px_per_mm"] == ""
    wrong = {**row, "card": "not_asked"}
    assert list(TRIAL_KIND.row_problems(plan, {}, wrong)) == [
        "card is not_asked, which the block does not fit"
    ]
    assert TRIAL_KIND.outcome(block(), [FITTED]) == {"fullscreen": "declined", "card": "fitted"}
    assert TRIAL_KIND.outcome(block(), [None]) == {}


@pytest.mark.parametrize("asked", [{}, {"card": False}, {"fullscreen": False}])
def test_a_simulated_rater_answers_what_is_asked(asked: dict[str, Any]) -> None:
    stream = generator(1, "rater")
    rater = simulate_rater(stream, style_of(stream, 0.05))
    values = TRIAL_KIND.simulate(rater, TRIAL, block(**asked), {})["values"]
    assert problems(block(**asked), **values) == []
    if values["px_per_mm"] is not None:
        assert 0.8 * USUAL_PX_PER_MM <= values["px_per_mm"] <= 1.5 * USUAL_PX_PER_MM
