"""One model of one subject on several regions: fitted, cross-validated, and compared with its controls."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from almond.encoding.evaluation.heldout import (
    Engine,
    FoldScheme,
    fit_regions,
    heldout_metrics,
    mean_r,
    order_predictions,
)
from almond.encoding.evaluation.noise_ceiling import EqualRuns, Presentations
from almond.encoding.evaluation.noise_features import KIND
from almond.encoding.evaluation.permutation import permutation_test
from almond.encoding.models.estimators import Estimator, Fitted, RegionFit
from almond.encoding.models.folds import RANDOM_WARNING, make_folds
from almond.errors import InputError
from almond.progress import Part, Progress
from almond.rng import generator
from almond.typing import Columns, Floats


@dataclass(frozen=True)
class NoiseControl:
    """Noise predictors (n, K D'), the estimator for them, and the time constant of the noise in seconds."""

    x: Floats
    estimator: Estimator
    features: int
    time_constant: float


@dataclass(frozen=True)
class CrossValidation:
    """Cross-validation of one model: predictors ``x`` (n, K D), BOLD (n, V), the regions' columns of it, and
    the controls: noise features, noise ceiling, ``permutations`` (0: none)."""

    subject: str
    estimator: Estimator
    x: Floats
    bold: Floats
    columns: Sequence[Columns]
    scheme: FoldScheme
    engine: Engine
    seed: int
    noise: NoiseControl | None = None
    repeats: Presentations | EqualRuns | None = None
    permutations: int = 0

    def run(self, progress: Progress) -> list[tuple[Fitted, dict[str, Any]]]:
        """Return the model of all volumes and the metrics of every region."""
        shares = (0.5, 0.6, 0.7) if self.permutations else (0.8, 0.9, 1.0)
        fits = self._solve(self.estimator, self.x, True, Part(progress, 0.0, shares[0]))
        metrics = [
            heldout_metrics(fit, self.bold[:, voxels], self.scheme.folds, self.scheme.gap)
            for fit, voxels in zip(fits, self.columns, strict=True)
        ]
        for fit, of_region in zip(fits, metrics, strict=True):
            if fit.warning:
                of_region["precision_warning"] = fit.warning
        if self.noise is not None:
            self._add_noise(self.noise, metrics, Part(progress, shares[0], shares[1]))
        if self.repeats is not None:
            self._add_ceiling(self.repeats, fits, metrics)
        if self.permutations:
            self._add_permutations(metrics, Part(progress, shares[2], 1.0))
        return [(_final(fit), of) for fit, of in zip(fits, metrics, strict=True)]

    def _solve(
        self,
        estimator: Estimator,
        x: Floats,
        final: bool,
        progress: Progress,
        scheme: FoldScheme | None = None,
    ) -> list[RegionFit]:
        return fit_regions(
            estimator,
            x,
            self.bold,
            self.columns,
            scheme or self.scheme,
            final=final,
            engine=self.engine,
            progress=progress,
        )

    def _add_noise(self, noise: NoiseControl, metrics: Sequence[dict[str, Any]], progress: Progress) -> None:
        noise_r = self._noise_r(noise, self.scheme, Part(progress, 0.0, 0.5))
        blocks_r = None
        if self.scheme.folds.kind == "random":
            blocks_r = self._noise_r(noise, self._blocks(), Part(progress, 0.5, 1.0))
        for index, of_region in enumerate(metrics):
            control: dict[str, Any] = {
                "heldout_r": noise_r[index],
                "features": noise.features,
                "kind": KIND,
                "time_constant": noise.time_constant,
            }
            if blocks_r is not None:
                control["heldout_r_blocks"] = blocks_r[index]
                of_region["warning"] = inflation(
                    self.subject, noise_r[index], blocks_r[index], noise.features
                )
            of_region["null_control"] = control

    def _noise_r(self, noise: NoiseControl, scheme: FoldScheme, progress: Progress) -> list[float]:
        fits = self._solve(noise.estimator, noise.x, False, progress, scheme)
        return [
            mean_r(fit, self.bold[:, voxels], scheme.folds)
            for fit, voxels in zip(fits, self.columns, strict=True)
        ]

    def _blocks(self) -> FoldScheme:
        """Return the same number of folds as contiguous blocks, with the gap."""
        old = self.scheme
        number = len(old.folds.folds)
        folds = make_folds("blocks", old.lengths, n_folds=number, gap=old.gap, tr=old.tr)
        return dataclasses.replace(old, folds=folds)

    def _add_ceiling(
        self,
        repeats: Presentations | EqualRuns,
        fits: Sequence[RegionFit],
        metrics: Sequence[dict[str, Any]],
    ) -> None:
        for fit, voxels, of_region in zip(fits, self.columns, metrics, strict=True):
            predicted = order_predictions(fit, self.scheme.folds, len(self.bold))
            of_region["noise_ceiling"] = repeats.ceiling(self.bold[:, voxels], predicted)

    def _add_permutations(self, metrics: Sequence[dict[str, Any]], progress: Progress) -> None:
        scheme = self.scheme

        def solve(bold: Floats, columns: Sequence[Columns]) -> list[RegionFit]:
            moved = dataclasses.replace(self, bold=bold, columns=columns)
            return moved._solve(self.estimator, self.x, False, progress)

        results = permutation_test(
            solve,
            self.bold,
            self.columns,
            scheme.folds,
            [of["heldout_r"]["mean"] for of in metrics],
            lengths=scheme.lengths,
            least=math.ceil(scheme.gap / scheme.tr),
            number=self.permutations,
            rng=generator(self.seed, "permutations", self.subject),
            progress=progress,
        )
        for of_region, result in zip(metrics, results, strict=True):
            of_region["permutation"] = result


def inflation(subject: str, random: float, blocks: float, features: int) -> str:
    """Say by how much random folds inflate the held-out r of this subject and region."""
    return (
        f"{RANDOM_WARNING}; for sub-{subject}, {features} noise features as slow as the real ones reach a "
        f"mean held-out r of {random:.3f} with these folds and {blocks:.3f} with contiguous blocks"
    )


def _final(fit: RegionFit) -> Fitted:
    if fit.final is None:
        raise InputError("model", "was not fitted to all volumes", "final=True")
    return fit.final
