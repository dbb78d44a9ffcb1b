"""What an export is made of, gathered from the rows: images with everything known about them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from almond.errors import InputError
from generation.models import Stimulus
from ratings.services.flow import flow, log_facts
from studies.models import Study

Row = dict[str, Any]


def stimulus_rows(images: Mapping[str, Stimulus], themes: Mapping[str, str]) -> list[Row]:
    """Rows of stimuli.csv. A measurement that only some images have is empty for the others.

    :param themes: theme of every base scene of the plan; images of other scenes say theirs themselves.
    """
    names = sorted({name for image in images.values() for name in measured(image)})
    return [
        {
            "stimulus_id": stimulus_id,
            "image_sha256": image.digest,
            "base_scene": image.base_scene,
            "theme": themes.get(image.base_scene, image.theme),
            "prompt": image.prompt,
            "seed": "" if image.seed is None else image.seed,
            "intended_target": image.intended_target,
            "direction": image.direction,
            "strength": image.strength,
            "recipe_digest": image.recipe_digest,
            **dict.fromkeys(names, ""),
            **measured(image),
        }
        for stimulus_id, image in images.items()
    ]


def measured(image: Stimulus) -> Row:
    """Scores, low-level features and norms by the names of their columns; only what was measured."""
    values = {
        **{f"score_{name}": value for name, value in image.scores.items()},
        **image.lowlevel,
        **{f"norm_{name}": value for name, value in image.norms.items()},
    }
    return {name: value for name, value in values.items() if value is not None}


def image_files(images: Mapping[str, Stimulus]) -> dict[str, tuple[str, Path]]:
    """Digest -> suffix and file of every image."""
    return {image.digest: (image.suffix, image.path) for image in images.values()}


def recipes(images: Mapping[str, Stimulus]) -> dict[str, Row]:
    """Digest -> recipe of every generated image."""
    return {image.recipe_digest: image.recipe_json for image in images.values() if image.recipe_digest}


def score_targets(images: Mapping[str, Stimulus]) -> dict[str, str]:
    """Map scores to the digests of their targets; ``InputError`` when two targets of one name gave scores."""
    digests: dict[str, str] = {}
    for image in images.values():
        for name, digest in image.score_digests.items():
            if digests.setdefault(name, digest) != digest:
                raise InputError(
                    f"score {name}", "was read with different targets in one study", "one target per score"
                )
    return digests


def facts(study: Study) -> Row:
    """What the manifest repeats about the study."""
    people = study.participants.all()
    return {
        "study": study.title,
        "slug": study.slug,
        "state": study.state,
        "plan_frozen_at": study.frozen_at.isoformat() if study.frozen_at else "",
        "simulated_participants": people.filter(kind="robot").count(),
        "participants": people.count(),
        "on_withdrawal": study.on_withdrawal,
        "flow": flow(study),
        "log": log_facts(study),
    }
