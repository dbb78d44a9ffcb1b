"""The other checks of a diagnosis, on pictures whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from almond.diagnosis.between import spherical
from almond.diagnosis.check import graded
from almond.diagnosis.checks.augmentation import AUGMENTATIONS
from almond.diagnosis.checks.dose import saturating_strength
from almond.diagnosis.checks.grouping import ward_labels
from almond.diagnosis.checks.interpolation import evenness
from almond.diagnosis.checks.natural import FILM
from almond.diagnosis.checks.prompts import nearest
from almond.diagnosis.diagnose import Diagnosis
from almond.rng import generator as random_generator
from almond.stats.geometry.partitions import adjusted_rand, contingency
from almond.stats.specificity.specificity_model import specificity_model
from tests.almond.diagnosed import (
    FEW,
    FOOLED,
    diagnosis_of,
    fooled_diagnosis,
    honest_diagnosis,
    numbers,
    patches,
    pictures_folder,
    unguided_sd,
)
from tests.almond.guided_fakes import (
    CHECKERBOARD,
    SIDE,
    TARGETS,
    Linear,
    means,
    reach,
    textured,
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


def test_agreement_is_the_correlation_of_weights(honest: Diagnosis) -> None:
    evidence = honest.evidence
    images = np.stack([evidence.images[row] for row in evidence.unguided]) / 255.0
    colours = images.mean(axis=(1, 2))
    rows = {row["what"]: row["r"] for row in numbers(honest, "agreement")["rows"]}
    leaking = colours @ (np.eye(3) + 0.5 * (1.0 - np.eye(3)))
    for place, target in enumerate(TARGETS):
        expected = np.corrcoef(colours[:, place], leaking[:, place])[0, 1]
        assert rows["between subjects"][target] == pytest.approx(expected)
        assert rows["guide and judge"][target] == pytest.approx(1.0)
    assert "between feature networks" in honest.answers["agreement"].sentence


def test_channel_means_survive_every_augmentation(honest: Diagnosis, fooled: Diagnosis) -> None:
    rows = numbers(honest, "augmentation")["rows"]
    assert {row["what"] for row in rows} == set(AUGMENTATIONS)
    assert min(min(row["rank"].values()) for row in rows) > 0.97
    image = np.arange(20 * 10 * 3).reshape(20, 10, 3).astype(np.uint8)
    shapes = {what: change(image).shape for what, change in AUGMENTATIONS.items()}
    assert shapes["cropped to 90 %"] == (18, 10, 3)
    assert (AUGMENTATIONS["mirrored"](image)[:, 0] == image[:, -1]).all()


def test_the_same_shift_everywhere_leaves_prompts_as_far_apart(honest: Diagnosis) -> None:
    for row in numbers(honest, "prompts")["targets"]:
        assert row["spread"] == pytest.approx(1.0, abs=0.02)
    points = np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    assert nearest(points, points, same=True).tolist() == [5.0, 5.0, 5.0]
    assert nearest(np.array([[3.0, 0.0]]), points, same=False).tolist() == [3.0]


def test_natural_pictures_are_read_by_the_same_scores(honest: Diagnosis) -> None:
    rows = numbers(honest, "natural")["rows"]
    assert {row["set"] for row in rows} == {"photographs", FILM}
    assert [row["r"] for row in rows] == pytest.approx([1.0] * 6)
    colours = np.stack(patches(1)).mean(axis=(1, 2)) / 255.0
    evidence = honest.evidence
    images = np.stack([evidence.images[row] for row in evidence.unguided]) / 255.0
    middle = images.mean(axis=(0, 1, 2))
    expected = (colours.mean(axis=0) - middle) / unguided_sd(honest)
    assert [row["mean"] for row in rows[:3]] == pytest.approx(expected.tolist(), abs=1e-4)


def test_agreement_on_the_film_alone_is_said(pictures: Path) -> None:
    """The judge also reads a checkerboard, which photographs have and the film's frames do not."""
    rng = random_generator(3, "checkerboards")
    board = rng.normal(0.0, 25.0, (12, 1, 1, 3)) * CHECKERBOARD[None, :, :, None]
    flat = np.stack(patches(1)).astype(np.float64)
    photographs = list(np.clip(flat + board, 0, 255).round().astype(np.uint8))
    others = {"photographs": photographs, FILM: patches(2)}
    diagnosis = diagnosis_of(pictures, judge=Linear(textured(1.0)), others=others)
    assert numbers(diagnosis, "natural")["film_only"] == list(TARGETS)
    assert diagnosis.answers["natural"].standing != "good"
    assert "on the film but not beyond it for A, B, C" in diagnosis.answers["natural"].sentence


def test_what_a_covariate_explains_is_no_shift() -> None:
    """Exact properties of a covariate that is held constant, with a slope for every region."""
    columns = [f"score_{name}" for name in TARGETS]
    cells = [(theme, target, side) for theme in range(6) for target in TARGETS for side in (1, -1)]
    frame = pd.DataFrame(cells, columns=["theme", "intended_target", "direction"])
    frame["base_scene"] = frame["theme"].astype(str)
    rng = random_generator(1, "shifts")
    for name, column in zip(TARGETS, columns, strict=True):
        on = np.where(frame["intended_target"] == name, 1.0, -0.3)
        frame[column] = on * frame["direction"] + 0.3 * frame["theme"] + rng.normal(size=len(frame))
    frame["light"] = rng.normal(size=len(frame)) + frame["direction"]
    frame["dull"] = 3.0
    plain = specificity_model(frame, columns, TARGETS)
    held = specificity_model(frame, columns, TARGETS, covariates=("light",))
    assert abs(held.estimate - plain.estimate) > 1e-3
    changed = frame.copy()
    for place, column in enumerate(columns):
        changed[column] += (2.0 - place) * frame["light"]
    changed["light"] = 5.0 - 0.1 * frame["light"]
    again = specificity_model(changed, columns, TARGETS, covariates=("light",))
    assert (again.estimate, again.se) == pytest.approx((held.estimate, held.se), rel=1e-4)
    constant = specificity_model(frame, columns, TARGETS, covariates=("dull",))
    assert (constant.estimate, constant.se) == pytest.approx((plain.estimate, plain.se))


def test_targets_are_told_apart_with_prompts_held_out(honest: Diagnosis) -> None:
    found = numbers(honest, "dissociation")
    assert (found["accuracy"], found["p"]) == (1.0, pytest.approx(1 / 100))
    assert found["random_regions"] is None  # these scorers have no weights to permute


def test_pictures_group_by_the_target_that_guided_them(honest: Diagnosis) -> None:
    found = numbers(honest, "grouping")
    assert (found["rand"], found["p_rand"]) == (1.0, pytest.approx(1 / 100))
    assert found["rho"] > 0.5
    assert found["p_rho"] == pytest.approx(1 / 100)
    assert found["rho_of_readers"] == pytest.approx(1.0, abs=1e-4)  # the judge is the guide on another scale
    assert honest.answers["grouping"].standing == "good"


def test_brightness_alone_groups_no_targets(tmp_path: Path) -> None:
    """A judge for whom all targets are the brightness of a picture sees no groups."""
    diagnosis = diagnosis_of(tmp_path, judge=Linear(means(leak=1.0)), **FEW)
    found = numbers(diagnosis, "grouping")
    assert found["rand"] < 0.5
    assert diagnosis.answers["grouping"].standing != "good"


def test_ward_and_rand_agree_with_scikit_learn() -> None:
    rng = random_generator(3, "grouping")
    values = rng.normal(size=(40, 3)) + 2.0 * (np.arange(40) % 3 == 0)[:, None]
    own = ward_labels(values, 3)
    theirs = AgglomerativeClustering(3, linkage="ward").fit_predict(values)
    assert adjusted_rand(contingency(own, theirs.astype(np.intp))) == 1.0
    labels = rng.integers(0, 3, 40)
    table = contingency(own, labels)
    assert adjusted_rand(table) == pytest.approx(adjusted_rand_score(own, labels))


def test_even_steps_are_even_and_a_jump_is_not(honest: Diagnosis) -> None:
    assert evenness(np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])) == 1.0
    assert evenness(np.array([[0.0], [0.0], [0.0], [0.0], [4.0]])) == 4.0
    assert 1.0 <= numbers(honest, "interpolation")["guided"] < 1.6


def test_noise_between_two_draws_has_the_length_of_noise() -> None:
    first, second = torch.randn(2, 4000, generator=torch.Generator().manual_seed(1)).unbind()
    middle = spherical(first, second, 0.5)
    assert float(middle.norm()) == pytest.approx(float(first.norm()), rel=0.03)
    assert torch.allclose(spherical(first, second, 0.0), first, atol=1e-6)
    assert torch.allclose(spherical(first, second, 1.0), second, atol=1e-6)
    assert torch.equal(spherical(first, first, 0.5), first)


def test_late_guidance_that_only_the_guide_sees_is_doubtful(tmp_path: Path) -> None:
    weights = textured(4 * FOOLED)  # |w| grows with the texture, so that late pictures move too
    diagnosis = diagnosis_of(tmp_path, guide=Linear(weights), **FEW)
    row = numbers(diagnosis, "late")["targets"][0]
    length = np.sqrt((weights[0] ** 2).sum())
    sd = unguided_sd(diagnosis)
    per_rms = np.sqrt(3 * SIDE**2) / length
    own, judged = per_rms * length**2, per_rms / SIDE**2
    assert row["late_own"] == pytest.approx((reach(0.04, 0.8) * own / sd).mean(), rel=0.05)
    assert row["late_judged"] == pytest.approx((reach(0.04, 0.8) * judged / sd).mean(), abs=0.02)
    assert diagnosis.answers["late"].standing == "doubtful"
    assert "keep the window closed" in diagnosis.answers["late"].sentence


@pytest.mark.parametrize(
    ("effects", "last"),
    [
        ({0.1: 0.5, 0.2: 0.9, 0.4: 0.92}, 0.2),
        ({0.1: 0.5, 0.2: 0.3, 0.4: 0.6}, 0.4),
        ({0.1: 0.0, 0.2: 0.02}, None),
    ],
)
def test_saturation_is_the_last_strength_that_gains(effects: dict[float, float], last: float | None) -> None:
    assert saturating_strength(effects) == last


def test_grades_go_either_way() -> None:
    assert [graded(value, 1.0, 0.5) for value in (1.0, 0.5, 0.4)] == ["good", "doubtful", "bad"]
    assert [graded(value, 1.0, 2.0) for value in (1.0, 2.0, 2.1)] == ["good", "doubtful", "bad"]
