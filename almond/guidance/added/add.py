"""Adding a model: check every part, pin what is loaded, make one small picture without guidance."""

from __future__ import annotations

from pathlib import Path

import torch

from almond.errors import InputError
from almond.guidance.added.hub import fetch_model
from almond.guidance.added.store import AddedModel, check_name, keep_added, models_folder
from almond.guidance.backends.diffusers_folder import class_in, read_index
from almond.guidance.backends.diffusion import DiffusionGenerator
from almond.guidance.backends.open_folder import load_folder
from almond.guidance.model_settings import ModelOptions
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import Generated, generate
from almond.progress import Progress, Silent

TRIAL_SIDE = 256
TRIAL_STEPS = 4
TRIAL_PROMPT = "a person standing in a room"


class NoScores:
    """A scorer of nothing, for pictures without guidance."""

    names: tuple[str, ...] = ()

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return images.new_zeros(len(images), 0)


def add_model(
    name: str,
    source: str,
    settings: ModelOptions,
    *,
    revision: str | None = None,
    progress: Progress | None = None,
) -> AddedModel:
    """Add a model under a name.

    :param source: a folder that diffusers wrote, or an id of the Hugging Face hub.
    :param settings: size, scale, precision and the rest.
    :raises InputError: what is missing or cannot work, in one line; nothing is added then.
    """
    check_name(name)
    folder = Path(source)
    if not folder.is_dir():
        if source.count("/") != 1 or source.startswith((".", "/", "~")):
            raise InputError(source, "is no folder", "a folder that diffusers wrote, or OWNER/MODEL")
        folder = fetch_model(source, revision=revision, variant=settings.variant)
    models_folder().mkdir(parents=True, exist_ok=True)
    generator = load_folder(folder, name=name, settings=settings)
    trial_image(generator, progress or Silent())
    index = read_index(folder)
    model = AddedModel(
        name=name,
        folder=str(folder.resolve()),
        source=source,
        family=str(index["_class_name"]),
        scheduler=generator.scheduler.name,
        own_scheduler=class_in(index, "scheduler") or "",
        files=dict(generator.identity["files"]),
        settings=settings,
        size=generator.image_size,
        steps=generator.defaults.steps,
        digest=generator.digest,
    )
    keep_added(model)
    return model


def trial_image(generator: DiffusionGenerator, progress: Progress) -> Generated:
    """Make one small picture without guidance; what is not finite or blank is an ``InputError``."""
    small = generator.at_size(min(generator.image_size, TRIAL_SIDE))
    recipe = Recipe(
        prompt=TRIAL_PROMPT,
        seed=1,
        generator=small.name,
        generator_digest=small.digest,
        steps=TRIAL_STEPS,
    )
    (made,) = generate([recipe], generator=small, scorer=NoScores(), progress=progress)
    return made
