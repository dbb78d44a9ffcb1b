"""Test a mean over pairs of images whose units (themes of their images) several pairs may share.

Choices of the photograph with the higher norm agree within a person; within a pair; and between pairs that
have a photograph, or a theme, in common. The variance of a mean over trials is then

    V = V_people + V_pairs - V_both

where V_pairs sums the products of residuals over all trials whose pairs share a unit (the dyadic-robust
variance of Fafchamps & Gubert, 2007, J. Dev. Econ. 83, 326; Aronow, Samii & Assenova, 2015, Political
Analysis 23, 564), V_both the same within people, and V_people that over all trials of a person, as in
``almond.stats.two_way``. V is never taken to be smaller than V_people or than V_pairs.

V_pairs is multiplied by what makes it unbiased under a working model, and has the degrees of freedom that its
quadratic form has then (Bell & McCaffrey, 2002, Surv. Methodol. 28, 169). In the model half of a pair's
variance is its own, the other half that of its units, with opposite signs for those of the higher and of the
lower image: S = I + ZZ'/2. With w the weights of pairs in the mean, K (P, P) 1 where two share a unit, and
M = (I - w1') diag(w) K diag(w) (I - 1w'), they are w'Sw / tr(MS) and tr(MS)^2 / tr(MSMS). Where no two pairs
share anything both are those of ``two_way``. No p lies below that of as many coins as there are pairs that
have no unit in common.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from almond.errors import InputError
from almond.finite import require_finite
from almond.stats.two_way import Labels, TwoWayTest, mean_test, unit_moments
from almond.typing import Floats, Ints

LEAST_PEOPLE, LEAST_PAIRS = 2, 3
LEAST_SHARE = 0.05
"""Of the variance over pairs, what its estimate has to find on average; less is left where nearly all share a
unit with all others."""


def dyadic_mean(
    values: Floats, people: Labels, units: Sequence[Sequence[str]], *, null: float = 0.0
) -> TwoWayTest:
    """Test the mean of ``values`` (n,) against ``null``, with people and the units of pairs random.

    :param people: (n,) labels.
    :param units: (n,) of each trial, the units of its pair: that of the higher image, of the lower one, and
        what else pairs share.
    :returns: ``themes`` counts pairs, ``se_themes`` is that of pairs alone.
    :raises InputError: values that are not finite, fewer than two people or three pairs, or pairs of which
        nearly all share a unit.
    """
    values = np.asarray(values, dtype=np.float64)
    require_finite(values, "test over pairs: values", axes=("trial",))
    person = np.unique(np.asarray(people), return_inverse=True)[1].reshape(-1)
    pair, shared, common = related_pairs(units)
    n_people, n_pairs = int(person.max(initial=-1)) + 1, len(shared)
    if n_people < LEAST_PEOPLE or n_pairs < LEAST_PAIRS:
        raise InputError(
            "test over pairs",
            f"{n_people} participants, {n_pairs} different pairs",
            f"at least {LEAST_PEOPLE} and {LEAST_PAIRS}",
        )
    mean, trials = float(values.mean()), len(values)
    cells = np.zeros((n_people, n_pairs))
    np.add.at(cells, (person, pair), (values - mean) / trials)
    factor, df_pairs = pair_moments(np.bincount(pair, minlength=n_pairs), shared, common)
    grown, df_people = unit_moments(np.bincount(person))
    sums = cells.sum(axis=0)
    of_people = float((cells.sum(axis=1) ** 2).sum()) * grown
    of_pairs = max(0.0, float(sums @ shared @ sums)) * factor
    both = of_people + of_pairs - float(np.einsum("ip,pq,iq->", cells, shared, cells, optimize=True))
    df = min(df_people, df_pairs)
    return mean_test(
        mean,
        null,
        trials,
        variances=(max(both, of_people, of_pairs), of_people, of_pairs),
        df=df,
        units=(n_people, n_pairs),
        fewest=min(n_people, unconnected(shared)),
    )


def related_pairs(units: Sequence[Sequence[str]]) -> tuple[Ints, Floats, Floats]:
    """Return the pair (n,) of each trial, K (P, P): 1 where two pairs share a unit, and the covariance S (P,
    P) of pairs in the working model. Pairs of the same units are one."""
    keys = [tuple(own) for own in units]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    names = {name: number for number, name in enumerate(sorted({name for key in numbers for name in key}))}
    members, signed = np.zeros((2, len(numbers), len(names)))
    for key, number in numbers.items():
        members[number, [names[name] for name in key]] = 1.0
        for place, name in enumerate(key):
            signed[number, names[name]] += -1.0 if place == 1 else 1.0
    shared = np.asarray(members @ members.T > 0, np.float64)
    common = np.eye(len(numbers)) + signed @ signed.T / 2.0
    return np.array([numbers[key] for key in keys], np.int64), shared, np.asarray(common, np.float64)


def unconnected(shared: Floats) -> int:
    """Count pairs of which no two share a unit: as many as are found by taking those with fewest others."""
    left = np.ones(len(shared), bool)
    count = 0
    while left.any():
        degrees = np.where(left, shared[:, left].sum(axis=1), np.inf)
        left &= shared[int(np.argmin(degrees))] == 0
        count += 1
    return count


def pair_moments(counts: Ints, shared: Floats, common: Floats) -> tuple[float, float]:
    """Return by what to multiply the variance over pairs, and its degrees of freedom.

    :param counts: (P,) trials of every pair.
    :param shared: K (P, P), 1 where two pairs share a unit.
    :param common: S (P, P), the covariance of pairs in the working model.
    :raises InputError: nearly all pairs share a unit.
    """
    w = counts / counts.sum()
    form = shared * np.outer(w, w)
    rows = form.sum(axis=1)
    # (I - w1') F (I - 1w'), written out: only products with w remain.
    middle = form - np.outer(w, rows) - np.outer(rows, w) + rows.sum() * np.outer(w, w)
    product = middle @ common
    trace, whole = float(np.trace(product)), float(w @ common @ w)
    if trace < LEAST_SHARE * whole:
        raise InputError(
            "test over pairs",
            "nearly all pairs share a photograph or a theme with each other",
            "pairs of different themes, so that their variance can be estimated",
        )
    return whole / trace, trace**2 / float((product * product.T).sum())
