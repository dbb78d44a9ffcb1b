"""The pictures of a diagnosis: which are drawn, and drawing them so that stopped work goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from almond.diagnosis.between import Between
from almond.diagnosis.settings import DiagnosisSettings
from almond.files.writing import write_atomically
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
    """List every picture of a diagnosis; ``digests`` are the guides' by name, in their order."""
    names = list(digests)
    planned: list[DiagnosisPicture] = []
    for prompt in settings.prompts:
        for seed in settings.unguided_seeds:
            planned.append(DiagnosisPicture("unguided", _unguided(settings, generator, prompt, seed)))
        for seed in settings.seeds:
            base = _unguided(settings, generator, prompt, seed)
            for target in names:
                planned += _guided(settings, base, target, digests)
    for prompt in settings.prompts[: settings.interpolations]:
        planned += _between(settings, generator, prompt, digests)
    return planned


def objective_of(target: str, names: Sequence[str], *, contrast: bool) -> dict[str, float]:
    """Weigh the targets of an objective: 1, and in a contrast minus the mean of the others."""
    others = [name for name in names if name != target] if contrast else []
    return {target: 1.0, **{name: -1.0 / len(others) for name in others}}


def _unguided(settings: DiagnosisSettings, generator: Generator, prompt: str, seed: int) -> Recipe:
    return Recipe(
        prompt=prompt,
        seed=seed,
        generator=settings.generator,
        generator_digest=generator.digest,
        rule=settings.rule,
        steps=settings.steps,
    )


def _guided(
    settings: DiagnosisSettings, base: Recipe, target: str, digests: Mapping[str, str]
) -> Iterator[DiagnosisPicture]:
    """Yield the guided pictures of a scene and target; then one that is guided after the release alone."""
    for direction in settings.directions:
        for strength in settings.ordered_strengths:
            changes = _guidance(settings, target, digests, strength) | {"direction": direction}
            yield DiagnosisPicture("guided", base.model_copy(update=changes), target)
    release = settings.window[1]
    if release < 1.0:
        changes = _guidance(settings, target, digests, settings.strongest) | {"window": (release, 1.0)}
        yield DiagnosisPicture("late", base.model_copy(update=changes), target)


def _guidance(
    settings: DiagnosisSettings, target: str, digests: Mapping[str, str], strength: float
) -> dict[str, Any]:
    return {
        "objective": objective_of(target, list(digests), contrast=settings.contrast),
        "target_digests": dict(digests),
        "direction": 1,
        "strength": strength,
        "window": settings.window,
        "ramp": settings.ramp,
    }


def _between(
    settings: DiagnosisSettings, generator: Generator, prompt: str, digests: Mapping[str, str]
) -> Iterator[DiagnosisPicture]:
    """Yield the way from the first noise of a prompt to the next, unguided and guided to the first target."""
    first, towards = settings.unguided_seeds[:2]
    target = next(iter(digests))
    for fraction in FRACTIONS:
        place = Between(generator, towards, fraction)
        base = _unguided(settings, generator, prompt, first).model_copy(
            update={"generator_digest": place.digest}
        )
        yield DiagnosisPicture("between", base, "", towards, fraction)
        guided = base.model_copy(update=_guidance(settings, target, digests, settings.strongest))
        yield DiagnosisPicture("between", guided, target, towards, fraction)


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
