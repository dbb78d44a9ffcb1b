"""Test regression coefficients with subjects *and* images random.

Every subject's encoder predicts every image, and the ratings belong to images. A t test over subjects holds
these very images fixed: it asks whether the next subject would show the effect on the same pictures. The
question is nearly always about pictures in general, and then the images are a sample too (Clark, 1973;
Judd, Westfall & Kenny, 2012, J. Pers. Soc. Psychol. 103, 54).

With y[s, i] = x[i]'(beta + b[s]) + u[i] + e[s, i], b, u and e random, the design is balanced, so that the
mixed model needs no search: its estimate is the mean of the subjects' least-squares coefficients, and

    var = C / S + inv(X'X) (M_images - M_rest / S)

with C the covariance of the coefficients over S subjects, M_images the residual mean square of the mean
prediction over subjects, and M_rest that of what is left, which C / S holds already. Degrees of freedom are
Satterthwaite's. Where M_images falls below M_rest / S, the variance of images is estimated as zero and the
test is that over subjects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from almond.stats.ttest import TTest, one_sample, t_test
from almond.typing import Floats


@dataclass(frozen=True)
class CoefficientTests:
    """The tests of one coefficient: over subjects alone, and over subjects and images.

    ``image_share`` is the share of the squared standard error that comes from the sampling of images.
    ``p_images`` is that of a permutation of images, None where none was made.
    """

    name: str
    subjects: TTest
    crossed: TTest
    image_share: float
    p_images: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def coefficients(design: Floats, outcomes: Floats) -> Floats:
    """Estimate least-squares coefficients (S, p) of outcomes (S, n) on a design (n, p) of full rank."""
    return np.asarray(np.linalg.lstsq(design, outcomes.T, rcond=None)[0].T, np.float64)


def crossed_tests(
    designs: Sequence[Floats], outcomes: Sequence[Floats], names: Sequence[str]
) -> list[CoefficientTests]:
    """Test every coefficient, averaged over image sets with equal weights.

    :param designs: per image set (n, p), n above p, full rank.
    :param outcomes: per image set (S, n), the same S >= 2 subjects in each.
    """
    count = len(designs)
    each = [coefficients(design, outcome) for design, outcome in zip(designs, outcomes, strict=True)]
    mean = np.mean(each, axis=0)
    subjects = len(mean)
    over_subjects = mean.var(axis=0, ddof=1) / subjects
    parts = [_image_parts(*triple) for triple in zip(designs, outcomes, each, strict=True)]
    tests = []
    for index, name in enumerate(names):
        terms = [(float(over_subjects[index]), float(subjects - 1))]
        own = [(sign * float(value[index]) / count**2, df) for part in parts for sign, value, df in part]
        added = sum(value for value, _ in own)
        if added > 0:
            terms += own
        total = float(sum(value for value, _ in terms))
        df = _satterthwaite(terms, total)
        crossed = t_test(float(mean[:, index].mean()), float(np.sqrt(total)), df)
        share = float(max(added, 0.0) / total) if total > 0 else 0.0
        tests.append(CoefficientTests(name, one_sample(mean[:, index]), crossed, share))
    return tests


def _satterthwaite(terms: Sequence[tuple[float, float]], total: float) -> float:
    spread = float(sum(value**2 / df for value, df in terms))
    return total**2 / spread if spread > 0 else min(df for _, df in terms)


def _image_parts(design: Floats, outcome: Floats, each: Floats) -> list[tuple[int, Floats, float]]:
    """Return (sign, variance of coefficients (p,), degrees of freedom) of the images and of the rest."""
    subjects, images = outcome.shape
    freedom = images - design.shape[1]
    unscaled = np.diag(np.linalg.inv(design.T @ design))
    residual = outcome - each @ design.T
    shared = residual.mean(axis=0)
    mean_square = float(shared @ shared) / freedom
    rest = float(((residual - shared) ** 2).sum()) / ((subjects - 1) * freedom)
    return [
        (1, unscaled * mean_square, freedom),
        (-1, unscaled * rest / subjects, (subjects - 1) * freedom),
    ]
