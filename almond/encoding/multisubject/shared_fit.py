"""Fits of the shared-subject model: what each subject's map may see, its held-out performance, artifacts.

Nothing of a held-out row reaches the model that predicts it. The map of a subject is fitted on its own
training rows. The space is estimated from all training subjects: from this one, if it is one of them, without
its held-out rows; from the others, where they saw the same film, without the same moments of it (a space
that knew how others answered to a scene would have seen that scene); where they saw another film, wholly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from almond.digest import digest_array, digest_json
from almond.encoding.artifacts.artifact import EncoderArtifact, save_artifact
from almond.encoding.artifacts.fit_index import Entry, FittedRegion
from almond.encoding.config.fit_config import FitConfig
from almond.encoding.config.multisubject import SharedSettings
from almond.encoding.evaluation.heldout import heldout_metrics
from almond.encoding.evaluation.noise_features import KIND
from almond.encoding.models.estimators import Fitted, Solved
from almond.encoding.models.folds import Fold, Folds, inner_folds, make_folds
from almond.encoding.multisubject.films import allowed_rows, same_film
from almond.encoding.multisubject.interface import SubjectArrays
from almond.encoding.multisubject.shared import (
    Part,
    SharedSpace,
    fit_map,
    space_from_features,
    space_from_film,
)
from almond.errors import InputError
from almond.progress import Part as Share
from almond.progress import Progress
from almond.rng import generator
from almond.typing import Floats, Rows

MODEL = "shared"
INNER_FOLDS = 4


@dataclass
class Spaces:
    """The shared spaces that a fit needs, each estimated once.

    ``predictors`` are those of each subject (the features, or noise of the same shape for the control).
    """

    data: Sequence[SubjectArrays]
    predictors: Mapping[str, Floats]
    settings: SharedSettings
    factors: Sequence[float]
    gap: float
    known: dict[str, SharedSpace] = field(default_factory=dict)

    def without(self, target: SubjectArrays, train: Rows) -> SharedSpace:
        """The space from which nothing about the target's rows outside ``train`` can be learned."""
        chosen = []
        for one in self.training:
            if one.subject == target.subject:
                chosen.append((one, train))
            elif same_film(target, one):
                chosen.append((one, allowed_rows(target, train, one)))
            else:
                chosen.append((one, np.arange(len(one.x))))
        return self._space(chosen)

    def whole(self) -> SharedSpace:
        """The space from everything that the training subjects have."""
        return self._space([(one, np.arange(len(one.x))) for one in self.training])

    @property
    def training(self) -> list[SubjectArrays]:
        return [one for one in self.data if one.subject not in self.settings.new_subjects]

    def _space(self, chosen: Sequence[tuple[SubjectArrays, Rows]]) -> SharedSpace:
        key = digest_json([[one.subject, digest_array(rows)] for one, rows in chosen])
        if key not in self.known:
            find = space_from_film if self.settings.space == "film" else space_from_features
            parts = [self._part(one, rows) for one, rows in chosen]
            space = find(parts, self.settings.dimensions, self.factors)
            self.known[key] = space.evened() if self.settings.prior == "even" else space
        return self.known[key]

    def _part(self, one: SubjectArrays, rows: Rows) -> Part:
        folds = self.inner(one, rows)
        return Part(self.predictors[one.subject][rows], one.bold[rows], folds)

    def inner(self, one: SubjectArrays, rows: Rows) -> list[Fold]:
        """Blocks within the rows, to choose penalties on."""
        if len(self.factors) == 1:
            return []
        fold = Fold(rows, rows[:0])
        return inner_folds(fold, one.lengths, n_folds=INNER_FOLDS, gap=self.gap, tr=one.tr)

    def map(self, space: SharedSpace, one: SubjectArrays, rows: Rows) -> Fitted:
        """The encoder (D, V) of all voxels of a subject from these rows of it."""
        x = self.predictors[one.subject][rows]
        return fit_map(space, x, one.bold[rows], self.factors, self.inner(one, rows))


def fit_shared(
    config: FitConfig, subjects: Sequence[SubjectArrays], out: Path, progress: Progress
) -> list[FittedRegion]:
    """Fit every region of every subject; an ordinary encoder (weights (D, V), model ``shared``) each.

    :raises InputError: no training subject, unknown new subjects, more ``volumes`` than a new subject has,
        or features with several columns per feature (delays, derivatives).
    """
    settings = config.shared
    check(settings, subjects)
    factors = settings.penalties or config.penalties
    inputs = {
        "config": config.settings(MODEL),
        "shared": {**settings.to_json(), "penalties": list(factors)},
        "data": {one.subject: digests(one) for one in subjects},
    }
    entries = {
        (one.subject, region): Entry(out, one.subject, region, MODEL, inputs)
        for one in subjects
        for region in one.columns
    }
    found = {key: entry.find() for key, entry in entries.items()}
    spaces = Spaces(subjects, {one.subject: one.x for one in subjects}, settings, factors, config.gap)
    noise = _noise(spaces)
    for number, one in enumerate(subjects):
        share = Share(progress, number / len(subjects), (number + 1) / len(subjects))
        waiting = [region for region in one.columns if found[one.subject, region] is None]
        if waiting:
            job = _Job(config, spaces, noise, one, inputs)
            for made in job.run(waiting, out, share):
                entries[one.subject, made.region].remember(made.digest)
                found[one.subject, made.region] = made
    progress.report(1.0, f"shared: {len(subjects)} subjects")
    return [item for item in found.values() if item is not None]


def check(settings: SharedSettings, subjects: Sequence[SubjectArrays]) -> None:
    names = [one.subject for one in subjects]
    unknown = [name for name in settings.new_subjects if name not in names]
    if unknown:
        raise InputError("shared.new_subjects", f"{unknown[0]} has no run", f"among {', '.join(names)}")
    if set(names) <= set(settings.new_subjects):
        raise InputError("shared.new_subjects", "names every subject", "at least one to learn the space from")
    training = [one for one in subjects if one.subject not in settings.new_subjects]
    for one in training[1:] if settings.space == "film" else ():
        if one.lengths != training[0].lengths or not same_film(training[0], one):
            raise InputError(
                "shared.space",
                f"is film, but sub-{one.subject} saw another film than sub-{training[0].subject}, or has "
                "another number of volumes",
                "features, which needs no common film",
            )
    for one in subjects:
        dimension = one.feature_space.dimension
        if one.x.shape[1] != dimension:
            raise InputError(
                "model",
                f"shared has one weight per feature, but the {dimension} features have {one.x.shape[1]} "
                "columns (delays or derivatives)",
                "hrf: spm or none",
            )
        if one.subject in settings.new_subjects and (settings.volumes or 0) > len(one.x):
            raise InputError(
                "shared.volumes", f"is {settings.volumes}", f"at most the {len(one.x)} of sub-{one.subject}"
            )


def digests(one: SubjectArrays) -> dict[str, Any]:
    """What the numbers of a subject are, for the index: equal data are not fitted twice."""
    arrays = {"x": one.x, "bold": one.bold, "voxels": one.voxels}
    found: dict[str, Any] = {name: digest_array(array) for name, array in arrays.items()}
    found["columns"] = {name: digest_array(columns) for name, columns in one.columns.items()}
    found["masks"] = dict(one.mask_digests)
    found["lengths"], found["tr"] = list(one.lengths), one.tr
    found["features"], found["provenance"] = one.feature_space.digest, dict(one.provenance)
    if one.null_x is not None:
        found["null_x"] = digest_array(one.null_x)
    return found


def _noise(spaces: Spaces) -> Spaces | None:
    """The same fit with noise for features, where every subject brings some."""
    noise = {one.subject: one.null_x for one in spaces.data if one.null_x is not None}
    if len(noise) < len(spaces.data):
        return None
    return Spaces(spaces.data, noise, spaces.settings, spaces.factors, spaces.gap)


@dataclass(frozen=True)
class _Job:
    """One subject."""

    config: FitConfig
    spaces: Spaces
    noise: Spaces | None
    one: SubjectArrays
    inputs: Mapping[str, Any]

    def run(self, regions: Sequence[str], out: Path, progress: Progress) -> list[FittedRegion]:
        folds = self._folds()
        solved = self._heldout(self.spaces, folds, Share(progress, 0.0, 0.5))
        noise = self._heldout(self.noise, folds, Share(progress, 0.5, 0.9)) if self.noise else None
        progress.report(0.9, f"sub-{self.one.subject}: final shared")
        final = self.spaces.map(self.spaces.whole(), self.one, self.own_rows(np.arange(len(self.one.x))))
        made = []
        for region in regions:
            metrics = self._metrics(region, solved, folds)
            if noise is not None and self.noise is not None:
                metrics["null_control"] = {
                    "heldout_r": self._metrics(region, noise, folds)["heldout_r"]["mean"],
                    "features": int(self.noise.predictors[self.one.subject].shape[1]),
                    "kind": KIND,
                }
            made.append(self._save(region, final, metrics, out))
        return made

    def _folds(self) -> Folds:
        config = self.config
        return make_folds(
            config.crossvalidation,
            self.one.lengths,
            n_folds=config.folds,
            gap=config.gap,
            tr=self.one.tr,
            rng=generator(config.seed, "folds", self.one.subject),
        )

    def own_rows(self, rows: Rows, test: Rows | None = None) -> Rows:
        """Which of the rows the subject's own map may use: of a new subject so many as ``volumes`` says.

        They follow the test block, and go on at the beginning where the recording ends.
        """
        count = self.spaces.settings.volumes
        if count is None or self.one.subject not in self.spaces.settings.new_subjects:
            return rows
        if count > len(rows):
            raise InputError(
                "shared.volumes", f"is {count}", f"at most {len(rows)}, the training volumes of a fold"
            )
        first = 0 if test is None else int(np.searchsorted(rows, test[-1]))
        return np.sort(np.roll(rows, -first)[:count])

    def _heldout(self, spaces: Spaces, folds: Folds, progress: Progress) -> Solved:
        """Predictions (n_test, V) of all voxels in every fold."""
        predictions, chosen = [], []
        x = spaces.predictors[self.one.subject]
        for number, fold in enumerate(folds.folds):
            progress.report(number / len(folds.folds), f"sub-{self.one.subject}: shared, fold {number + 1}")
            space = spaces.without(self.one, fold.train)
            fitted = spaces.map(space, self.one, self.own_rows(fold.train, fold.test))
            predictions.append(fitted.predict(x[fold.test]))
            chosen.append(fitted.chosen)
        return Solved(predictions, chosen, None)

    def _metrics(self, region: str, solved: Solved, folds: Folds) -> dict[str, Any]:
        columns = self.one.columns[region]
        own = Solved(
            [predicted[:, columns] for predicted in solved.predictions], solved.chosen_in_folds, None
        )
        return heldout_metrics(own, self.one.bold[:, columns], folds, self.config.gap)

    def _save(self, region: str, final: Fitted, metrics: dict[str, Any], out: Path) -> FittedRegion:
        one, columns = self.one, self.one.columns[region]
        dropped = one.dropped.get(region, np.empty((0, 3), np.int64))
        new = one.subject in self.spaces.settings.new_subjects
        extra: dict[str, Any] = {} if one.grid is None else {"grid": one.grid}
        counts = {
            "n_voxels": len(columns),
            "n_dropped": len(dropped),
            "n_volumes": len(self.own_rows(np.arange(len(one.x)))),
        }
        artifact = EncoderArtifact(
            subject=one.subject,
            region=region,
            model=MODEL,
            feature_space=one.feature_space,
            weights=final.weights[:, columns],
            intercept=final.intercept[columns],
            voxels=one.voxels[columns],
            dropped=dropped,
            mask_digest=one.mask_digests[region],
            config=self.inputs["config"],
            provenance={
                **one.provenance,
                "shared": {
                    **self.inputs["shared"],
                    "trained_on": [item.subject for item in self.spaces.training],
                    "new_subject": new,
                    "data": digest_json(self.inputs["data"]),
                },
            },
            metrics={**metrics, **counts, "chosen": final.chosen},
            **extra,
        )
        digest, path = save_artifact(out, artifact)
        return FittedRegion(one.subject, region, MODEL, digest, path, dict(artifact.metrics))
