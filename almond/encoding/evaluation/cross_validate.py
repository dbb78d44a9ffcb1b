"""One model of one subject on several regions: fitted, judged on held-out volumes, and against controls."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from almond.encoding.evaluation.heldout import Design, Engine, heldout_metrics, in_order, mean_r, solved
from almond.encoding.evaluation.noise_ceiling import EqualRuns, Presentations
from almond.encoding.evaluation.noise_features import KIND
from almond.encoding.evaluation.permutation import permutation_test
from almond.encoding.models.estimators import Estimator, Fitted, Solved
from almond.encoding.models.folds import RANDOM_WARNING, make_folds
from almond.errors import InputError
from almond.progress import Part, Progress
from almond.rng import generator
from almond.typing import Columns, Floats


@dataclass(frozen=True)
class Noise:
    """Noise predictors (n, K D'), the estimator for them, and the time constant of the noise in seconds."""

    x: Floats
    estimator: Estimator
    features: int
    time_constant: float


@dataclass(frozen=True)
class Trial:
    """Predictors ``x`` (n, K D), BOLD (n, V) and the regions' columns of it, with everything to judge by."""

    subject: str
    estimator: Estimator
    x: Floats
    bold: Floats
    columns: Sequence[Columns]
    design: Design
    engine: Engine
    seed: int
    noise: Noise | None = None
    repeats: Presentations | EqualRuns | None = None
    permutations: int = 0

    def run(self, progress: Progress) -> list[tuple[Fitted, dict[str, Any]]]:
        """The final model and the metrics of every region."""
        shares = (0.5, 0.6, 0.7) if self.permutations else (0.8, 0.9, 1.0)
        found = self._solve(self.estimator, self.x, True, Part(progress, 0.0, shares[0]))
        metrics = [
            heldout_metrics(one, self.bold[:, chosen], self.design.folds, self.design.gap)
            for one, chosen in zip(found, self.columns, strict=True)
        ]
        for one, of_region in zip(found, metrics, strict=True):
            if one.warning:
                of_region["precision_warning"] = one.warning
        if self.noise is not None:
            self._add_noise(self.noise, metrics, Part(progress, shares[0], shares[1]))
        if self.repeats is not None:
            self._add_ceiling(self.repeats, found, metrics)
        if self.permutations:
            self._add_permutations(metrics, Part(progress, shares[2], 1.0))
        return [(_final(one), of) for one, of in zip(found, metrics, strict=True)]

    def _solve(
        self, estimator: Estimator, x: Floats, final: bool, progress: Progress, design: Design | None = None
    ) -> list[Solved]:
        return solved(
            estimator,
            x,
            self.bold,
            self.columns,
            design or self.design,
            final=final,
            engine=self.engine,
            progress=progress,
        )

    def _add_noise(self, noise: Noise, metrics: Sequence[dict[str, Any]], progress: Progress) -> None:
        reached = self._noise_r(noise, self.design, Part(progress, 0.0, 0.5))
        fair = None
        if self.design.folds.kind == "random":
            fair = self._noise_r(noise, self._blocks(), Part(progress, 0.5, 1.0))
        for index, of_region in enumerate(metrics):
            control: dict[str, Any] = {
                "heldout_r": reached[index],
                "features": noise.features,
                "kind": KIND,
                "time_constant": noise.time_constant,
            }
            if fair is not None:
                control["heldout_r_blocks"] = fair[index]
                of_region["warning"] = inflation(self.subject, reached[index], fair[index], noise.features)
            of_region["null_control"] = control

    def _noise_r(self, noise: Noise, design: Design, progress: Progress) -> list[float]:
        found = self._solve(noise.estimator, noise.x, False, progress, design)
        return [
            mean_r(one, self.bold[:, chosen], design.folds)
            for one, chosen in zip(found, self.columns, strict=True)
        ]

    def _blocks(self) -> Design:
        """The same number of folds as contiguous blocks, with the gap."""
        old = self.design
        number = len(old.folds.folds)
        folds = make_folds("blocks", old.lengths, n_folds=number, gap=old.gap, tr=old.tr)
        return dataclasses.replace(old, folds=folds)

    def _add_ceiling(
        self,
        repeats: Presentations | EqualRuns,
        found: Sequence[Solved],
        metrics: Sequence[dict[str, Any]],
    ) -> None:
        for one, chosen, of_region in zip(found, self.columns, metrics, strict=True):
            predicted = in_order(one, self.design.folds, len(self.bold))
            of_region["noise_ceiling"] = repeats.ceiling(self.bold[:, chosen], predicted)

    def _add_permutations(self, metrics: Sequence[dict[str, Any]], progress: Progress) -> None:
        design = self.design

        def solve(bold: Floats, columns: Sequence[Columns]) -> list[Solved]:
            moved = dataclasses.replace(self, bold=bold, columns=columns)
            return moved._solve(self.estimator, self.x, False, progress)

        results = permutation_test(
            solve,
            self.bold,
            self.columns,
            design.folds,
            [of["heldout_r"]["mean"] for of in metrics],
            lengths=design.lengths,
            least=math.ceil(design.gap / design.tr),
            number=self.permutations,
            rng=generator(self.seed, "permutations", self.subject),
            progress=progress,
        )
        for of_region, result in zip(metrics, results, strict=True):
            of_region["permutation"] = result


def inflation(subject: str, random: float, blocks: float, features: int) -> str:
    """What random folds do to this very subject and region, in words."""
    return (
        f"{RANDOM_WARNING}; for sub-{subject}, {features} noise features as slow as the real ones reach a "
        f"mean held-out r of {random:.3f} with these folds and {blocks:.3f} with contiguous blocks"
    )


def _final(one: Solved) -> Fitted:
    if one.final is None:
        raise InputError("model", "was not fitted to all volumes", "final=True")
    return one.final
