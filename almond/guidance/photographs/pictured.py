"""A model as the pictures of one recipe make it: its photograph, mask, ControlNet's and adapter's picture."""

from __future__ import annotations

from typing import Any

import torch

from almond.errors import DigestMismatch, InputError
from almond.guidance.backends.base import Generator
from almond.guidance.backends.diffusion import Conditioned, DiffusionGenerator
from almond.guidance.backends.families.base import Inputs
from almond.guidance.backends.families.unet import ADAPTER, CONTROL
from almond.guidance.photographs.inversion import check_invertible
from almond.guidance.photographs.photograph import Photograph, read_pixels, read_region, unit_pixels
from almond.guidance.photographs.pictures import fitted
from almond.guidance.recipe import Recipe
from almond.guidance.starting import INVERSION, StartPicture, refusal_of_start, scene_starter

CACHED_PICTURES = 8


def pictured(generator: Generator, recipe: Recipe) -> Generator:
    """Return the generator as a recipe's pictures have it; itself where the recipe names none."""
    if not has_pictures(recipe):
        return generator
    model = learned(generator, recipe)
    # A copy of the model with another scheduler shares the dictionary.
    key = (recipe.start and recipe.start.digest, recipe.control, recipe.adapter, id(model.scheduler))
    if key not in model.pictured:
        photograph = None if recipe.start is None else read_photograph(model, recipe.start)
        model.pictured[key] = model.with_pictures(photograph, conditioning_of(model, recipe))
    model.pictured.move_to_end(key)
    while len(model.pictured) > CACHED_PICTURES:
        model.pictured.popitem(last=False)
    return model.pictured[key]


def has_pictures(recipe: Recipe) -> bool:
    """Whether a recipe names pictures by their digests."""
    photograph = recipe.start is not None and recipe.start.scene is None
    return photograph or recipe.control is not None or recipe.adapter is not None


def learned(generator: Generator, recipe: Recipe) -> DiffusionGenerator:
    """Return the generator as a learned model.

    :raises InputError: it is none.
    """
    if recipe.start is not None and (problem := refusal_of_start(recipe.start, generator.name)):
        raise InputError("recipe.start", problem, "or a scene of the simulated world")
    if not isinstance(generator, DiffusionGenerator):
        raise InputError(
            "recipe", f"{generator.name} takes no pictures", "the folder of a diffusers pipeline"
        )
    return generator


def check_pictures(recipe: Recipe, generator: Generator) -> None:
    """Refuse pictures that the generator cannot work from, before anything is made.

    :raises InputError: no learned model, a picture that is not at hand, a network that was not loaded.
    :raises DigestMismatch: other weights were loaded.
    """
    if recipe.start is not None and recipe.start.scene is not None:
        scene_starter(generator, recipe.start)
    if has_pictures(recipe):
        model = learned(generator, recipe)
        if recipe.start is not None:
            model.pictures.require(str(recipe.start.image_sha256), "recipe.start.photograph")
            if recipe.start.mask_sha256:
                model.pictures.require(recipe.start.mask_sha256, "recipe.start.mask")
            if recipe.start.method == INVERSION:
                check_invertible(model.scheduler)
    check_added(recipe, generator)


def check_added(recipe: Recipe, generator: Generator) -> None:
    """Compare the networks that a recipe's pictures are for with those that were loaded."""
    adapter = getattr(generator, "adapter", None)
    if adapter is not None and recipe.adapter is None:
        raise InputError("recipe.adapter", "is missing, and the model has an IP-Adapter", "its picture")
    if recipe.control is not None:
        loaded = getattr(generator, "control_sha256", None)
        if loaded is None:
            raise InputError("recipe.control", "the model has no ControlNet", "one that is loaded with it")
        if loaded != recipe.control.weights_sha256:
            raise DigestMismatch("recipe.control", recipe.control.weights_sha256, loaded)
        learned(generator, recipe).pictures.require(recipe.control.image_sha256, "recipe.control.image")
    if recipe.adapter is not None:
        if adapter is None:
            raise InputError("recipe.adapter", "the model has no IP-Adapter", "one that is loaded with it")
        for name in ("weights_sha256", "encoder_sha256"):
            if getattr(adapter, name) != getattr(recipe.adapter, name):
                raise DigestMismatch("recipe.adapter", getattr(recipe.adapter, name), getattr(adapter, name))
        if adapter.scale != recipe.adapter.scale:
            problem = f"is {recipe.adapter.scale:g}, that of the model {adapter.scale:g}"
            raise InputError("recipe.adapter.scale", problem, "one scale for a model")
        learned(generator, recipe).pictures.require(recipe.adapter.image_sha256, "recipe.adapter.image")


def read_photograph(generator: DiffusionGenerator, start: StartPicture) -> Photograph | None:
    """Read, cut and encode the photograph of a start; None for a scene."""
    if start.scene is not None:
        return None
    size = generator.image_size
    pixels = unit_pixels(read_pixels(start, generator.pictures, size))
    region = read_region(start, generator.pictures, size, generator.latent_shape)
    return Photograph(pixels, generator.encode(pixels[None])[0], region)


def conditioning_of(generator: DiffusionGenerator, recipe: Recipe) -> Conditioned | None:
    """Return what a recipe's pictures add to the denoiser's inputs; None for nothing.

    A ControlNet sees its picture with and without the prompt, an adapter's picture belongs to the prompt.
    """
    prompted: dict[str, Any] = {}
    empty: dict[str, Any] = {}
    if recipe.control is not None:
        image = generator.pictures.read(recipe.control.image_sha256, "recipe.control.image")
        picture = unit_pixels(fitted(image, generator.image_size))[None].to(generator.device)
        for inputs in (prompted, empty):
            inputs[CONTROL] = {"picture": picture, "scale": recipe.control.scale}
    if recipe.adapter is not None and generator.adapter is not None:
        image = generator.pictures.read(recipe.adapter.image_sha256, "recipe.adapter.image")
        prompted[ADAPTER], empty[ADAPTER] = generator.adapter.embed(image)
    if not prompted:
        return None

    def conditioned(both: tuple[Inputs, Inputs]) -> tuple[Inputs, Inputs]:
        return {**both[0], **prompted}, {**both[1], **empty}

    return conditioned


def with_embedding(generator: DiffusionGenerator, embedding: torch.Tensor) -> DiffusionGenerator:
    """Return a pictured model whose adapter is given another embedding (D,) with the prompt."""
    before = generator.conditioned

    def conditioned(both: tuple[Inputs, Inputs]) -> tuple[Inputs, Inputs]:
        prompted, empty = both if before is None else before(both)
        changed = embedding.reshape(prompted[ADAPTER].shape).to(prompted[ADAPTER])
        return {**prompted, ADAPTER: changed}, empty

    return generator.with_pictures(generator.photograph, conditioned)
