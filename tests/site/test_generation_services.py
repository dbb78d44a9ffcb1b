"""What services of the generation pages allow, refuse and write down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from accounts.models import AuditEvent
from almond.errors import InputError
from almond.guidance.generators import defaults_of
from encoder.models import Target
from generation import services
from generation.models import Batch, MatchedSet, Recipe, Stimulus
from generation.services.recipes import image_recipes
from jobs.models import Job
from tests.site.encoder_rows import add_target, bare_encoder, digest
from tests.site.generation_rows import add_recipe, fill, full_batch, guides, judges, write_photographs

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Any) -> Path:
    settings.ALMOND_HOME = tmp_path / "home"
    settings.DATA_ROOTS = [tmp_path]
    return tmp_path


def test_a_recipe_is_kept_with_its_digest(experimenter: Any) -> None:
    targets = guides()
    recipe = services.create_recipe(
        name="rooms", prompt="a room", seeds=[1], targets=targets, by=experimenter
    )
    twin = add_recipe(
        targets, name="other name", seeds=[1], strengths=list(defaults_of("analytic").strengths)
    )
    assert recipe.digest == twin.digest
    assert add_recipe(targets, name="another", seeds=[2]).digest != recipe.digest
    assert AuditEvent.objects.get(subject_type="generation.recipe", subject_id=str(recipe.pk)).actor


@pytest.mark.parametrize("generator", ["analytic", "small-unet"])
def test_what_is_not_said_is_as_the_generator_was_calibrated(generator: str) -> None:
    recipe = services.create_recipe(
        name="x", prompt="a room", seeds=[1], targets=guides(), generator=generator, by=None
    )
    usual = defaults_of(generator)
    assert (recipe.window_low, recipe.window_high) == usual.window
    assert (recipe.steps, tuple(recipe.strengths), recipe.ramp) == (usual.steps, usual.strengths, usual.ramp)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"prompt": " "}, "prompt"),
        ({"prompt": "qwerty"}, "prompt"),
        ({"seeds": []}, "seeds"),
        ({"seeds": [1, 1]}, "seeds"),
        ({"seeds": [-1]}, "seeds"),
        ({"strengths": []}, "strengths"),
        ({"strengths": [0.0]}, "strengths"),
        ({"strengths": [float("nan")]}, "strengths"),
        ({"window": (0.6, 0.2)}, "window"),
        ({"steps": 0}, "steps"),
        ({"ramp": 0.9}, "ramp"),
        ({"generator": "/no/such/folder"}, "generator"),
        ({"targets": []}, "targets"),
    ],
)
def test_recipes_that_cannot_be_made_are_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        add_recipe(**{"targets": guides(), **changes})
    assert not Recipe.objects.exists()


def test_only_made_guides_of_different_names_may_guide(db: None) -> None:
    encoder = bare_encoder()
    guide = add_target(encoder, "LB", "guide", 1)
    judge = add_target(encoder, "CM", "judge", 2)
    waiting = Target.objects.create(name="SF", encoder=encoder)
    for other, problem in ((judge, "cannot guide"), (waiting, "cannot guide"), (guide, "called the same")):
        with pytest.raises(InputError, match=problem):
            add_recipe([guide, other])
    recipe = add_recipe([guide])
    pushed = [one for target, one in image_recipes(recipe, generator_digest=digest(5)) if target]
    assert {tuple(one.objective.items()) for one in pushed} == {(("LB", 1.0),)}


def test_images_of_a_recipe_cover_the_design(db: None) -> None:
    recipe = add_recipe(guides())
    images = list(image_recipes(recipe, generator_digest=digest(5)))
    assert len(images) == recipe.images
    assert len({one.digest for _, one in images}) == recipe.images
    bases = [one for target, one in images if not target]
    assert [(one.seed, one.direction, one.guided) for one in bases] == [(1, 0, False), (2, 0, False)]
    pushed = next(one for target, one in images if target == "LB")
    assert (pushed.objective_kind, pushed.objective, pushed.others) == ("clamp", {"LB": 1.0}, ("CM", "SF"))
    assert pushed.target_digests == {target.name: target.digest for target in recipe.targets.all()}


def test_a_batch_takes_the_judges_of_its_guides_encoder(experimenter: Any) -> None:
    encoder = bare_encoder()
    targets = guides(encoder)
    reading = judges(encoder)
    recipe = add_recipe(targets)
    batch = services.start_batch(recipes=[recipe], by=experimenter)
    second = services.start_batch(recipes=[recipe], judges=[], by=experimenter)
    assert set(batch.judges.all()) == set(reading)
    assert not second.judges.exists()
    assert (batch.name, second.name) == ("rooms", "rooms 2")
    assert batch.job is not None
    assert batch.job.kind == "generation.generate"
    services.resume_batch(batch=batch, by=experimenter)
    assert Job.objects.filter(kind="generation.generate", arguments__batch=batch.pk).count() == 1
    with pytest.raises(InputError, match="recipes"):
        services.start_batch(recipes=[], by=experimenter)


def test_an_image_is_kept_once_with_its_bytes(db: None) -> None:
    batch = full_batch()
    one = batch.stimuli.filter(intended_target="LB").first()
    assert one is not None
    assert one.path.is_file()
    assert one.path.parent.name == one.digest[:2]
    fill(batch)
    assert Stimulus.objects.count() == batch.planned


def test_scores_are_added_but_never_replaced_by_a_namesake(db: None) -> None:
    one = full_batch().stimuli.first()
    assert one is not None
    services.keep_scores(stimulus=one, scores={"new": 1.5}, digests={"new": digest(1)})
    services.keep_scores(stimulus=one, scores={"new": 1.5}, digests={"new": digest(1)})
    one.refresh_from_db()
    assert one.scores["new"] == 1.5
    assert "LB" in one.scores
    with pytest.raises(InputError, match="another target called new"):
        services.keep_scores(stimulus=one, scores={"new": 0.0}, digests={"new": digest(2)})


def test_a_judge_of_one_guide_reads_no_batch_of_another(experimenter: Any) -> None:
    encoder = bare_encoder()
    first, second, _ = guides(encoder)
    own = add_target(encoder, "LB_judged", "judge", 20)
    Target.objects.filter(pk=own.pk).update(of_guide=first)
    own.refresh_from_db()
    reads = services.start_batch(recipes=[add_recipe([first])], by=experimenter)
    other = add_recipe([second], name="others")
    assert list(reads.judges.all()) == [own]
    assert not services.start_batch(recipes=[other], by=experimenter).judges.exists()
    with pytest.raises(InputError, match="judges another guide alone"):
        services.start_batch(recipes=[other], judges=[own], by=experimenter)


def test_matching_leaves_judges_out_of_the_choice_unless_asked(db: None) -> None:
    batch = full_batch()
    assert services.start_matching(name="a", batches=[batch], by=None).scored_by == "guide"
    asked = services.start_matching(name="b", batches=[batch], scored_by="judge", by=None)
    assert asked.scored_by == "judge"
    batch.judges.clear()
    with pytest.raises(InputError, match="has no judges"):
        services.start_matching(name="c", batches=[batch], scored_by="judge", by=None)
    with pytest.raises(InputError, match="tolerance"):
        services.start_matching(name="c", batches=[batch], tolerance=0, by=None)
    with pytest.raises(InputError, match="batches"):
        services.start_matching(name="c", batches=[], by=None)
    assert MatchedSet.objects.count() == 2


def keep_one_pair(matched: MatchedSet, batch: Batch) -> None:
    up, down = (
        batch.stimuli.get(intended_target="LB", direction=sign, strength=1, base_scene="a-room-1")
        for sign in (1, -1)
    )
    services.keep_pairs(
        matched_set=matched,
        pairs=[("a-room-1", "LB", up.pk, down.pk)],
        balance=[{"intended_target": "LB", "feature": "luminance", "before": 0.4, "after": 0.1}],
        reached={"LB": 0.1},
        kept={"LB": 0.9},
        by=None,
    )


def test_a_frozen_set_never_changes(experimenter: Any) -> None:
    batch = full_batch()
    matched = services.start_matching(name="a", batches=[batch], by=experimenter)
    with pytest.raises(InputError, match="has no pairs"):
        services.freeze_matched_set(matched_set=matched, by=experimenter)
    keep_one_pair(matched, batch)
    keep_one_pair(matched, batch)
    assert matched.pairs.count() == 1
    with pytest.raises(InputError, match="2 of its images were not screened"):
        services.freeze_matched_set(matched_set=matched, by=experimenter)
    services.freeze_matched_set(matched_set=matched, by=experimenter, unscreened_reason="a test")
    services.freeze_matched_set(matched_set=matched, by=experimenter)
    assert matched.is_frozen
    assert matched.unscreened_reason == "a test"
    assert matched.frozen_by == experimenter
    assert AuditEvent.objects.filter(verb="freeze").count() == 1
    with pytest.raises(InputError, match="is frozen"):
        keep_one_pair(matched, batch)
    with pytest.raises(InputError, match="is frozen"):
        services.rematch(matched_set=matched, tolerance=0.5, by=experimenter)


def test_images_come_only_from_the_servers_data_folders(home: Path, settings: Any) -> None:
    folder = write_photographs(home / "photographs")
    image_set = services.import_image_set(name="p", folder=folder, by=None)
    assert image_set.job is not None
    assert image_set.job.arguments == {"image_set": image_set.pk}
    settings.DATA_ROOTS = [home / "elsewhere"]
    with pytest.raises(InputError, match="outside of the server's data folders"):
        services.import_image_set(name="q", folder=folder, by=None)
    with pytest.raises(InputError, match="outside of the server's data folders"):
        services.import_image_set(name="q", folder=home / "elsewhere" / ".." / "photographs", by=None)
    settings.DATA_ROOTS = [home]
    with pytest.raises(InputError, match="does not exist"):
        services.import_image_set(name="q", folder=home / "absent", by=None)


def test_scoring_needs_made_targets(home: Path) -> None:
    folder = write_photographs(home / "photographs")
    image_set = services.import_image_set(name="p", folder=folder, by=None)
    encoder = bare_encoder()
    made, waiting = add_target(encoder, "LB"), Target.objects.create(name="CM", encoder=encoder)
    for targets in ([], [waiting]):
        with pytest.raises(InputError, match="targets"):
            services.start_scoring(image_set=image_set, targets=targets, by=None)
    job = services.start_scoring(image_set=image_set, targets=[made], by=None)
    assert services.start_scoring(image_set=image_set, targets=[made], by=None).pk == job.pk
    assert services.scoring_job(image_set=image_set) == job
