"""Equivalence of high and low pictures in every quantity that was held constant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from almond.stats.ttest import equivalence_test
from almond.stimuli.pairing.yardsticks import Yardsticks


@dataclass(frozen=True)
class BalanceTest:
    """Two one-sided paired t tests of one quantity within one target, against the bound of d_z.

    ``bound``, ``low`` and ``high`` (the interval of 90 %) in standard deviations of the pool; ``p`` is None,
    and ``equivalent`` is told by the mean alone, where pair differences have no spread.
    """

    target: str
    feature: str
    bound: float
    p: float | None
    low: float
    high: float
    equivalent: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def balance_tests(
    balance: Sequence[Mapping[str, Any]], yardsticks: Yardsticks, *, alpha: float = 0.05
) -> list[BalanceTest]:
    """Test every row of a balance table that has a spread, against the larger of both yardsticks.

    The bound of a quantity is the tolerance, or the bound of d_z times the spread of pair differences where
    that is wider: with a dozen pairs a smaller one cannot be shown. A set keeps its word by the yardsticks;
    these tests tell how sure that is for further pairs of the same kind.
    """
    tests = []
    for row in balance:
        spread, pairs = row.get("spread"), int(row.get("pairs") or 0)
        if spread is None or pairs < 2:
            continue
        mean, named = float(row["after"]), (str(row["intended_target"]), str(row["feature"]))
        bound = max(yardsticks.tolerance, yardsticks.paired * float(spread))
        if not spread > 0:
            tests.append(BalanceTest(*named, bound, None, mean, mean, abs(mean) < bound))
            continue
        test = equivalence_test(mean, float(spread) / pairs**0.5, pairs - 1, bound, alpha=alpha)
        tests.append(BalanceTest(*named, bound, test.p, test.low, test.high, test.p <= alpha))
    return tests
