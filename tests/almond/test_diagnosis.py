"""The diagnosis of a guidance set-up, on generators and scorers whose truth is known."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from almond.diagnosis.between import spherical
from almond.diagnosis.check import DiagnosisCheck, Finding, graded
from almond.diagnosis.checks import CHECKS
from almond.diagnosis.checks.augmentation import AUGMENTATIONS
from almond.diagnosis.checks.dose import saturating_strength, scene_curves
from almond.diagnosis.checks.interpolation import evenness
from almond.diagnosis.checks.natural import FILM
from almond.diagnosis.checks.prompts import nearest
from almond.diagnosis.diagnose import Diagnosis, diagnose, make_checks
from almond.diagnosis.overall import overall_verdict
from almond.diagnosis.pictures import diagnosis_pictures
from almond.diagnosis.readers import WorldScorer, reader_of, split_by_subject
from almond.diagnosis.report import diagnosis_document, write_diagnosis
from almond.encoding.artifacts.artifact import EncoderArtifact
from almond.encoding.features.kinds.world import open_world
from almond.encoding.features.space import card_of_space
from almond.errors import Cancelled, InputError
from almond.guidance.backends.analytic import AnalyticGenerator, BankRule
from almond.progress import Silent
from almond.report.document import Picture, Table
from almond.report.render import render_html, render_markdown
from almond.rng import generator as random_generator
from almond.shapes import ShapeError
from almond.stats.specificity.specificity_model import specificity_model
from almond.stimuli.nuisance import NUISANCE
from almond.targets.scorer import Scorer
from almond.targets.target import standardised_target
from almond.typing import Floats, ImageArray
from almond.world.networks import load_network
from tests.almond.guided_fakes import (
    CHECKERBOARD,
    PROMPTS,
    SIDE,
    TARGETS,
    Colours,
    Linear,
    Pixels,
    means,
    reach,
    settings,
    textured,
)

SMALL: dict[str, Any] = {
    "seeds": (1,),
    "strengths": (0.02, 0.04),
    "unguided": 48,
    "permutations": 99,
}
FEW: dict[str, Any] = {"prompts": PROMPTS[:3], "unguided": 24, "interpolations": 0}
FOOLED = 1.0 / 16.0
"""By ``textured``: the own shift is twice the judged one."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def diagnosis_of(
    keep: Path, judge: Linear | None = None, guide: Linear | None = None, **changes: Any
) -> Diagnosis:
    """Diagnose with channel means as guide and, on another scale, as judge, where nothing else is asked."""
    others: dict[str, Any] = changes.pop("others", {})
    generator = changes.pop("generator", Colours())
    readers = [
        reader_of("guide", "guide", guide or Linear(means()), TARGETS, subjects=["01"]),
        reader_of(
            "other", "judge", judge or Linear(means(), scale=3.0, offset=1.0), TARGETS, subjects=["02"]
        ),
        reader_of("sub-01", "subject", Linear(means()), TARGETS, subjects=["01"]),
        reader_of("sub-02", "subject", Linear(means(0.5)), TARGETS, subjects=["02"]),
    ]
    return diagnose(
        settings(**{**SMALL, **changes}),
        generator=generator,
        readers=readers,
        keep=keep,
        progress=Silent(),
        space=Pixels(),
        others=others,
    )


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def honest(pictures: Path) -> Diagnosis:
    return diagnosis_of(pictures, others={"photographs": patches(1), FILM: patches(2)})


@pytest.fixture(scope="module")
def fooled(tmp_path_factory: pytest.TempPathFactory) -> Diagnosis:
    # Another guide has no digest of its own here, so that its pictures would be taken for the first one's.
    return diagnosis_of(tmp_path_factory.mktemp("fooled"), guide=Linear(textured(FOOLED)))


def patches(seed: int, count: int = 12) -> list[ImageArray]:
    rng = random_generator(seed, "patches")
    colours = 0.5 + rng.uniform(-0.15, 0.15, (count, 1, 1, 3))
    return [np.broadcast_to(np.round(255 * c), (SIDE, SIDE, 3)).astype(np.uint8) for c in colours]


def numbers(diagnosis: Diagnosis, name: str) -> Any:
    finding = diagnosis.answers[name].finding
    assert finding is not None, diagnosis.answers[name].reason
    return finding.numbers


def unguided_sd(diagnosis: Diagnosis) -> Floats:
    """SD of the channel means of the unguided pictures, from the pictures themselves."""
    evidence = diagnosis.evidence
    images = np.stack([evidence.images[row] for row in evidence.unguided]) / 255.0
    return images.mean(axis=(1, 2)).std(axis=0, ddof=1)


# What is known by hand


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


# The other checks


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


# The verdict


def test_without_a_held_out_reader_there_is_no_verdict(pictures: Path) -> None:
    guide = reader_of("guide", "guide", Linear(means()), TARGETS)
    generator = Colours()
    diagnosis = diagnose(
        settings(**SMALL), generator=generator, readers=[guide], keep=pictures, progress=Silent()
    )
    assert diagnosis.overall.verdict == "no verdict"
    assert all("not measured" in reason for reason in diagnosis.overall.reasons)
    assert "nobody held out" in diagnosis.answers["own_judge"].reason
    assert "no feature space" in diagnosis.answers["prompts"].reason
    page = render_html(diagnosis_document(diagnosis).with_figures(()), {})
    assert '<span class="mode no verdict">' in page


def test_the_worst_check_that_decides_decides(honest: Diagnosis) -> None:
    answers = dict(honest.answers)
    others = {name: answer for name, answer in answers.items() if not answer.check.decides}
    assert {name for name in answers if name not in others} == {"own_judge", "dose", "selectivity"}
    for name, standing in (("own_judge", "bad"), ("dose", "doubtful")):
        worse = SimpleNamespace(standing=standing, sentence="", alarm="", numbers={})
        changed: dict[str, Any] = {
            **answers,
            name: SimpleNamespace(
                **{**vars(answers[name]), "finding": worse, "standing": standing, "sentence": ""}
            ),
        }
        assert overall_verdict(changed).verdict == standing


@pytest.mark.parametrize(
    ("judge", "problem"),
    [
        (lambda guide: reader_of("me", "judge", guide, TARGETS), "is the guide itself"),
        (lambda guide: reader_of("me", "judge", Linear(means()), TARGETS, subjects=["01"]), "shares sub-01"),
    ],
)
def test_a_judge_that_guided_is_refused(tmp_path: Path, judge: Any, problem: str) -> None:
    scorer = Linear(means())
    guide = reader_of("guide", "guide", scorer, TARGETS, subjects=["01"])
    with pytest.raises(InputError, match=problem):
        diagnose(
            settings(**SMALL),
            generator=Colours(),
            readers=[guide, judge(scorer)],
            keep=tmp_path,
            progress=Silent(),
        )
    assert not list(tmp_path.iterdir())


def test_scores_that_never_vary_are_refused_by_name(pictures: Path) -> None:
    with pytest.raises(InputError, match="scores of A by other: do not vary over 48 unguided"):
        diagnosis_of(pictures, judge=Linear(0.0 * means()))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompts", ()),
        ("seeds", (1, 1)),
        ("seeds", (-1,)),
        ("strengths", (0.0,)),
        ("window", (0.5, 0.2)),
        ("unguided", 3),
        ("rule", "magic"),
    ],
)
def test_settings_that_cannot_be_are_refused(field: str, value: object) -> None:
    with pytest.raises((ShapeError, ValueError), match=field):
        settings(**{field: value})


# Going on, and the report


class Impatient:
    """Stops after so many reports."""

    def __init__(self, after: int) -> None:
        self.left = after

    def report(self, fraction: float, message: str = "") -> None:
        assert 0.0 <= fraction <= 1.0
        self.left -= 1
        if self.left < 0:
            raise Cancelled("stop")


def test_stopped_work_goes_on_at_the_first_missing_picture(tmp_path: Path) -> None:
    guide = reader_of("guide", "guide", Linear(means()), TARGETS)
    generator = Colours()
    few = settings(**{**SMALL, "prompts": PROMPTS[:1], "unguided": 6, "interpolations": 0})
    planned = diagnosis_pictures(few, generator, dict.fromkeys(TARGETS, ""))
    with pytest.raises(Cancelled):
        diagnose(few, generator=generator, readers=[guide], keep=tmp_path, progress=Impatient(9))
    there = {path.stem: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    assert 0 < len(there) < len(planned)
    diagnose(few, generator=generator, readers=[guide], keep=tmp_path, progress=Silent())
    after = {path.stem: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    assert set(after) == {picture.recipe.digest for picture in planned}
    assert there.items() <= after.items()
    drawn = generator.decoded
    diagnose(few, generator=generator, readers=[guide], keep=tmp_path, progress=Silent())
    assert generator.decoded == drawn


def test_the_report_holds_every_check_and_every_number(honest: Diagnosis, tmp_path: Path) -> None:
    out = tmp_path / "report"
    write_diagnosis(honest, out)
    result = json.loads((out / "result.json").read_text())
    assert result["format"] == "almond-diagnosis/1"
    assert list(result["checks"]) == sorted(CHECKS.names())
    page = (out / "report.html").read_text()
    for name in CHECKS:
        check = CHECKS.load(name)
        assert check.title in page
        for picture in check.pictures:
            assert isinstance(picture, Picture)
            assert (out / "figures" / f"{picture.name}.svg").is_file()
    table = pd.read_csv(out / "pictures.csv")
    assert len(table) == len(honest.evidence.images)
    assert {*NUISANCE, "other: A", "guide: C"} <= set(table.columns)
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something else"):
        write_diagnosis(honest, tmp_path / "else")


COUNTED = DiagnosisCheck(
    name="counted",
    title="How many pictures are there?",
    limits="Good with any.",
    run=lambda evidence, progress: Finding({"pictures": len(evidence.images)}, "Counted.", "good"),
    tables=lambda numbers: [Table(("pictures",), ((str(numbers["pictures"]),),))],
)
"""A check as a lab would add it: one object, one line in the registry."""


def test_one_line_adds_a_check(honest: Diagnosis) -> None:
    with CHECKS.registered("counted", "tests.almond.test_diagnosis:COUNTED"):
        answer = make_checks(honest.evidence, Silent())["counted"]
    assert answer.standing == "good"
    assert answer.finding is not None
    assert answer.finding.numbers == {"pictures": len(honest.evidence.images)}


# Real components


def artifact(subject: str, region: str, seed: int) -> EncoderArtifact:
    space = open_world()
    return EncoderArtifact(
        subject=subject,
        region=region,
        model="pls",
        feature_space=card_of_space(space),
        weights=random_generator(seed, "weights").normal(size=(space.dimension, 1)),
        intercept=np.zeros(1),
        voxels=np.zeros((1, 3), np.int64),
        dropped=np.zeros((0, 3), np.int64),
        mask_digest="0" * 64,
        digest=f"{subject}{region}".ljust(64, "0"),
    )


def test_leaving_subjects_out_makes_a_judge() -> None:
    space = open_world()
    reference = random_generator(1, "reference").normal(size=(20, space.dimension))
    artifacts = {
        region: [artifact(subject, region, 10 * n + k) for n, subject in enumerate(("01", "02", "03"))]
        for k, region in enumerate(("LB", "CM"))
    }
    split = split_by_subject(space, artifacts, reference)
    assert (split.guide.subjects, split.judge.subjects) == (frozenset({"01"}), frozenset({"02", "03"}))
    assert [reader.name for reader in split.subjects] == ["sub-01", "sub-02", "sub-03"]
    lone = {region: of_region[:1] for region, of_region in artifacts.items()}
    with pytest.raises(InputError, match="nobody is left to judge"):
        split_by_subject(space, lone, reference)
    with pytest.raises(InputError, match="differ in their subjects"):
        split_by_subject(space, {**artifacts, "CM": artifacts["CM"][:2]}, reference)


def test_the_world_judge_reads_the_regions_of_the_world() -> None:
    judge = WorldScorer(("LB", "CM"))
    images = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    latents = load_network("judge").read_latents(images)
    assert torch.allclose(judge(images), latents @ judge.weights)
    with pytest.raises(InputError, match="V9 is not of the simulated world"):
        WorldScorer(("V9",))


def test_the_analytic_generator_is_diagnosed_from_end_to_end(tmp_path: Path) -> None:
    space = open_world()
    reference = space.extract([np.full((96, 96, 3), value, np.uint8) for value in (0, 90, 180, 255)])
    targets = [
        standardised_target(
            name,
            random_generator(seed, "weights").normal(size=space.dimension),
            reference,
            feature_space_digest=space.digest,
            sources=(),
        )
        for seed, name in enumerate(("LB", "CM"))
    ]
    small = settings(
        generator="analytic",
        prompts=("a person standing in a room", "a street"),
        seeds=(3,),
        strengths=(0.1,),
        steps=6,
        rule="through",
        window=(0.02, 0.5),
        unguided=4,
        interpolations=0,
        permutations=19,
    )
    readers = [
        reader_of("guide", "guide", Scorer(space, targets), ("LB", "CM")),
        reader_of("world", "judge", WorldScorer(("LB", "CM")), ("LB", "CM")),
    ]
    diagnosis = diagnose(
        small,
        generator=AnalyticGenerator(rule=BankRule(each=6)),
        readers=readers,
        keep=tmp_path / "pictures",
        progress=Silent(),
    )
    assert diagnosis.data["pictures"] == {"unguided": 4, "guided": 8, "late": 4}
    assert "2 prompts allow no test" in diagnosis.answers["selectivity"].reason
    assert diagnosis.overall.verdict in ("no verdict", "bad")
    own = numbers(diagnosis, "own_judge")["targets"]
    assert all(row["own"] > 0 for row in own)
    assert "features" in diagnosis.data["readers"][0]
    again = make_checks(diagnosis.evidence, Silent())
    assert again["own_judge"].sentence == diagnosis.answers["own_judge"].sentence
