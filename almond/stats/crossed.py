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

Images of one theme share what is shown, u is alike in them, and the variance of images is then that between
themes: M_images and M_rest are replaced by the sums over themes of squared scores, with the leverage of a
theme taken out (CR2: Bell & McCaffrey, 2002, Surv. Methodol. 28, 169) and their degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from almond.stats.ttest import TTest, one_sample, t_test
from almond.typing import Floats, Indices

DETERMINED = 1e-9
"""Share of a residual below which the design alone says what it is."""


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
    designs: Sequence[Floats],
    outcomes: Sequence[Floats],
    names: Sequence[str],
    themes: Sequence[Sequence[str]] | None = None,
) -> list[CoefficientTests]:
    """Test every coefficient, averaged over image sets with equal weights.

    :param designs: per image set (n, p), n above p, full rank.
    :param outcomes: per image set (S, n), the same S >= 2 subjects in each.
    :param themes: per image set (n,) what images share; every image by itself unless given.
    """
    groups = [None] * len(designs) if themes is None else [_shared_themes(labels) for labels in themes]
    count = len(designs)
    each = [coefficients(design, outcome) for design, outcome in zip(designs, outcomes, strict=True)]
    mean = np.mean(each, axis=0)
    subjects = len(mean)
    over_subjects = mean.var(axis=0, ddof=1) / subjects
    parts = [
        _image_parts(design, outcome, own) if group is None else _theme_parts(design, outcome, own, group)
        for design, outcome, own, group in zip(designs, outcomes, each, groups, strict=True)
    ]
    tests = []
    for index, name in enumerate(names):
        terms = [(float(over_subjects[index]), float(subjects - 1))]
        added_terms = [
            (float(value[index]) / count**2, float(df[index])) for part in parts for value, df in part
        ]
        added = sum(value for value, _ in added_terms)
        if added > 0:
            terms += added_terms
        total = float(sum(value for value, _ in terms))
        df = _satterthwaite(terms, total)
        crossed = t_test(float(mean[:, index].mean()), float(np.sqrt(total)), df)
        share = float(max(added, 0.0) / total) if total > 0 else 0.0
        tests.append(CoefficientTests(name, one_sample(mean[:, index]), crossed, share))
    return tests


def _satterthwaite(terms: Sequence[tuple[float, float]], total: float) -> float:
    spread = float(sum(value**2 / df for value, df in terms))
    return total**2 / spread if spread > 0 else min(df for _, df in terms)


Part = tuple[Floats, Floats]
"""Signed variances of coefficients (p,) and their degrees of freedom (p,)."""


def _image_parts(design: Floats, outcome: Floats, each: Floats) -> list[Part]:
    """Return the parts of the images and of the rest, where every image stands for itself."""
    subjects, images = outcome.shape
    freedom = images - design.shape[1]
    unscaled = np.diag(np.linalg.inv(design.T @ design))
    residual = outcome - each @ design.T
    shared = residual.mean(axis=0)
    mean_square = float(shared @ shared) / freedom
    rest = float(((residual - shared) ** 2).sum()) / ((subjects - 1) * freedom)
    return [
        (unscaled * mean_square, np.full(len(unscaled), float(freedom))),
        (-unscaled * rest / subjects, np.full(len(unscaled), float((subjects - 1) * freedom))),
    ]


def _shared_themes(labels: Sequence[str]) -> Indices | None:
    """Number the themes of images (n,); None where no two images share one."""
    theme = np.unique(np.asarray(labels), return_inverse=True)[1].reshape(-1)
    return None if theme.max() + 1 == len(theme) else np.asarray(theme, np.int64)


def _theme_parts(design: Floats, outcome: Floats, each: Floats, theme: Indices) -> list[Part]:
    """Return the parts of the themes and of the rest.

    With w[t] = (I - H[t, t])^(-1/2) X[t] inv(X'X) the variance of a coefficient is the sum over themes of
    (w[t]'r[t])^2; its degrees of freedom are tr(P'P)^2 / tr(P'P P'P), P = (I - H) w with a column per theme.
    """
    subjects = len(outcome)
    residual = outcome - each @ design.T
    shared = residual.mean(axis=0)
    weights = _theme_weights(design, theme)  # (T, n, p): zero outside a theme
    own = np.einsum("tnp,n->tp", weights, shared)
    others = np.einsum("tnp,sn->stp", weights, residual - shared)
    freedom = _freedom(design, weights)
    return [
        ((own**2).sum(axis=0), freedom),
        (-(others**2).sum(axis=(0, 1)) / (subjects - 1) / subjects, (subjects - 1) * freedom),
    ]


def _theme_weights(design: Floats, theme: Indices) -> Floats:
    inverse = np.linalg.inv(design.T @ design)
    weights = np.zeros((int(theme.max()) + 1, *design.shape))
    for number in range(len(weights)):
        rows = np.flatnonzero(theme == number)
        values, vectors = np.linalg.eigh(np.eye(len(rows)) - design[rows] @ inverse @ design[rows].T)
        # A direction that the theme alone determines has no residual: it tells nothing of the variance.
        root = np.where(values > DETERMINED, 1.0 / np.sqrt(np.maximum(values, DETERMINED)), 0.0)
        weights[number, rows] = (vectors * root) @ vectors.T @ design[rows] @ inverse
    return weights


def _freedom(design: Floats, weights: Floats) -> Floats:
    """Compute Bell and McCaffrey's degrees of freedom (p,) under independent residuals of equal variance."""
    hat = design @ np.linalg.inv(design.T @ design) @ design.T
    freedom = []
    for column in np.moveaxis(weights, 2, 0):
        projected = column - column @ hat
        gram = projected @ projected.T
        freedom.append(float(np.trace(gram) ** 2 / (gram**2).sum()))
    return np.asarray(freedom)
