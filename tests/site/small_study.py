"""A small study for tests: real images on disk, a frozen matched set, constructs, blocks."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
from django.utils import timezone

from almond.digest import digest_bytes, digest_json
from almond.files.writing import write_atomically
from almond.rng import generator
from almond.stimuli.images import png_bytes
from almond.world.scenes import draw_scene, render
from generation.models import Batch, ImageSet, MatchedPair, MatchedSet, Stimulus, stimulus_path
from ratings.models import Participant, Trial
from ratings.services import record_response
from studies import services
from studies.models import Construct, Study
from studies.services import BlockSpec

TARGETS = {"LB": "threat", "CM": "urgency"}


def picture(number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A scene (96, 96, 3), another one for every number."""
    return render(draw_scene(generator(number, "picture")))


@functools.cache
def coded(number: int) -> bytes:
    return png_bytes(picture(number))


def make_stimulus(number: int, **fields: Any) -> Stimulus:
    data = coded(number)
    digest = digest_bytes(data)
    path = stimulus_path(digest, "png")
    if not path.exists():
        write_atomically(path, data)
    recipe = {
        "number": number,
        "place": Stimulus.objects.count(),
        **{key: str(value) for key, value in fields.items()},
    }
    common = {
        "digest": digest,
        "suffix": "png",
        "name": f"image {number}",
        "width": 96,
        "height": 96,
        "base_scene": f"scene-{number}",
    }
    if "image_set" not in fields:
        common |= {"recipe_digest": digest_json(recipe), "recipe_json": recipe, "prompt": "a street"}
    return Stimulus.objects.create(**{**common, **fields})


def make_matched_set(
    name: str = "matched", *, scenes: int = 3, prompts: int | None = None, frozen: bool = True
) -> MatchedSet:
    """For each scene an unguided base, and for each target a pair; so many prompts in turn, or one each."""
    batch = Batch.objects.create(name=f"batch of {name}")
    row = MatchedSet.objects.create(name=name)
    row.batches.add(batch)
    number = 0
    for scene in range(scenes):
        base_scene, prompt = f"a-street-{scene}", f"a street, view {scene % (prompts or scenes)}"
        make_stimulus(number, base_scene=base_scene, prompt=prompt, seed=scene).batches.add(batch)
        number += 1
        for target in TARGETS:
            sides = []
            for direction in (1, -1):
                made = make_stimulus(
                    number,
                    base_scene=base_scene,
                    prompt=prompt,
                    seed=scene,
                    intended_target=target,
                    direction=direction,
                    strength=1.0,
                )
                made.batches.add(batch)
                sides.append(made)
                number += 1
            MatchedPair.objects.create(
                matched_set=row, base_scene=base_scene, target=target, high=sides[0], low=sides[1]
            )
    if frozen:
        row.state, row.frozen_at = MatchedSet.State.FROZEN, timezone.now()
        row.save()
    return row


def with_recipes(matched: MatchedSet) -> MatchedSet:
    """Give the images of a set recipes that agree with them, so that an export of them verifies."""
    for image in matched.stimuli():
        recipe = {
            "prompt": image.prompt,
            "seed": image.seed,
            "direction": image.direction,
            "strength": image.strength,
            "target": image.intended_target,
        }
        image.recipe_json, image.recipe_digest = recipe, digest_json(recipe)
        image.save()
    return matched


def make_image_set(name: str = "photographs", *, images: int = 4) -> ImageSet:
    row = ImageSet.objects.create(name=name, folder="/nowhere", norms=["valence"], imported_at=timezone.now())
    for number in range(images):
        make_stimulus(1000 + number, image_set=row, name=f"photo {number}", norms={"valence": float(number)})
    return row


def make_constructs() -> list[Construct]:
    words = {
        "threat": ("How threatening is this scene?", "Which scene is more threatening?", "LB"),
        "urgency": ("How urgently does it call for action?", "Which calls more urgently for action?", "CM"),
    }
    return [
        services.create_construct(
            name=name,
            question=question,
            low="not at all",
            high="extremely",
            choice=choice,
            target=target,
            by=None,
        )
        for name, (question, choice, target) in words.items()
    ]


def make_study(
    *,
    state: str = Study.State.LIVE,
    matched_set: MatchedSet | None = None,
    rating_trials: int | None = 4,
    choice_trials: int | None = 3,
    repeats: int = 0,
    **fields: Any,
) -> Study:
    """A study of two blocks over a matched set of three scenes and two targets, brought to a state."""
    constructs = list(Construct.objects.order_by("name")) or make_constructs()
    settings = {
        "title": "How scenes strike you",
        "slug": "scenes",
        "participants_planned": 8,
        "n_lists": 4,
        "unmatched_reason": "Pairs of a test, made without matching.",
    }
    study = services.create_study(
        **{**settings, **fields},
        matched_set=matched_set or make_matched_set(),
        blocks=[
            BlockSpec("rating", "ratings", constructs, rating_trials, repeats),
            BlockSpec("choice", "choices", constructs, choice_trials, asked_of="own"),
        ],
        by=None,
    )
    return advance(study, state)


def advance(study: Study, state: str) -> Study:
    """Take a draft as far as the state asks."""
    opened = functools.partial(services.open_study, reason="A study of a test.")
    steps: dict[Study.State, list[Callable[..., Study]]] = {
        Study.State.DRAFT: [],
        Study.State.FROZEN: [services.freeze],
        Study.State.LIVE: [services.freeze, opened],
        Study.State.PAUSED: [services.freeze, opened, services.pause],
        Study.State.CLOSED: [services.freeze, opened, services.close],
    }
    for step in steps[Study.State(state)]:
        study = step(study=study, by=None)
    return study


def answer_to(trial: Trial, **changes: Any) -> dict[str, Any]:
    """A response that fits a trial, with changes."""
    body: dict[str, Any] = {
        "response_id": str(uuid.uuid4()),
        "trial_id": trial.name,
        "rt_ms": 812.5,
        "images": trial.digests,
    }
    if trial.kind == "rating":
        body["values"] = {name: 40 + place for place, name in enumerate(trial.planned["constructs"])}
    else:
        body["chosen"] = "left"
    return {**body, **changes}


def answer_all(participant: Participant) -> None:
    for trial in participant.trials.filter(response=None):
        record_response(participant=participant, body=answer_to(trial))
