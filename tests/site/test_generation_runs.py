"""Batches, matching and scoring as workers do them: the shipped networks, the embedded generator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from almond.digest import digest_file
from almond.encoding.features.kinds.world import open_world
from almond.errors import Cancelled
from almond.pictures.reading import read_image
from almond.stimuli.lowlevel import measure
from almond.stimuli.pairing.yardsticks import HELD, held_columns
from almond.targets.target import load_target, scores
from encoder.models import Target
from generation import services
from generation.models import Batch, MatchedSet, Stimulus
from generation.runs.matching import pool_of
from jobs.models import Job
from jobs.services import run_now
from tests.site.encoder_rows import bare_encoder
from tests.site.generation_rows import add_recipe, full_batch, real_target, write_photographs

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Any) -> Path:
    settings.ALMOND_HOME = tmp_path / "home"
    settings.DATA_ROOTS = [tmp_path]
    return tmp_path


@pytest.fixture
def targets(db: None) -> list[Target]:
    encoder = bare_encoder()
    return [
        real_target(encoder, name, role, seed)
        for seed, (name, role) in enumerate((("LB", "guide"), ("CM", "guide"), ("LB", "judge")))
    ]


@pytest.fixture
def batch(targets: list[Target]) -> Batch:
    recipe = add_recipe(targets[:2], seeds=[3], strengths=[1.0], steps=4, window=(0.05, 0.6))
    return services.start_batch(recipes=[recipe], by=None)


def finished(job: Job | None) -> Job:
    assert job is not None
    ended = run_now(job)
    assert ended.state == "done", ended.error + ended.traceback
    return ended


def test_a_batch_makes_every_image_with_its_provenance(batch: Batch, targets: list[Target]) -> None:
    job = finished(batch.job)
    assert job.result == {"made": 5, "images": 5}
    assert batch.stimuli.count() == batch.planned == 5
    for one in batch.stimuli.all():
        assert digest_file(one.path) == one.digest
        pixels = read_image(one.path)
        assert (one.width, one.height) == (96, 96)
        assert one.lowlevel == measure(pixels)
        assert set(one.scores) == {"LB", "CM", "LB_judge"}
        assert one.score_digests == {target.score_name: target.digest for target in targets}
        judge = load_target(Path(targets[2].path))
        expected = scores(judge, open_world().extract([pixels]))[0]
        assert one.scores["LB_judge"] == pytest.approx(expected, abs=1e-3)
        assert len(one.trace) == 4
    up = batch.stimuli.get(intended_target="LB", direction=1)
    down = batch.stimuli.get(intended_target="LB", direction=-1)
    contrast = [one.scores["LB"] - one.scores["CM"] for one in (up, down)]
    assert contrast[0] > contrast[1]
    assert up.recipe_json["target_digests"] == {row.name: row.digest for row in targets[:2]}


def test_a_killed_batch_goes_on_where_it_was(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker dies after the third image: nothing is lost, nothing is made twice."""
    keep = services.keep_generated
    kept: list[Stimulus] = []

    def keep_three(**given: Any) -> Stimulus:
        if len(kept) == 3:
            raise KeyboardInterrupt
        kept.append(keep(**given))
        return kept[-1]

    monkeypatch.setattr(services, "keep_generated", keep_three)
    assert batch.job is not None
    with pytest.raises(KeyboardInterrupt):
        run_now(batch.job)
    monkeypatch.undo()
    assert batch.stimuli.count() == 3
    Job.objects.filter(pk=batch.job.pk).update(state="queued", worker="")
    assert finished(batch.job).result == {"made": 2, "images": 5}
    assert {one.pk for one in kept} < set(batch.stimuli.values_list("pk", flat=True))
    resumed = dict(Stimulus.objects.values_list("recipe_digest", "digest"))
    Stimulus.objects.all().delete()
    whole = services.start_batch(recipes=batch.recipes.all(), by=None)
    assert finished(whole.job).result == {"made": 5, "images": 5}
    assert dict(Stimulus.objects.values_list("recipe_digest", "digest")) == resumed


def test_an_image_that_is_no_number_fails_the_batch_and_is_not_stored(targets: list[Target]) -> None:
    """A strength beyond what float32 holds: what was made before stays, the rest waits for another recipe."""
    common = {"seeds": [3], "steps": 4, "window": (0.05, 0.6)}
    recipes = [
        add_recipe(targets[:2], name=f"by {strength:g}", strengths=[strength], **common)
        for strength in (1.0, 1e39)
    ]
    batch = services.start_batch(recipes=recipes, by=None)
    assert batch.job is not None
    ended = run_now(batch.job)
    assert ended.state == "failed"
    for part in ("generator analytic, seed 3, step", "guidance strength 1e+39", "no image was made"):
        assert part in ended.error
    made = set(batch.stimuli.values_list("pk", flat=True))
    assert made
    assert all(row.strength <= 1.0 for row in batch.stimuli.all())
    assert {path.stem for path in batch.stimuli.all()[0].path.parent.parent.rglob("*.png")} == set(
        batch.stimuli.values_list("digest", flat=True)
    )
    again = services.start_batch(recipes=recipes, by=None)
    assert again.job is not None
    assert run_now(again.job).error == ended.error
    assert set(again.stimuli.values_list("pk", flat=True)) == made


def test_images_of_another_batch_are_taken_over(batch: Batch) -> None:
    finished(batch.job)
    again = services.start_batch(recipes=batch.recipes.all(), by=None)
    assert finished(again.job).result == {"made": 0, "images": 5}
    assert set(again.stimuli.all()) == set(batch.stimuli.all())
    unjudged = services.start_batch(recipes=batch.recipes.all(), judges=[], by=None)
    assert finished(unjudged.job).result == {"made": 0, "images": 5}


def test_a_judge_that_comes_later_scores_what_is_there(batch: Batch, targets: list[Target]) -> None:
    batch.judges.clear()
    finished(batch.job)
    later = services.start_batch(recipes=batch.recipes.all(), judges=[targets[2]], by=None)
    assert finished(later.job).result == {"made": 5, "images": 5}
    assert Stimulus.objects.count() == 5
    assert all("LB_judge" in one.scores for one in later.stimuli.all())


def test_weights_that_were_changed_stop_the_batch(batch: Batch, targets: list[Target]) -> None:
    path = Path(targets[0].path)
    path.write_bytes(path.read_bytes().replace(b'"mean":', b'"mean" :'))
    assert batch.job is not None
    job = run_now(batch.job)
    assert job.state == "failed"
    assert "it was changed" in job.error
    assert not Stimulus.objects.exists()


def test_a_cancelled_batch_keeps_what_it_made(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    keep = services.keep_generated

    def keep_one_then_stop(**given: Any) -> Stimulus:
        if batch.stimuli.exists():
            raise Cancelled("asked to stop")
        return keep(**given)

    monkeypatch.setattr(services, "keep_generated", keep_one_then_stop)
    assert batch.job is not None
    assert run_now(batch.job).state == "cancelled"
    assert batch.stimuli.count() == 1


def test_matching_pairs_every_scene_and_target(db: None) -> None:
    batch = full_batch(strengths=[1.0, 2.0, 3.0], seeds=[1, 2, 3, 4])
    # Where people are held, a scene whose pictures show different people does without a target.
    matched = services.start_matching(
        name="m",
        batches=[batch],
        tolerance=5.0,
        paired=50.0,
        held=HELD,
        by=None,
    )
    finished(matched.job)
    matched.refresh_from_db()
    assert {(pair.base_scene, pair.target) for pair in matched.pairs.all()} == {
        (f"a-room-{seed}", name) for seed in (1, 2, 3, 4) for name in ("LB", "CM", "SF")
    }
    for pair in matched.pairs.select_related("high", "low"):
        assert (pair.high.direction, pair.low.direction) == (1, -1)
        assert (pair.high.strength, pair.low.strength) == (3.0, 3.0)
        assert pair.high.intended_target == pair.low.intended_target == pair.target
    # The recipe holds the other targets, so that their scores are held to the yardsticks too.
    features = {row["feature"] for row in matched.balance}
    assert set(held_columns(("lowlevel", "quality", "likeness"))) <= features
    assert {"score_LB", "score_CM", "score_SF"} <= features
    assert matched.verdict == "matched"
    assert set(matched.reached) == {"LB", "CM", "SF"}
    assert matched.kept["LB"] == pytest.approx(1.0)


def test_matching_uses_the_scores_of_the_chosen_kind(db: None) -> None:
    batch = full_batch()
    stimuli = list(batch.stimuli.all())
    guides, judges = pool_of(stimuli, judged=False), pool_of(stimuli, judged=True)
    assert list(guides["score_LB"] * 0.5) == list(judges["score_LB"])
    assert list(guides["score_LB_judge"]) == list(judges["score_LB"])
    scores = {name for name in map(str, judges) if name.startswith("score_")}
    assert scores == {"score_LB", "score_CM", "score_SF"}


def test_matching_without_images_says_so(db: None) -> None:
    batch = full_batch()
    batch.stimuli.clear()
    matched = services.start_matching(name="m", batches=[batch], by=None)
    assert matched.job is not None
    job = run_now(matched.job)
    assert (job.state, "whose images have been made" in job.error) == ("failed", True)
    assert not MatchedSet.objects.get(pk=matched.pk).pairs.exists()


def test_photographs_are_scored(home: Path, targets: list[Target]) -> None:
    image_set = services.import_image_set(name="p", folder=write_photographs(home / "photographs"), by=None)
    finished(image_set.job)
    job = services.start_scoring(image_set=image_set, targets=targets, by=None)
    assert finished(job).result == {"images": 2, "targets": ["LB", "CM", "LB_judge"]}
    for one in image_set.stimuli.all():
        expected = scores(load_target(Path(targets[0].path)), open_world().extract([read_image(one.path)]))
        assert one.scores["LB"] == pytest.approx(expected[0])
        assert one.score_digests["LB"] == targets[0].digest
