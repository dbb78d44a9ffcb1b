"""The pictures of a diagnosis: which are drawn, and drawing them so that stopped work goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from almond.diagnosis.between import Between
from almond.diagnosis.settings import DiagnosisSettings
from almond.files.writing import write_atomically
from almond.generating.expand import GuidanceGrid, recipes_of_scene
from almond.guidance.backends.base import Generator
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import DifferentiableScorer, generate
from almond.pictures.reading import read_image
from almond.progress import Part, Progress
from almond.stimuli.images import png_bytes
from almond.typing import ImageArray

Purpose = Literal["unguided", "guided", "late", "between"]

FRACTIONS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the way from one noise to another."""


@dataclass(frozen=True)
class DiagnosisPicture:
    """A picture to be drawn and what it is for; ``fraction`` of the way to seed ``towards`` if between."""

    purpose: Purpose
    recipe: Recipe
    target: str = ""
    towards: int = -1
    fraction: float = 0.0


def diagnosis_pictures(
    settings: DiagnosisSettings, generator: Generator, digests: Mapping[str, str]
) -> list[DiagnosisPicture]:
    """List every picture of a diagnosis; ``digests`` are the guides' by name, in their order.

    Guided ones come first, as the sampler takes them, so that each can be stored as soon as it is made.
    """
    planned: list[DiagnosisPicture] = []
    late = settings.late_grid
    for prompt in settings.prompts:
        for seed in settings.seeds:
            planned += _scene("guided", settings, settings.grid, generator, digests)(prompt, seed)
            planned += _scene("late", settings, late, generator, digests)(prompt, seed) if late else []
        for seed in settings.unguided_seeds:
            planned += _scene("unguided", settings, settings.bare_grid, generator, digests)(prompt, seed)
    for prompt in settings.prompts[: settings.interpolations]:
        planned += _between(settings, generator, prompt, digests)
    return planned


def _scene(
    purpose: Purpose,
    settings: DiagnosisSettings,
    grid: GuidanceGrid,
    generator: Generator,
    digests: Mapping[str, str],
) -> Callable[[str, int], list[DiagnosisPicture]]:
    """Return what lists the pictures of a prompt and seed by a grid."""

    def pictures(prompt: str, seed: int) -> list[DiagnosisPicture]:
        recipes = recipes_of_scene(
            prompt,
            seed,
            grid,
            generator=settings.generator,
            generator_digest=generator.digest,
            targets=list(digests),
            target_digests=digests,
        )
        return [DiagnosisPicture(purpose, image.recipe, image.target) for image in recipes]

    return pictures


def _between(
    settings: DiagnosisSettings, generator: Generator, prompt: str, digests: Mapping[str, str]
) -> Iterator[DiagnosisPicture]:
    """Yield the way from the first noise of a prompt to the next, unguided and guided to the first target."""
    first, towards = settings.unguided_seeds[:2]
    wanted = ("", next(iter(digests)))
    for fraction in FRACTIONS:
        place = Between(generator, towards, fraction)
        for picture in _scene("between", settings, settings.strongest_grid, place, digests)(prompt, first):
            if picture.target in wanted:
                yield replace(picture, towards=towards, fraction=fraction)


def picture_file(folder: Path, recipe: Recipe) -> Path:
    """Return where the picture of a recipe lies."""
    return folder / recipe.digest[:2] / f"{recipe.digest}.png"


def draw_pictures(
    planned: Sequence[DiagnosisPicture],
    *,
    generator: Generator,
    scorer: DifferentiableScorer,
    keep: Path,
    progress: Progress,
) -> list[ImageArray]:
    """Draw the pictures that ``keep`` does not hold yet, each stored as soon as it is made; read them all.

    Pictures lie under the digest of their recipe, which pins generator, targets and settings, so that a
    further diagnosis with another judge draws none of them again.

    :raises InputError: what the generator cannot draw; pictures before it are stored.
    """
    missing = {
        picture.recipe.digest: picture
        for picture in planned
        if not picture_file(keep, picture.recipe).is_file()
    }
    done = 0
    for place, pictures in _by_place(list(missing.values())).items():
        part = Part(progress, done / len(missing), (done + len(pictures)) / len(missing))
        source = generator if place is None else Between(generator, *place)
        recipes = [picture.recipe for picture in pictures]
        for made in generate(recipes, generator=source, scorer=scorer, progress=part):
            write_atomically(picture_file(keep, made.recipe), png_bytes(made.image))
        done += len(pictures)
    progress.report(1.0, f"{len(missing)} pictures drawn, {len(planned)} in all")
    return [read_image(picture_file(keep, picture.recipe)) for picture in planned]


def _by_place(
    pictures: Sequence[DiagnosisPicture],
) -> dict[tuple[int, float] | None, list[DiagnosisPicture]]:
    """Group pictures by the noise that they start from: a seed's own (None), or one in between."""
    groups: dict[tuple[int, float] | None, list[DiagnosisPicture]] = {}
    for picture in pictures:
        place = (picture.towards, picture.fraction) if picture.purpose == "between" else None
        groups.setdefault(place, []).append(picture)
    return groups
