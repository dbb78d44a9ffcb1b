"""What a diagnosis says of shifts, ratios and selectivity where they are known by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from almond.diagnosis.checks.dose import scene_curves
from almond.diagnosis.diagnose import Diagnosis
from almond.diagnosis.report import diagnosis_document
from almond.report.render import render_html, render_markdown
from tests.almond.diagnosed import (
    FEW,
    FOOLED,
    diagnosis_of,
    fooled_diagnosis,
    honest_diagnosis,
    numbers,
    pictures_folder,
    unguided_sd,
)
from tests.almond.guided_fakes import (
    CHECKERBOARD,
    SIDE,
    Colours,
    Linear,
    means,
    reach,
)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def pictures() -> Path:
    return pictures_folder()


@pytest.fixture(scope="module")
def honest() -> Diagnosis:
    return honest_diagnosis()


@pytest.fixture(scope="module")
def fooled() -> Diagnosis:
    return fooled_diagnosis()


def test_shifts_follow_the_strength_by_guide_and_judge(honest: Diagnosis) -> None:
    # One channel of three carries the gradient: its shift is sqrt(3) times the RMS.
    expected = np.sqrt(3.0) * reach(0.04) / unguided_sd(honest)
    for row, shift in zip(numbers(honest, "dose")["targets"], expected, strict=True):
        for read in row["read"].values():
            assert read["spearman"] == pytest.approx(1.0)
            assert (read["monotone"], read["saturation"]) == (1.0, 0.04)
        means_of_judge = row["read"]["judge"]["means"]
        assert means_of_judge == pytest.approx([-shift, -shift / 2, 0.0, shift / 2, shift], abs=0.03)


def test_an_honest_score_has_the_ratio_one_whatever_its_scale(honest: Diagnosis) -> None:
    rows = numbers(honest, "own_judge")["targets"]
    assert [row["ratio"] for row in rows] == pytest.approx([1.0] * 3, abs=1e-3)
    assert honest.answers["own_judge"].standing == "good"
    assert honest.overall.alarms == ()


def test_a_fooled_score_is_bad_and_said_in_red(fooled: Diagnosis) -> None:
    rows = numbers(fooled, "own_judge")["targets"]
    assert [row["ratio"] for row in rows] == pytest.approx([1.0 + 256.0 * FOOLED**2] * 3, rel=0.03)
    assert all(row["least"] <= row["ratio"] <= row["most"] for row in rows)
    assert fooled.overall.verdict == "bad"
    assert "fooled for A (own +" in fooled.overall.alarms[0]
    document = diagnosis_document(fooled).with_figures(())
    page = render_html(document, {})
    assert '<p class="alarm" role="alert">The score is being fooled' in page
    assert '<span class="mode bad">bad</span>' in page
    assert "**Warning: The score is being fooled" in render_markdown(document)


def test_a_judge_that_sees_nothing_leaves_no_finite_ratio(pictures: Path) -> None:
    blind = np.zeros((3, 3, SIDE, SIDE))
    blind[np.arange(3), np.arange(3)] = CHECKERBOARD
    diagnosis = diagnosis_of(pictures, judge=Linear(blind, scale=100.0))
    # What is left of the checkerboard is the rounding to 256 levels.
    ratios = [row["ratio"] for row in numbers(diagnosis, "own_judge")["targets"]]
    assert None in ratios
    assert all(ratio is None or ratio > 5.0 for ratio in ratios)
    assert diagnosis.answers["own_judge"].standing == diagnosis.answers["dose"].standing == "bad"
    assert diagnosis.overall.verdict == "bad"


def test_the_matrix_of_shifts_is_that_of_the_judge(pictures: Path) -> None:
    leak = 0.4
    judge = means(leak)
    diagnosis = diagnosis_of(pictures, judge=Linear(judge))
    evidence = diagnosis.evidence
    images = np.stack([evidence.images[row] for row in evidence.unguided]) / 255.0
    scores = images.mean(axis=(1, 2)) @ (np.eye(3) + leak * (1.0 - np.eye(3)))
    step = 2.0 * np.sqrt(3.0) * reach(0.04)  # guided up minus guided down
    expected = step * (np.eye(3) + leak * (1.0 - np.eye(3))) / scores.std(axis=0, ddof=1)
    found = numbers(diagnosis, "selectivity")
    matrix = np.array([cell["shift"] for cell in found["matrix"]]).reshape(3, 3)
    assert matrix == pytest.approx(expected, abs=0.05)
    for place, row in enumerate(found["targets"]):
        off = np.delete(expected[place], place).mean()
        assert row["on_off"] == pytest.approx(expected[place, place] / off, rel=0.03)
        assert row["specificity"]["estimate"] == pytest.approx(expected[place, place] - off, abs=0.05)


def test_what_is_only_colour_is_gone_with_colour_held_constant(honest: Diagnosis) -> None:
    """The fake's targets are the median red, green and blue: low-level features and nothing else."""
    found = numbers(honest, "selectivity")
    assert found["models"]["plain"]["low"] > 1.0
    assert abs(found["models"]["low_level"]["estimate"]) < 0.1
    assert (honest.answers["selectivity"].standing, honest.overall.verdict) == ("doubtful", "doubtful")
    changes = found["low_level"]
    assert min(changes["median_red"], changes["median_green"], changes["median_blue"]) > 0.2


def test_a_target_that_moves_the_others_more_is_bad(pictures: Path) -> None:
    swapped = means()[[1, 0, 2]]
    diagnosis = diagnosis_of(pictures, judge=Linear(swapped))
    assert diagnosis.answers["selectivity"].standing == "bad"
    by_target = {row["target"]: row for row in numbers(diagnosis, "selectivity")["targets"]}
    assert by_target["A"]["specificity"]["estimate"] < 0 < by_target["C"]["specificity"]["estimate"]


def test_a_ceiling_ends_the_gain(tmp_path: Path) -> None:
    """No picture can be brighter than .7: what a mean of .5 can gain ends before strength .08."""
    tops = Colours(spread=0.02, ceiling=0.7)
    strengths = (0.03, 0.08, 0.2)
    diagnosis = diagnosis_of(tmp_path, generator=tops, strengths=strengths, both_signs=False, **FEW)
    read = [row["read"]["judge"] for row in numbers(diagnosis, "dose")["targets"]]
    assert [row["saturation"] for row in read] == [0.08] * 3
    curves = scene_curves(diagnosis.evidence, ["other"], "A")
    assert curves[:, 3] == pytest.approx(curves[:, 2], abs=0.35)
    assert (curves[:, 2] > 1.5 * curves[:, 1]).all()
