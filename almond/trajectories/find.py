"""Trajectories of scenes: found by the guide's score, then read by everybody else, with what changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from almond import __version__
from almond.diagnosis.diagnose import guide_of
from almond.diagnosis.readers import TargetReader
from almond.generating.drawn import DrawnPictures
from almond.generating.folder import ImageRecord
from almond.generating.people import NOT_CHECKED, SCENE_READERS, PeopleShare, SceneReader, same_people
from almond.guidance.backends.base import Generator
from almond.guidance.recipe import Recipe
from almond.progress import Part, Progress
from almond.trajectories.search import Score, SoughtTrajectory, TrajectoryScene, seek_trajectory
from almond.trajectories.settings import TrajectorySettings
from almond.typing import Floats, ImageArray

FORMAT = "almond-trajectories/1"

MONOTONE = 0.1
"""Standard deviations by which a step may fall and still count as none."""


@dataclass(frozen=True)
class TrajectoryRequest:
    """Which trajectories are asked for: one for each prompt, seed and target."""

    generator: str
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    targets: tuple[str, ...]
    window: tuple[float, float]
    ramp: float
    steps: int
    rule: str
    settings: TrajectorySettings
    people: str | None = None

    @property
    def cells(self) -> list[tuple[str, int, str]]:
        """List (prompt, seed, target) of every trajectory."""
        return [(p, s, t) for p in self.prompts for s in self.seeds for t in self.targets]


@dataclass(frozen=True, eq=False)
class TrajectoryStep:
    """One picture of a trajectory: its level, how far off it is in gaps, its scores by reader, its scene."""

    level: float
    error: float
    record: ImageRecord
    image: ImageArray = field(repr=False)
    read: Mapping[str, Mapping[str, float]]
    scene: Mapping[str, str]

    @property
    def recipe(self) -> Recipe:
        return self.record.recipe


@dataclass(frozen=True, eq=False)
class FoundTrajectory:
    """A trajectory with its steps, ascending; none where strengths hardly move the score."""

    prompt: str
    seed: int
    target: str
    sought: SoughtTrajectory
    steps: tuple[TrajectoryStep, ...]
    people: PeopleShare | None

    def scores(self, reader: str) -> Floats:
        """Return a reader's score of the trajectory's target at every step (k,)."""
        return np.array([step.read[reader][self.target] for step in self.steps])

    def course(self, reader: str) -> dict[str, Any]:
        """Say whether a reader's score rises: monotone within ``MONOTONE``, and from where to where."""
        values = self.scores(reader)
        rises = bool((np.diff(values) > -MONOTONE).all())
        return {"monotone": rises, "first": float(values[0]), "last": float(values[-1])}


@dataclass(frozen=True, eq=False)
class TrajectoryFindings:
    """All trajectories of a request, and what they were made with."""

    request: TrajectoryRequest
    trajectories: tuple[FoundTrajectory, ...]
    readers: tuple[TargetReader, ...]
    provenance: Mapping[str, Any]

    @property
    def errors(self) -> Floats:
        """Return the worst level error in gaps of every trajectory that was laid out (n,)."""
        laid = [row.sought.spacing for row in self.trajectories]
        return np.array([spacing.worst for spacing in laid if spacing is not None])

    @property
    def reached(self) -> int:
        """Count the trajectories all of whose levels have a picture within the tolerance."""
        return sum(row.sought.reached for row in self.trajectories)

    @property
    def headline(self) -> list[str]:
        """Say how many trajectories were reached, with how many pictures, and what was not checked."""
        settings, total = self.request.settings, len(self.trajectories)
        drawn = sum(len(row.sought.pool.scores) for row in self.trajectories)
        sentences = [
            f"{self.reached} of {total} trajectories have {settings.pictures} pictures at equal distance, "
            f"each within {settings.within:g} of a gap; {drawn / total:.0f} pictures were drawn for one on "
            f"average, at most {settings.budget}."
        ]
        if len(self.errors):
            sentences.append(f"The worst level error is {np.median(self.errors):.2f} of a gap (median).")
        shares = [row.people for row in self.trajectories if row.people is not None]
        if not shares:
            return [*sentences, NOT_CHECKED]
        pictures, same = sum(share.pictures for share in shares), sum(share.same for share in shares)
        return [*sentences, PeopleShare(shares[0].reader, pictures, same).sentence]


def find_trajectories(
    request: TrajectoryRequest,
    *,
    generator: Generator,
    readers: Sequence[TargetReader],
    keep: Path,
    progress: Progress,
) -> TrajectoryFindings:
    """Find the trajectories of a request by the guide among ``readers``; every reader then reads the steps.

    :param keep: folder of all pictures that are drawn; those that are there are not drawn again.
    :raises InputError: no guide or several, a judge that guided, a target that the guide does not score.
    :raises DigestMismatch: the folder's pictures were changed, or made with other weights.
    """
    guide = guide_of(readers)
    pictures = DrawnPictures(keep, generator, guide.scorer)
    see = SCENE_READERS.load(request.people)() if request.people else None
    made = []
    for number, cell in enumerate(request.cells):
        part = Part(progress, number / len(request.cells), (number + 1) / len(request.cells))
        made.append(_Search(request, pictures, readers, see, part).find(*cell))
    provenance = {
        "generator": {"name": generator.name, "digest": generator.digest},
        "targets": pictures.digests,
        "code": f"almond {__version__}",
    }
    findings = TrajectoryFindings(request, tuple(made), tuple(readers), provenance)
    progress.report(1.0, findings.headline[0])
    return findings


class _Search:
    """The search for one trajectory."""

    def __init__(
        self,
        request: TrajectoryRequest,
        pictures: DrawnPictures,
        readers: Sequence[TargetReader],
        see: SceneReader | None,
        progress: Progress,
    ) -> None:
        self.request, self.pictures, self.readers = request, pictures, readers
        self.see, self.progress = see, progress
        self.records: dict[str, ImageRecord] = {}
        self.scenes: dict[str, Mapping[str, str]] = {}
        self.base = ""

    def find(self, prompt: str, seed: int, target: str) -> FoundTrajectory:
        request, generator, known = self.request, self.pictures.generator, self.pictures.digests
        common = {
            "prompt": prompt,
            "seed": seed,
            "generator": request.generator,
            "generator_digest": generator.digest,
            "steps": request.steps,
            "rule": request.rule,
            "window": request.window,
            "ramp": request.ramp,
            "target_digests": {target: known[target]} if target in known else {},
        }
        scene = TrajectoryScene(target, common, request.settings)
        self.base = scene.unguided().digest
        sought = seek_trajectory(scene, self._score_of(target))
        guided = [name for name in self.scenes if name != self.base]
        share = None
        if request.people:
            same = sum(same_people(self.scenes[name], self.scenes[self.base]) for name in guided)
            share = PeopleShare(request.people, len(guided), same)
        return FoundTrajectory(prompt, seed, target, sought, self._steps(sought), share)

    def _score_of(self, target: str) -> Score:
        """Return what draws pictures and gives their scores, NaN where other people are not wanted."""
        settings = self.request.settings

        def score(recipes: Sequence[Recipe]) -> list[float]:
            done = len(self.records)
            part = Part(self.progress, done / settings.budget, (done + len(recipes)) / settings.budget)
            records = self.pictures.draw(recipes, target, part)
            self.records |= {record.name: record for record in records}
            if self.see is not None:
                read = self.see([self.pictures.image(record) for record in records])
                self.scenes |= {record.name: scene for record, scene in zip(records, read, strict=True)}
            return [record.scores[target] if self._allowed(record) else float("nan") for record in records]

        return score

    def _allowed(self, record: ImageRecord) -> bool:
        if not self.request.settings.keep_people or self.see is None:
            return True
        return same_people(self.scenes[record.name], self.scenes[self.base])

    def _steps(self, sought: SoughtTrajectory) -> tuple[TrajectoryStep, ...]:
        if sought.spacing is None:
            return ()
        records = [self.records[sought.pool.recipes[index].digest] for index in sought.spacing.pictures]
        images = [self.pictures.image(record) for record in records]
        guide = guide_of(self.readers)
        names = [guide.scorer.names[column] for column in guide.columns]
        read = {reader.name: reader.read(images) for reader in self.readers}
        return tuple(
            TrajectoryStep(
                level=float(sought.spacing.levels[number]),
                error=float(sought.spacing.errors[number]),
                record=record,
                image=images[number],
                read={
                    name: dict(zip(names, map(float, values[number]), strict=True))
                    for name, values in read.items()
                },
                scene=self.scenes.get(record.name, {}),
            )
            for number, record in enumerate(records)
        )
