"""Recipes, stimuli and photographs for tests, made through the services where there is one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from almond.encoding.features.kinds.world import open_world
from almond.rng import generator
from almond.stimuli.images import png_bytes
from almond.stimuli.lowlevel import measure
from almond.targets.target import save_target, standardised_target
from encoder.folders import target_root
from encoder.models import Encoder, Target
from generation import services
from generation.models import Batch, Recipe
from generation.services.recipes import image_recipes
from tests.site.encoder_rows import add_target, bare_encoder

GENERATOR_DIGEST = "a" * 64
NAMES = ("LB", "CM", "SF")


def guides(encoder: Encoder | None = None) -> list[Target]:
    encoder = encoder or bare_encoder()
    return [add_target(encoder, name, "guide", number) for number, name in enumerate(NAMES)]


def judges(encoder: Encoder) -> list[Target]:
    return [add_target(encoder, name, "judge", 10 + number) for number, name in enumerate(NAMES)]


def real_target(encoder: Encoder, name: str, role: str, seed: int) -> Target:
    """A target with weights of its own, standardised on noise images."""
    space = open_world()
    rng = generator(seed, "weights of a test target")
    images = [rng.integers(0, 255, (96, 96, 3)).astype(np.uint8) for _ in range(12)]
    row = Target.objects.create(name=name, encoder=encoder, role=role, coefficients={name: 1.0})
    made = standardised_target(
        row.score_name,
        rng.normal(size=space.dimension),
        space.extract(images),
        feature_space_digest=space.digest,
        sources=(),
    )
    row.digest, row.path = made.digest, str(save_target(target_root(), made))
    row.save()
    return row


def add_recipe(targets: list[Target], **given: Any) -> Recipe:
    values: dict[str, Any] = {
        "name": "rooms",
        "prompt": "a room",
        "seeds": [1, 2],
        "targets": targets,
        "strengths": [1.0, 2.0],
        "by": None,
    }
    return services.create_recipe(**{**values, **given})


def picture(seed: int, size: int = 16) -> np.ndarray[Any, Any]:
    return generator(seed, "test picture").integers(0, 255, (size, size, 3)).astype(np.uint8)


def fill(batch: Batch, *, judged: bool = True) -> Batch:
    """Images of all recipes of a batch, with scores that follow direction and strength."""
    number = 0
    for recipe in batch.recipes.order_by("pk"):
        names = [target.name for target in recipe.targets.all()]
        for target, wanted in image_recipes(recipe, generator_digest=GENERATOR_DIGEST):
            number += 1
            image = picture(number)
            scores = dict.fromkeys(names, 0.0)
            if target:
                scores[target] = wanted.direction * wanted.strength
            if judged:
                scores |= {f"{name}_judge": 0.5 * value for name, value in list(scores.items())}
            services.keep_generated(
                batch=batch,
                png=png_bytes(image),
                size=(16, 16),
                recipe_json=wanted.to_json(),
                recipe_digest=wanted.digest,
                target=target,
                scores=scores,
                score_digests={},
                lowlevel=measure(image),
                trace=[
                    {"step": step, "alpha_bar": step / 10, "strength": 1.0, "scores": scores}
                    for step in range(10)
                ],
                by=None,
            )
    return batch


def full_batch(*, judged: bool = True, **recipe: Any) -> Batch:
    encoder = bare_encoder()
    targets = guides(encoder)
    if judged:
        judges(encoder)
    batch = services.start_batch(recipes=[add_recipe(targets, **recipe)], by=None)
    return fill(batch, judged=judged)


def write_photographs(folder: Path, names: tuple[str, ...] = ("Dog 1.jpg", "Lake 2.png")) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).write_bytes(photograph(number, "JPEG" if name.endswith("jpg") else "PNG"))
    return folder


def photograph(seed: int, kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture(seed, 24)).save(stream, format=kind)
    return stream.getvalue()
