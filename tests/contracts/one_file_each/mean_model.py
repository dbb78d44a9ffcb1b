"""An encoding model that a lab might add: the mean of the training volumes, whatever was shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from almond.encoding.pipeline.encoders.base import SubjectModel

if TYPE_CHECKING:
    from almond.encoding.config.fit_config import FitConfig
    from almond.encoding.models.estimators import Estimator, Fitted, InnerFolds, Problem, RegionFit
    from almond.encoding.models.solvers.backend import Backend
    from almond.progress import Progress
    from almond.typing import Floats


@dataclass(frozen=True)
class Mean:
    """Weights of 0, and the mean of the rows at hand as the intercept."""

    name: str = "mean"

    def fit(self, x: Floats, ys: Sequence[Floats], inner: InnerFolds) -> list[Fitted]:
        from almond.encoding.models.estimators import fit_all_rows

        return fit_all_rows(self, x, ys, inner)

    def solve(self, problem: Problem, final: bool, backend: Backend, progress: Progress) -> list[RegionFit]:
        from almond.encoding.models.estimators import RegionFit

        fits = []
        for columns in problem.columns:
            y = problem.bold[:, columns]
            of_folds = [self._mean(problem.x, y[fold.train]) for fold in problem.folds]
            predictions = [
                fit.predict(problem.x[fold.test]) for fit, fold in zip(of_folds, problem.folds, strict=True)
            ]
            fits.append(
                RegionFit(predictions, [{} for _ in of_folds], self._mean(problem.x, y) if final else None)
            )
        return fits

    def _mean(self, x: Floats, y: Floats) -> Fitted:
        import numpy as np

        from almond.encoding.models.estimators import Fitted

        return Fitted(np.zeros((x.shape[1], y.shape[1])), y.mean(axis=0), {})


def make_mean(config: FitConfig, bands: Mapping[str, slice], voxels: int) -> Estimator:
    return Mean()


MEAN = SubjectModel(make_estimator=make_mean)
