"""Descriptions of best-worst sets and of confidence: counts, tests by hand, and null studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from almond.analysis.analyse import analyse_export
from almond.analysis.questions.descriptions.best_worst import best_less_worst, best_worst_scores
from almond.analysis.questions.descriptions.confidence import by_level, gained_confidence, weighted_shares
from almond.analysis.report import write_report
from almond.errors import InputError
from almond.rng import generator
from almond.stats.clustered.dyads import dyadic_mean
from tests.almond.small_export import SmallStudy
from tests.almond.test_trial_kinds import export_of, plan_of


def sets(
    people: int, themes: int, seed: int, *, effect: float = 0.0, per_person: int = 12
) -> tuple[Any, Any]:
    """Sets of four images of different themes, one image a theme; ``effect`` per SD of what images have."""
    rng = generator(seed, "sets")
    values = rng.normal(size=themes)
    drawn = rng.normal(size=themes) + effect * values
    tastes = 0.7 * rng.normal(size=(people, themes))
    rows = []
    for person in range(people):
        for number in range(per_person):
            shown = rng.choice(themes, 4, replace=False)
            seen = drawn[shown] + tastes[person, shown] + rng.gumbel(size=4)
            for place, image in enumerate(shown):
                rows.append(
                    {
                        "response_id": f"r{person}-{number}",
                        "participant_id": f"p{person}",
                        "stimulus_id": f"s{image}",
                        "theme": f"t{image}",
                        "construct": "valence",
                        "score": int(place == seen.argmax()) - int(place == seen.argmin()),
                    }
                )
    return pd.DataFrame(rows), pd.Series(values, index=[f"s{image}" for image in range(themes)])


def test_scores_count_best_and_worst_over_showings():
    rows = pd.DataFrame(
        {
            "construct": "valence",
            "stimulus_id": ["a", "b", "c", "d", "a", "b", "c", "e"],
            "score": [1, -1, 0, 0, 1, 0, -1, 0],
        }
    )
    scores = {one.stimulus: (one.shown, one.best, one.worst, one.score) for one in best_worst_scores(rows)}
    assert scores["a"] == (2, 2, 0, 1.0)
    assert scores["b"] == (2, 0, 1, -0.5)
    assert scores["e"] == (1, 0, 0, 0.0)
    assert next(one.stimulus for one in best_worst_scores(rows)) == "a"


def test_best_less_worst_is_the_mean_difference_in_standard_deviations():
    rows, values = sets(6, 12, 1)
    found = best_less_worst(rows, values)
    gaps = [
        values[own.loc[own["score"] == 1, "stimulus_id"].item()]
        - values[own.loc[own["score"] == -1, "stimulus_id"].item()]
        for _, own in rows.groupby("response_id")
    ]
    assert found["difference"] == pytest.approx(np.mean(gaps) / values.std())
    assert found["sets"] == 72
    with pytest.raises(InputError, match="do not differ"):
        best_less_worst(rows, values * 0.0)


def test_sets_in_which_nothing_counts_seldom_seem_to_show_something():
    """Images attract everybody alike, so that a test over people alone rejects most of the time."""
    both, alone = [], []
    for seed in range(60):
        rows, values = sets(12, 16, seed)
        both.append(best_less_worst(rows, values)["p"] < 0.05)
        gaps = rows["score"] * rows["stimulus_id"].map(values)
        people = gaps.groupby(rows["participant_id"]).sum().to_numpy() / 12
        units = [(f"a{place}", f"b{place}") for place in range(len(people))]
        alone.append(dyadic_mean(people, np.arange(len(people)), units).p < 0.05)
    assert np.mean(both) <= 0.12
    assert np.mean(alone) >= 0.3
    assert best_less_worst(*sets(12, 16, 3, effect=1.5))["p"] < 0.05


def sure(people: int = 8) -> pd.DataFrame:
    """Choices on four points of confidence, of which the sure ones are as expected more often."""
    rng = generator(4, "sure")
    level = rng.integers(1, 5, size=people * 40)
    return pd.DataFrame(
        {
            "participant_id": np.repeat([f"p{person}" for person in range(people)], 40),
            "confidence": level.astype(float),
            "aligned": (rng.random(len(level)) < 0.4 + 0.12 * level).astype(float),
            "points": 4,
        }
    )


def test_confidence_counts_within_people_first():
    rows = sure()
    levels = list(by_level(rows))
    assert [row["level"] for row in levels] == [1, 2, 3, 4]
    own = rows[rows["confidence"] == 2].groupby("participant_id")["aligned"].mean()
    assert levels[1]["mean"] == pytest.approx(own.mean())
    equal, weighted = weighted_shares(rows)
    assert equal["mean"] == pytest.approx(rows.groupby("participant_id")["aligned"].mean().mean())
    assert weighted["mean"] > equal["mean"]
    gain = gained_confidence(rows)
    assert gain is not None
    assert gain["low"] > 0
    assert gained_confidence(rows.assign(aligned=1.0)) is None


def test_equal_confidence_weighs_nothing():
    equal, weighted = weighted_shares(sure().assign(confidence=3.0))
    assert weighted["mean"] == pytest.approx(equal["mean"])


def test_both_are_reported(tmp_path: Path):
    study = SmallStudy(tmp_path)
    plan = plan_of(study, "choice", "best_worst")
    folder = export_of(study, plan)
    result = analyse_export(folder, permutations=19)
    best = result.data["best_worst"]
    assert best["units"]["sets"] == 4 * 4
    assert sum(image["best"] for image in best["images"]) == 16
    # All images of the small study are of one theme, over which nothing can be tested.
    assert {name: reason.split(" (")[0] for name, reason in best["absent"].items()} == {
        f"{target}, valence": "test over pairs: 4 participants, 1 different pairs" for target in ("T0", "T1")
    }
    assert (
        sum(row["choices"] for row in result.data["confidence"]["levels"])
        == result.data["confidence"]["choices"]
    )
    text = write_report(result, tmp_path / "report").with_name("report.md").read_text(encoding="utf-8")
    assert "Which images are chosen as best and as worst?" in text
    assert "Are choices that people are sure of more often as expected?" in text
    assert "exploratory" in text
