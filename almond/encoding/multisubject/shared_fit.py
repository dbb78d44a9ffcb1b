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
from almond.encoding.evaluation.heldout import FoldScheme, heldout_metrics
from almond.encoding.evaluation.noise_features import KIND
from almond.encoding.models.estimators import Fitted, RegionFit
from almond.encoding.models.folds import Fold, Folds, inner_folds
from almond.encoding.multisubject.films import allowed_rows, same_film
from almond.encoding.multisubject.shared import (
    SharedSpace,
    TrainingPart,
    fit_map,
    space_from_features,
    space_from_film,
)
from almond.encoding.multisubject.subject_arrays import SubjectArrays
from almond.errors import InputError
from almond.progress import Part as Part
from almond.progress import Progress
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
        """Return the space from which nothing about the target's rows outside ``train`` can be learned."""
        allowed = []
        for arrays in self.training:
            if arrays.subject == target.subject:
                allowed.append((arrays, train))
            elif same_film(target, arrays):
                allowed.append((arrays, allowed_rows(target, train, arrays)))
            else:
                allowed.append((arrays, np.arange(len(arrays.x))))
        return self._space(allowed)

    def whole(self) -> SharedSpace:
        """Return the space from all rows of the training subjects."""
        return self._space([(arrays, np.arange(len(arrays.x))) for arrays in self.training])

    @property
    def training(self) -> list[SubjectArrays]:
        return [arrays for arrays in self.data if arrays.subject not in self.settings.new_subjects]

    def _space(self, rows_of_subjects: Sequence[tuple[SubjectArrays, Rows]]) -> SharedSpace:
        key = digest_json([[arrays.subject, digest_array(rows)] for arrays, rows in rows_of_subjects])
        if key not in self.known:
            find = space_from_film if self.settings.space == "film" else space_from_features
            parts = [self._part(arrays, rows) for arrays, rows in rows_of_subjects]
            space = find(parts, self.settings.dimensions, self.factors)
            self.known[key] = space.evened() if self.settings.prior == "even" else space
        return self.known[key]

    def _part(self, arrays: SubjectArrays, rows: Rows) -> TrainingPart:
        folds = self.inner(arrays, rows)
        return TrainingPart(self.predictors[arrays.subject][rows], arrays.bold[rows], folds)

    def inner(self, arrays: SubjectArrays, rows: Rows) -> list[Fold]:
        """Split the rows into blocks, to choose penalties on."""
        if len(self.factors) == 1:
            return []
        fold = Fold(rows, rows[:0])
        return inner_folds(fold, arrays.lengths, n_folds=INNER_FOLDS, gap=self.gap, tr=arrays.tr)

    def map(self, space: SharedSpace, arrays: SubjectArrays, rows: Rows) -> Fitted:
        """Fit the encoder (D, V) of all voxels of a subject on these rows of it."""
        x = self.predictors[arrays.subject][rows]
        return fit_map(space, x, arrays.bold[rows], self.factors, self.inner(arrays, rows))


def fit_shared(
    config: FitConfig, subjects: Sequence[SubjectArrays], out: Path, progress: Progress
) -> list[FittedRegion]:
    """Fit every region of every subject; an ordinary encoder (weights (D, V), model ``shared``) each.

    :raises InputError: no training subject, unknown new subjects, more ``volumes`` than a new subject has,
        or features with several columns per feature (delays, derivatives).
    """
    settings = config.shared
    check_subjects(settings, subjects)
    factors = settings.penalties or config.penalties
    inputs = {
        "config": config.settings(MODEL),
        "shared": {**settings.to_json(), "penalties": list(factors)},
        "data": {arrays.subject: data_digests(arrays) for arrays in subjects},
    }
    entries = {
        (arrays.subject, region): Entry(out, arrays.subject, region, MODEL, inputs)
        for arrays in subjects
        for region in arrays.columns
    }
    fitted = {key: entry.find() for key, entry in entries.items()}
    spaces = Spaces(
        subjects, {arrays.subject: arrays.x for arrays in subjects}, settings, factors, config.gap
    )
    noise = _noise(spaces)
    for number, arrays in enumerate(subjects):
        share = Part(progress, number / len(subjects), (number + 1) / len(subjects))
        waiting = [region for region in arrays.columns if fitted[arrays.subject, region] is None]
        if waiting:
            for made in _SubjectFit(config, spaces, noise, arrays, inputs).run(waiting, out, share):
                entries[arrays.subject, made.region].remember(made.digest)
                fitted[arrays.subject, made.region] = made
    progress.report(1.0, f"shared: {len(subjects)} subjects")
    return [item for item in fitted.values() if item is not None]


def check_subjects(settings: SharedSettings, subjects: Sequence[SubjectArrays]) -> None:
    """Check that the settings name subjects there are, and that their data fit the kind of space."""
    names = [arrays.subject for arrays in subjects]
    unknown = [name for name in settings.new_subjects if name not in names]
    if unknown:
        raise InputError("shared.new_subjects", f"{unknown[0]} has no run", f"among {', '.join(names)}")
    if set(names) <= set(settings.new_subjects):
        raise InputError("shared.new_subjects", "names every subject", "at least one to learn the space from")
    training = [arrays for arrays in subjects if arrays.subject not in settings.new_subjects]
    for arrays in training[1:] if settings.space == "film" else ():
        if arrays.lengths != training[0].lengths or not same_film(training[0], arrays):
            raise InputError(
                "shared.space",
                f"is film, but sub-{arrays.subject} saw another film than sub-{training[0].subject}, or has "
                "another number of volumes",
                "features, which needs no common film",
            )
    for arrays in subjects:
        dimension = arrays.feature_space.dimension
        if arrays.x.shape[1] != dimension:
            raise InputError(
                "model",
                f"shared has one weight per feature, but the {dimension} features have {arrays.x.shape[1]} "
                "columns (delays or derivatives)",
                "hrf: spm or none",
            )
        if arrays.subject in settings.new_subjects and (settings.volumes or 0) > len(arrays.x):
            raise InputError(
                "shared.volumes",
                f"is {settings.volumes}",
                f"at most the {len(arrays.x)} of sub-{arrays.subject}",
            )


def data_digests(arrays: SubjectArrays) -> dict[str, Any]:
    """Return digests of the numbers of a subject, for the fit index: equal data are not fitted twice."""
    values = {"x": arrays.x, "bold": arrays.bold, "voxels": arrays.voxels}
    described: dict[str, Any] = {name: digest_array(array) for name, array in values.items()}
    described["columns"] = {name: digest_array(columns) for name, columns in arrays.columns.items()}
    described["masks"] = dict(arrays.mask_digests)
    described["lengths"], described["tr"] = list(arrays.lengths), arrays.tr
    described["features"], described["provenance"] = arrays.feature_space.digest, dict(arrays.provenance)
    if arrays.null_x is not None:
        described["null_x"] = digest_array(arrays.null_x)
    if any(arrays.remarks.values()):
        described["remarks"] = {name: dict(remarks) for name, remarks in arrays.remarks.items()}
    return described


def _noise(spaces: Spaces) -> Spaces | None:
    """Return the same spaces with noise for features, where every subject brings some."""
    noise = {arrays.subject: arrays.null_x for arrays in spaces.data if arrays.null_x is not None}
    if len(noise) < len(spaces.data):
        return None
    return Spaces(spaces.data, noise, spaces.settings, spaces.factors, spaces.gap)


@dataclass(frozen=True)
class _SubjectFit:
    """The fit of one subject's regions."""

    config: FitConfig
    spaces: Spaces
    noise: Spaces | None
    arrays: SubjectArrays
    inputs: Mapping[str, Any]

    def run(self, regions: Sequence[str], out: Path, progress: Progress) -> list[FittedRegion]:
        folds = self._folds()
        solved = self._heldout(self.spaces, folds, Part(progress, 0.0, 0.5))
        noise = self._heldout(self.noise, folds, Part(progress, 0.5, 0.9)) if self.noise else None
        progress.report(0.9, f"sub-{self.arrays.subject}: final shared")
        final = self.spaces.map(
            self.spaces.whole(), self.arrays, self.own_rows(np.arange(len(self.arrays.x)))
        )
        made = []
        for region in regions:
            metrics = self._metrics(region, solved, folds)
            if noise is not None and self.noise is not None:
                metrics["null_control"] = {
                    "heldout_r": self._metrics(region, noise, folds)["heldout_r"]["mean"],
                    "features": int(self.noise.predictors[self.arrays.subject].shape[1]),
                    "kind": KIND,
                }
            made.append(self._save(region, final, metrics, out))
        return made

    def _folds(self) -> Folds:
        arrays = self.arrays
        return FoldScheme.of(self.config, arrays.subject, arrays.lengths, arrays.tr).folds

    def own_rows(self, rows: Rows, test: Rows | None = None) -> Rows:
        """Return which of the rows the subject's own map may use: of a new subject so many as ``volumes``
        says.

        They follow the test block, and go on at the beginning where the recording ends.
        """
        count = self.spaces.settings.volumes
        if count is None or self.arrays.subject not in self.spaces.settings.new_subjects:
            return rows
        if count > len(rows):
            raise InputError(
                "shared.volumes", f"is {count}", f"at most {len(rows)}, the training volumes of a fold"
            )
        # The first ``volumes`` rows after the test block, cyclically.
        first = 0 if test is None else int(np.searchsorted(rows, test[-1]))
        return np.sort(np.roll(rows, -first)[:count])

    def _heldout(self, spaces: Spaces, folds: Folds, progress: Progress) -> RegionFit:
        """Predict (n_test, V) all voxels in every fold."""
        predictions, hyperparameters = [], []
        x = spaces.predictors[self.arrays.subject]
        for number, fold in enumerate(folds.folds):
            progress.report(
                number / len(folds.folds), f"sub-{self.arrays.subject}: shared, fold {number + 1}"
            )
            # W from all that may be seen, A from the subject's own training rows: predictions X_test W A + b.
            space = spaces.without(self.arrays, fold.train)
            fitted = spaces.map(space, self.arrays, self.own_rows(fold.train, fold.test))
            predictions.append(fitted.predict(x[fold.test]))
            hyperparameters.append(fitted.hyperparameters)
        return RegionFit(predictions, hyperparameters, None)

    def _metrics(self, region: str, solved: RegionFit, folds: Folds) -> dict[str, Any]:
        columns = self.arrays.columns[region]
        own = RegionFit(
            [predicted[:, columns] for predicted in solved.predictions], solved.fold_hyperparameters, None
        )
        return heldout_metrics(own, self.arrays.bold[:, columns], folds, self.config.gap)

    def _save(self, region: str, final: Fitted, metrics: dict[str, Any], out: Path) -> FittedRegion:
        arrays, columns = self.arrays, self.arrays.columns[region]
        dropped = arrays.dropped.get(region, np.empty((0, 3), np.int64))
        new = arrays.subject in self.spaces.settings.new_subjects
        extra: dict[str, Any] = {} if arrays.grid is None else {"grid": arrays.grid}
        counts = {
            "n_voxels": len(columns),
            "n_dropped": len(dropped),
            "n_volumes": len(self.own_rows(np.arange(len(arrays.x)))),
        }
        artifact = EncoderArtifact(
            subject=arrays.subject,
            region=region,
            model=MODEL,
            feature_space=arrays.feature_space,
            weights=final.weights[:, columns],
            intercept=final.intercept[columns],
            voxels=arrays.voxels[columns],
            dropped=dropped,
            mask_digest=arrays.mask_digests[region],
            config=self.inputs["config"],
            provenance={
                **arrays.provenance,
                "shared": {
                    **self.inputs["shared"],
                    "trained_on": [item.subject for item in self.spaces.training],
                    "new_subject": new,
                    "data": digest_json(self.inputs["data"]),
                },
            },
            metrics={
                **metrics,
                **counts,
                **arrays.remarks.get(region, {}),
                "chosen": final.hyperparameters,
            },
            **extra,
        )
        digest, path = save_artifact(out, artifact)
        return FittedRegion(arrays.subject, region, MODEL, digest, path, dict(artifact.metrics))
