"""Ratings on few points: models of directions and conditions, null studies, and the question in a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from almond.analysis.analyse import analyse_export, plain_values
from almond.analysis.document import study_document
from almond.analysis.questions.base import Aim, NotApplicable, Settings, make_context
from almond.analysis.questions.ordinal import QUESTION
from almond.analysis.study_data import read_study
from almond.cli.main import main
from almond.errors import InputError
from almond.progress import Silent
from almond.report.render import render_markdown
from almond.stats.mixed import RandomTerm, fit_ordinal
from almond.stats.mixed.ordinal_tests import RatedImages, condition_effect, direction_effect, scale_points
from tests.almond.export_maker import make_export

CUTS = np.array([-1.5, -0.5, 0.5, 1.5])


def study(
    seed: int,
    people: int = 10,
    themes: int = 6,
    *,
    effect: float = 0.0,
    person_slope: float = 1.2,
    theme_slope: float = 1.2,
) -> tuple[RatedImages, Any]:
    """Two images of every theme, rated by everybody on five points; people and themes differ in the shift."""
    rng = np.random.default_rng(seed)
    person, theme = np.repeat(np.arange(people), 2 * themes), np.tile(np.repeat(np.arange(themes), 2), people)
    direction = np.tile([-1.0, 1.0], people * themes)
    slope = effect + rng.normal(0, person_slope, people)[person] + rng.normal(0, theme_slope, themes)[theme]
    level = rng.normal(0, 1.0, people)[person] + rng.normal(0, 0.8, themes)[theme]
    values = 1.0 + np.digitize(level + slope * direction / 2 + rng.logistic(size=len(person)), CUTS)
    image = 2 * theme + (direction > 0)
    return RatedImages(values, person, theme, theme, image), direction


def test_true_nulls_are_rejected_no_more_often_than_they_may() -> None:
    studies, wrong, naive = 16, 0, 0
    for seed in range(studies):
        rated, direction = study(seed, theme_slope=2.5)
        wrong += direction_effect(rated, direction).test.p <= 0.05
        terms = [RandomTerm("person", rated.people), RandomTerm("theme", rated.themes)]
        wald = fit_ordinal(rated.values, direction[:, None], terms, names=["x"]).wald("x", df=5)
        naive += wald.p <= 0.05
    assert wrong <= 2  # binomial, 95 %
    assert naive >= 4  # the mistake: nobody's and nothing's own shift


def test_an_effect_is_found_and_swapping_the_directions_turns_it_round() -> None:
    rated, direction = study(1, effect=2.0, person_slope=0.3, theme_slope=0.3)
    up, down = direction_effect(rated, direction), direction_effect(rated, -direction)
    assert up.estimate is not None
    assert up.low is not None
    assert up.estimate == pytest.approx(2.0, abs=0.8)
    assert up.low > 0
    assert up.test.p < 0.05
    assert down.estimate == pytest.approx(-up.estimate, abs=1e-3)
    assert down.test.p == pytest.approx(up.test.p, rel=1e-2)
    assert (up.df, up.test.df1, up.test.df2) == (5, 1, 5)


def test_few_units_support_no_small_p() -> None:
    rated, direction = study(3, people=12, themes=4, effect=4.0, person_slope=0.0, theme_slope=0.0)
    effect = direction_effect(rated, direction)
    assert effect.test.limited
    assert effect.test.p == 0.125  # four coins alike
    assert effect.low is not None
    assert effect.low <= 0.0


def test_a_separated_study_has_a_p_and_no_estimate() -> None:
    rated, direction = study(5, people=10, themes=8)
    parted = RatedImages(
        np.where(direction > 0, 4.0, 1.0) + (np.arange(len(direction)) % 3 == 0), *_labels(rated)
    )
    effect = direction_effect(parted, direction)
    assert effect.test.separated
    assert (effect.estimate, effect.se, effect.low) == (None, None, None)
    assert effect.test.p == 2.0**-7
    assert effect.test.f == effect.test.chi2


def _labels(rated: RatedImages) -> tuple[Any, Any, Any, Any]:
    return rated.people, rated.themes, rated.scenes, rated.images


def test_conditions_between_themes_leave_fewer_degrees_of_freedom() -> None:
    rated, _ = study(2, people=12, themes=9)
    between = np.array(["abc"[theme % 3] for theme in rated.themes])
    effect = condition_effect(rated, between)
    assert (effect.test.df1, effect.test.df2) == (2, 6)
    assert effect.estimates is not None
    assert sum(effect.estimates.values()) == pytest.approx(0.0, abs=1e-9)
    within = np.array(["ab"[image % 2] for image in rated.images])
    both = condition_effect(rated, within)
    assert (both.test.df1, both.test.df2) == (1, 8)
    assert {"condition by participant", "condition by theme"} <= set(both.test.sd)
    # Two conditions within themes are two directions: the same means, slopes otherwise parametrised.
    direction = np.where(within == "a", 1.0, -1.0)
    shift = direction_effect(rated, direction)
    assert both.estimates is not None
    assert shift.estimate is not None
    assert 2 * both.estimates["a"] == pytest.approx(shift.estimate, abs=0.15)


def test_means_over_targets_are_of_all_targets_alike() -> None:
    first, direction = study(1, people=8, themes=5, effect=2.0, person_slope=0.2, theme_slope=0.2)
    second, _ = study(1, people=8, themes=5, effect=-2.0, person_slope=0.2, theme_slope=0.2)
    joined = [np.concatenate(pair) for pair in zip(_labels(first), _labels(second), strict=True)]
    joined[3] = np.concatenate([first.images, second.images + 100])
    rated = RatedImages(np.concatenate([first.values, second.values]), *joined)
    targets = np.repeat(["LA", "LB"], len(direction))
    effect = direction_effect(rated, np.tile(direction, 2), targets=targets)
    assert effect.estimate == pytest.approx(0.0, abs=0.6)


def test_what_allows_no_test_is_named() -> None:
    rated, direction = study(1, people=4, themes=2)
    with pytest.raises(InputError, match="4 participants and 2 themes"):
        direction_effect(rated, direction)
    rated, direction = study(1, people=4, themes=3)
    with pytest.raises(InputError, match="one direction only"):
        direction_effect(rated, np.ones_like(direction))
    with pytest.raises(InputError, match="1 condition"):
        condition_effect(rated, np.full(len(direction), "a"))
    with pytest.raises(InputError, match="3 conditions, 3 themes"):
        condition_effect(rated, np.array([f"c{theme}" for theme in rated.themes]))


@pytest.mark.parametrize(
    ("values", "ends", "points"),
    [
        ([2, 3, 5], (1, 7), (1, 2, 3, 4, 5, 6, 7)),
        ([0, 1, 0.5], (0, 1), (0, 0.5, 1)),
        ([1 / 3, 2 / 3], (0, 1), (0, 0.333333333, 0.666666667, 1)),
        ([1, 3, 4.5], (1, 7), (1, 3, 4.5)),
        ([40, 50.1, 60.2], (0, 100), (40, 50.1, 60.2)),
        ([4, 4], (1, 7), (4,)),
    ],
)
def test_points_of_a_scale(values: Any, ends: tuple[float, float], points: tuple[float, ...]) -> None:
    assert scale_points(values, ends) == pytest.approx(points)


# -- the question


def likert_table() -> pd.DataFrame:
    rows = []
    for index, construct in enumerate(("warm", "tense")):
        rated, direction = study(11 + index, people=8, themes=6, effect=3.0 * (1 - index), person_slope=0.3)
        frame = pd.DataFrame({"who": rated.people, "theme": rated.themes, "dir": direction.astype(int)})
        frame["picture"] = [f"picture {image}" for image in rated.images]
        rows.append(frame.assign(scale=construct, answer=rated.values.astype(int), condition="LA"))
    return pd.concat(rows)


LIKERT = {
    "title": "Pictures on five points",
    "person": "who",
    "stimulus": "picture",
    "construct": "scale",
    "value": "answer",
    "range": [1, 5],
    "scene": "theme",
    "theme": "theme",
    "condition": "condition",
}


def imported(folder: Path, table: pd.DataFrame, **settings: Any) -> Path:
    table.to_csv(folder / "table.csv", index=False)
    (folder / "map.yaml").write_text(yaml.safe_dump({**LIKERT, **settings}), encoding="utf-8")
    out = folder / "export"
    paths = [str(folder / "table.csv"), "--map", str(folder / "map.yaml"), "--out", str(out)]
    assert main(["import-ratings", *paths]) == 0
    return out


def answer(export: Path) -> Any:
    """Run the question alone, and return its result as an analysis keeps it."""
    context = make_context(read_study(export), Settings(19, 1, 0.05))
    return plain_values(QUESTION.run(context, Silent()))


def test_likert_ratings_of_two_directions(tmp_path: Path) -> None:
    data = analyse_export(imported(tmp_path, likert_table(), direction="dir"), permutations=19).data
    result = data["ordinal"]
    assert result["mode"] == "direction"
    warm, tense = sorted(result["tests"], key=lambda row: row["construct"] != "warm")
    assert [row["categories"] for row in (warm, tense)] == [[1, 2, 3, 4, 5]] * 2
    assert warm["p"] < 0.05 < tense["p"]
    assert warm["low"] > 0
    said = next(text for text in data["headline"] if text.startswith("Ratings on few points"))
    assert "strongest for warm by LA (log odds +" in said
    page = render_markdown(study_document(data))
    assert "Do ratings on few points differ between conditions, or with the direction of stimuli?" in page
    tested = next(row for row in data["tests"] if row["test"] == "ordinal")
    assert tested["p"] == min(warm["p_holm"], tense["p_holm"])
    estimate = QUESTION.estimate(result, Aim("LA", "warm"))
    assert estimate is not None
    assert (estimate.value, estimate.se, estimate.df, estimate.p) == (
        warm["estimate"],
        warm["se"],
        5,
        warm["p"],
    )
    assert QUESTION.estimate(result, Aim(None, "warm")) == estimate
    assert QUESTION.estimate(result, Aim("LA")) is None  # two ratings: which is meant?
    assert QUESTION.estimate(result, Aim()) is None


def test_likert_ratings_of_conditions_without_a_direction(tmp_path: Path) -> None:
    table = likert_table()
    table["condition"] = np.where(table["dir"] > 0, "smile", "frown")
    result = answer(imported(tmp_path, table))
    assert result["mode"] == "condition"
    warm = next(row for row in result["tests"] if row["construct"] == "warm")
    assert warm["estimates"]["smile"] > 0 > warm["estimates"]["frown"]
    assert (warm["df1"], warm["df2"]) == (1, 5)
    assert warm["p"] < 0.05


def test_a_slider_is_left_to_the_linear_model(tmp_path: Path) -> None:
    folder = make_export(tmp_path / "export", participants=4, scenes=6, permutations=19)
    with pytest.raises(NotApplicable, match="different values"):
        answer(folder)


def test_likert_ratings_without_conditions_have_no_test(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="the images have neither two directions nor two conditions"):
        answer(imported(tmp_path, likert_table().assign(condition="")))
