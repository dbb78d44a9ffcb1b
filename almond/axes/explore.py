"""The axes of a lab's score space: made from unguided pictures, pushed along both ways, calibrated, read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from almond import __version__
from almond.axes.configuration import AxesConfig
from almond.axes.dose import SideDose
from almond.axes.profiles import ProfileClusters, profile_clusters
from almond.diagnosis.diagnose import guide_of
from almond.diagnosis.readers import TargetReader, named_readers
from almond.errors import InputError
from almond.generating.drawn import DrawnPictures
from almond.generating.sources import Sources, load_sources
from almond.guidance.recipe import Recipe
from almond.progress import Part, Progress
from almond.targets.axes import principal_axes
from almond.targets.target import Target, contrast_target
from almond.typing import Floats, ImageArray


@dataclass(frozen=True, eq=False)
class ScoreAxis:
    """An axis: its ``weights`` (T,) of the guides' standardised scores, the share of variance along it (None
    for a contrast), and the target that scores pictures along it."""

    name: str
    weights: Floats
    share: float | None
    target: Target


@dataclass(frozen=True)
class AxisPush:
    """A picture pushed along an axis: which, to which side, how strongly; ``calibrated`` to the shift that is
    wanted of both sides."""

    axis: int
    direction: int
    strength: float
    recipe: Recipe
    calibrated: bool = False


@dataclass(frozen=True, eq=False)
class ReadAxes:
    """Shifts as one reader has them, in standard deviations of its unguided scores along each axis.

    ``sides``: both sides of every axis; ``reached`` (A, 2): mean shift along its own axis of the pictures
    calibrated to the wanted one, up and down, towards the side; NaN where no strength reaches it.
    """

    sides: tuple[SideDose, ...]
    reached: Floats


@dataclass(frozen=True, eq=False)
class AxesFindings:
    """Everything that was found. ``unguided`` (n, T) and ``along`` (n, A) are the guide's scores of unguided
    pictures; ``strengths`` maps (axis, direction) to the calibrated strength, None where none reaches."""

    config: AxesConfig
    axes: tuple[ScoreAxis, ...]
    pushes: tuple[AxisPush, ...]
    images: tuple[ImageArray, ...] = field(repr=False)
    unguided: Floats
    along: Floats
    read: Mapping[str, ReadAxes]
    strengths: Mapping[tuple[int, int], float | None]
    clusters: ProfileClusters
    targets: tuple[str, ...]
    readers: tuple[TargetReader, ...]
    provenance: Mapping[str, Any]

    @property
    def headline(self) -> list[str]:
        """Say of every axis how far each side goes, and at which strength it is calibrated."""
        wanted, guide = self.config.axes.wanted, self.read[self.readers[0].name]
        sentences = []
        for number, axis in enumerate(self.axes):
            sides = []
            for place, direction in enumerate((1, -1)):
                strength = self.strengths[number, direction]
                side = next(s for s in guide.sides if (s.axis, s.direction) == (number, direction))
                way = "up" if direction > 0 else "down"
                sides.append(
                    f"{way} not reachable (at most {max(side.curve):.2f} SD)"
                    if strength is None
                    else f"{way} at strength {strength:.3f} ({guide.reached[number, place]:.2f} SD reached)"
                )
            sentences.append(f"{axis.name}, {wanted:g} SD both ways: {', '.join(sides)}.")
        return sentences


def explore_axes(config: AxesConfig, progress: Progress) -> AxesFindings:
    """Draw unguided pictures, make the axes, push along them, calibrate and push again, have all of it read.

    Pictures are kept in ``output``; those that are there are not drawn again.

    :raises InputError: a part of the configuration cannot be loaded or driven; scores that do not vary.
    """
    progress.report(0.0, "loading")
    sources = load_sources(config)
    readers = named_readers(sources, world_judge=config.axes.world_judge)
    return _Exploration(config, sources, readers, progress).run()


class AxisYardstick:
    """A reader's scores along axes, in standard deviations of its scores of the unguided pictures.

    Its scores of targets are first brought to the guide's spread over these pictures, so that an axis means
    the same for every reader.
    """

    def __init__(
        self, reader: TargetReader, unguided: Sequence[ImageArray], axes: Sequence[ScoreAxis], spread: Floats
    ) -> None:
        self.reader, self.weights = reader, np.stack([axis.weights for axis in axes])
        values = reader.read(unguided)
        self.mean = values.mean(axis=0)
        self.scale = spread / require_spread(values, reader.name)
        raw = self._raw(values)
        self.unit = require_spread(raw, reader.name)
        self.unguided: Floats = raw / self.unit

    def _raw(self, values: Floats) -> Floats:
        return np.asarray(((values - self.mean) * self.scale) @ self.weights.T, np.float64)

    def read(self, images: Sequence[ImageArray]) -> Floats:
        """Score pictures along every axis (n, A); 0 is the mean of the unguided ones."""
        return self._raw(self.reader.read(images)) / self.unit


def require_spread(values: Floats, reader: str) -> Floats:
    """Return the standard deviation of every column (n, k).

    :raises InputError: a column does not vary.
    """
    sd: Floats = values.std(axis=0)
    if not (sd > 0).all():
        raise InputError(f"scores by {reader}", "do not vary over the unguided pictures", "other prompts")
    return sd


class _Exploration:
    """One run: pictures are drawn, or read where they are there."""

    def __init__(
        self, config: AxesConfig, sources: Sources, readers: Sequence[TargetReader], progress: Progress
    ) -> None:
        self.config, self.sources, self.readers, self.progress = config, sources, readers, progress
        self.guide = guide_of(readers)
        self.pictures = DrawnPictures(config.output, sources.generator, self.guide.scorer)
        self.scenes = [(prompt, seed) for prompt in config.prompts for seed in config.seeds]

    def run(self) -> AxesFindings:
        """Draw and read in three rounds: unguided, pushed at every strength, pushed at calibrated ones."""
        scenes = [*self.scenes, *self._further_scenes()]
        unguided = self._draw([self._recipe(*scene) for scene in scenes], 0.0, 0.3)
        axes = self._axes(unguided)
        own = self.guide.read(unguided)
        spread = require_spread(own, self.guide.name)
        yardsticks = {r.name: AxisYardstick(r, unguided, axes, spread) for r in self.readers}
        strengths = sorted(self.config.grid.strengths)
        pushes = [push for side in self._sides_of(axes) for push in self._push(axes, *side, strengths)]
        pushed = self._draw([push.recipe for push in pushes], 0.3, 0.8)
        sides = {name: self._doses(yardstick, pushed, axes) for name, yardstick in yardsticks.items()}
        wanted = {
            (side.axis, side.direction): side.strength_for(self.config.axes.wanted)
            for side in sides[self.guide.name]
        }
        sure = [(side, strength) for side, strength in wanted.items() if strength is not None]
        calibrated = [push for side, strength in sure for push in self._push(axes, *side, [strength])]
        final = self._draw([push.recipe for push in calibrated], 0.8, 0.97)
        read = {
            name: ReadAxes(sides[name], self._reached(yardstick, calibrated, final, axes))
            for name, yardstick in yardsticks.items()
        }
        self.progress.report(1.0, f"{len(axes)} axes")
        return AxesFindings(
            config=self.config,
            axes=axes,
            pushes=(*pushes, *(replace(push, calibrated=True) for push in calibrated)),
            images=(*unguided, *pushed, *final),
            unguided=own,
            along=yardsticks[self.guide.name].unguided,
            read=read,
            strengths=wanted,
            clusters=profile_clusters(own, self.config.axes.clusters),
            targets=tuple(target.name for target in self.sources.guides),
            readers=tuple(self.readers),
            provenance={
                "generator": {"name": self.config.generator, "digest": self.pictures.generator.digest},
                "targets": self.pictures.digests,
                "axes": {axis.name: axis.target.digest for axis in axes},
                "code": f"almond {__version__}",
            },
        )

    def _further_scenes(self) -> list[tuple[str, int]]:
        """List scenes beside those that are pushed, up to the unguided pictures that were asked for."""
        prompts, each = self.config.prompts, -(-self.config.axes.unguided // len(self.config.prompts))
        first = max(self.config.seeds) + 1
        further = range(first, first + max(0, each - len(self.config.seeds)))
        return [(prompt, seed) for prompt in prompts for seed in further]

    def _recipe(self, prompt: str, seed: int, **guided: Any) -> Recipe:
        grid, generator = self.config.grid, self.pictures.generator
        return Recipe(
            prompt=prompt,
            seed=seed,
            generator=self.config.generator,
            generator_digest=generator.digest,
            steps=grid.steps,
            rule=grid.rules[0],
            **guided,
        )

    def _draw(self, recipes: Sequence[Recipe], start: float, stop: float) -> list[ImageArray]:
        part = Part(self.progress, start, stop)
        return [self.pictures.image(record) for record in self.pictures.draw(recipes, "", part)]

    def _axes(self, unguided: Sequence[ImageArray]) -> tuple[ScoreAxis, ...]:
        """Make principal axes and contrasts, each standardised over the unguided pictures."""
        section, guides = self.config.axes, self.sources.guides
        features = self.sources.space.extract(unguided)
        made = []
        if section.components:
            principal = principal_axes(guides, features, prefix="PC", count=section.components)
            parts = zip(principal.targets, principal.loadings, principal.shares, strict=True)
            made += [ScoreAxis(target.name, row, float(share), target) for target, row, share in parts]
        for name, weights in section.contrasts.items():
            row = np.array([weights.get(target.name, 0.0) for target in guides])
            named = {target.name: (target, float(weight)) for target, weight in zip(guides, row, strict=True)}
            made.append(ScoreAxis(name, row, None, contrast_target(name, named, features)))
        return tuple(made)

    def _sides_of(self, axes: Sequence[ScoreAxis]) -> list[tuple[int, int]]:
        return [(number, direction) for number in range(len(axes)) for direction in (1, -1)]

    def _push(
        self, axes: Sequence[ScoreAxis], number: int, direction: int, strengths: Sequence[float]
    ) -> list[AxisPush]:
        """List the pushes of every scene to one side, strength by strength."""
        grid, names = self.config.grid, [target.name for target in self.sources.guides]
        guided: dict[str, Any] = {
            "objective": dict(zip(names, map(float, axes[number].weights), strict=True)),
            "objective_kind": "axis",
            "target_digests": {name: self.pictures.digests[name] for name in names},
            "direction": direction,
            "window": grid.window,
            "ramp": grid.ramp,
        }
        return [
            AxisPush(number, direction, strength, self._recipe(*scene, strength=strength, **guided))
            for scene in self.scenes
            for strength in strengths
        ]

    def _doses(
        self, yardstick: AxisYardstick, pushed: Sequence[ImageArray], axes: Sequence[ScoreAxis]
    ) -> tuple[SideDose, ...]:
        strengths = np.array(sorted(self.config.grid.strengths))
        base = yardstick.unguided[: len(self.scenes)]
        shape = (2 * len(axes), len(self.scenes), len(strengths), len(axes))
        shifts = yardstick.read(pushed).reshape(shape) - base[None, :, None, :]
        sides = zip(self._sides_of(axes), shifts, strict=True)
        return tuple(SideDose(number, direction, strengths, side) for (number, direction), side in sides)

    def _reached(
        self,
        yardstick: AxisYardstick,
        calibrated: Sequence[AxisPush],
        images: Sequence[ImageArray],
        axes: Sequence[ScoreAxis],
    ) -> Floats:
        reached = np.full((len(axes), 2), np.nan)
        along = yardstick.read(images)
        base = yardstick.unguided[: len(self.scenes)]
        for number, direction in self._sides_of(axes):
            rows = [i for i, p in enumerate(calibrated) if (p.axis, p.direction) == (number, direction)]
            if rows:
                shift = direction * (along[rows, number] - base[:, number]).mean()
                reached[number, 0 if direction > 0 else 1] = shift
        return reached
