"""Test means and profiles with two crossed factors random: participants and themes.

Every participant sees images of every theme, so that answers agree within a participant and within a theme.
The variance of a mean, or of any least-squares estimate, is then

    V = V_people + V_themes - V_cells

where each part is the sum over its units of the squared sum of residuals (cells: the trials that share both),
times G / (G - 1) for G units: Cameron, Gelbach & Miller (2011), J. Bus. Econ. Stat. 29, 238; Cameron & Miller
(2015), J. Hum. Resour. 50, 317. V is never taken to be smaller than the larger of V_people and V_themes, and
t has as many degrees of freedom as the smaller factor has units, less one. Where units have unequal numbers
of trials, G / (G - 1) and the degrees of freedom are those of units that differ with equal variance (Bell &
McCaffrey, 2002, Surv. Methodol. 28, 169): fewer, because the large ones decide. Without that, prompts with
unequal numbers of seeds and people who leave early make the test liberal.

No p lies below 2 (1/2)^G, G the units of the smaller factor: where units are all or none, a sample in which
all of them fall on one side has that probability under the null, and no spread to tell it from certainty.
With fewer than six units nothing is significant at 5 % therefore, and the interval reaches to the null value.
The standard error is at least what a single trial's difference by one makes, so that unanimity has an
interval too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.errors import InputError
from almond.finite import require_finite
from almond.stats.ttest import half_width, two_sided_p
from almond.typing import Floats, Ints

LEVEL = 0.95
Labels = Sequence[Any] | NDArray[Any]


@dataclass(frozen=True, eq=False)
class TwoWayCovariance:
    """The covariance (d, d) of sums of scores by participants, by themes and by cells; counts of units.

    ``df``: the smaller number of units less one, or fewer where units have unequal numbers of trials.
    """

    people: Floats
    themes: Floats
    cells: Floats
    n_people: int
    n_themes: int
    df: float

    @property
    def fewest(self) -> int:
        """Return how many units the smaller factor has."""
        return min(self.n_people, self.n_themes)

    def whole(self) -> Floats:
        """Return people + themes - cells, or the larger of the first two where its trace is smaller."""
        both: Floats = self.people + self.themes - self.cells
        return max(both, self.people, self.themes, key=lambda part: float(np.trace(part)))


def two_way_covariance(scores: Floats, people: Labels, themes: Labels) -> TwoWayCovariance:
    """Estimate the covariance of the sum of ``scores`` (n, d), residuals of n trials, clustered two ways.

    :raises InputError: fewer than two participants or themes.
    """
    person, theme = _codes(people), _codes(themes)
    counts = [np.bincount(codes) for codes in (person, theme)]
    n_people, n_themes = map(len, counts)
    if min(n_people, n_themes) < 2:
        raise InputError(
            "two-way test", f"{n_people} participants, {n_themes} themes", "at least two of each"
        )
    cell = _codes(person * n_themes + theme)
    return TwoWayCovariance(
        people=_clustered(scores, person),
        themes=_clustered(scores, theme),
        cells=_clustered(scores, cell),
        n_people=n_people,
        n_themes=n_themes,
        df=min(unit_moments(units)[1] for units in counts),
    )


def _codes(labels: Labels) -> Ints:
    codes: Ints = np.unique(np.asarray(labels), return_inverse=True)[1].reshape(-1)
    return codes


def unit_moments(counts: Ints) -> tuple[float, float]:
    """Return by what to multiply the sum of squared sums of units, and its degrees of freedom.

    The mean of n trials weighs a unit by w = n_g / n. For units u that differ independently with equal
    variance, the sums w (u - mean) have a quadratic form with matrix M = (I - 1w') diag(w)^2 (I - 1w'): its
    expectation is tr M instead of sum w^2, and it has (tr M)^2 / tr M^2 degrees of freedom.

    :param counts: (G,) trials of two or more units; with equal ones the result is G / (G - 1) and G - 1.
    """
    w = counts / counts.sum()
    q2, q3, q4, q5 = (float((w**power).sum()) for power in (2, 3, 4, 5))
    trace = q2 - 2.0 * q3 + q2**2
    squares = q4 + 2.0 * q3**2 + q2**4 - 4.0 * q5 + 4.0 * q2 * q4 - 4.0 * q2**2 * q3
    return q2 / trace, trace**2 / squares


def _clustered(scores: Floats, codes: Ints) -> Floats:
    counts = np.bincount(codes)
    sums = np.stack([np.bincount(codes, column, len(counts)) for column in scores.T], axis=1)
    return np.asarray(sums.T @ sums * unit_moments(counts)[0], np.float64)


@dataclass(frozen=True)
class TwoWayTest:
    """A mean against a null value: two-sided t test and 95 % interval, participants and themes random.

    ``se_people`` and ``se_themes`` are the standard errors with one factor alone. ``limited``: p is the least
    that so few units allow, above that of t.
    """

    estimate: float
    se: float
    t: float
    df: float
    p: float
    low: float
    high: float
    se_people: float
    se_themes: float
    participants: int
    themes: int
    limited: bool


def least_p(units: int) -> float:
    """Return the probability that ``units`` fair coins fall alike: the smallest p that so many can
    support."""
    return float(2.0 ** (1 - units))


def two_way_mean(values: Floats, people: Labels, themes: Labels, *, null: float = 0.0) -> TwoWayTest:
    """Test the mean of ``values`` (n,) against ``null`` with ``people`` (n,) and ``themes`` (n,) random.

    :raises InputError: values that are not finite, or fewer than two participants or themes.
    """
    values = np.asarray(values, dtype=np.float64)
    require_finite(values, "two-way test: values", axes=("trial",))
    mean, trials = float(values.mean()), len(values)
    parts = two_way_covariance((values - mean)[:, None] / trials, people, themes)
    return mean_test(
        mean,
        null,
        trials,
        variances=(float(parts.whole()[0, 0]), float(parts.people[0, 0]), float(parts.themes[0, 0])),
        df=parts.df,
        units=(parts.n_people, parts.n_themes),
        fewest=parts.fewest,
    )


def mean_test(
    mean: float,
    null: float,
    trials: int,
    *,
    variances: tuple[float, float, float],
    df: float,
    units: tuple[int, int],
    fewest: int,
) -> TwoWayTest:
    """Test a mean of ``trials`` answers by t from its variance, that of people and that of themes.

    :param units: participants and themes. :param fewest: units that can differ independently: they bound p.
    """
    whole, of_people, of_themes = variances
    se = max(math.sqrt(whole), math.sqrt((df + 1.0) / df) / trials)
    t = (mean - null) / se
    own, least, reach = two_sided_p(t, df), least_p(fewest), half_width(se, df)
    low, high = mean - reach, mean + reach
    if least > 1.0 - LEVEL:
        low, high = min(low, null), max(high, null)
    return TwoWayTest(
        estimate=mean,
        se=se,
        t=t,
        df=df,
        p=max(own, least),
        low=low,
        high=high,
        se_people=math.sqrt(of_people),
        se_themes=math.sqrt(of_themes),
        participants=units[0],
        themes=units[1],
        limited=own < least,
    )
