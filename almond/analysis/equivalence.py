"""The interval by which an effect is judged to be no larger than the smallest one of interest."""

from __future__ import annotations

from dataclasses import dataclass

from almond.analysis.questions.base import EffectEstimate
from almond.stats.ttest import equivalence_test, half_width

STATED_LEVEL = 0.95
"""Of the intervals of tests that give no standard error."""


@dataclass(frozen=True)
class NarrowInterval:
    """An interval of an effect, which is zero where nothing is there.

    With a standard error ``se`` and degrees of freedom ``df`` its ``level`` is 1 - 2 alpha. Without, it is
    the interval that the test itself gives, of 95 %: two one-sided tests at .025, and at no other level.
    """

    effect: float
    low: float
    high: float
    level: float
    se: float | None = None
    df: float | None = None

    def equivalence_p(self, smallest: float) -> float:
        """Return p of two one-sided tests against ``-smallest`` and ``smallest``.

        Without a standard error only whether it is at most .025 is known: .025, or 1.
        """
        if self.se is not None and self.df is not None:
            return equivalence_test(self.effect, self.se, self.df, smallest).p
        inside = -smallest < self.low and self.high < smallest
        return (1.0 - self.level) / 2.0 if inside else 1.0


def narrow_interval(estimate: EffectEstimate, alpha: float) -> NarrowInterval | None:
    """Return the interval by which equivalence at ``alpha`` is judged, None for an estimate without any."""
    effect = estimate.value - estimate.null
    if estimate.se is not None and estimate.df is not None and estimate.se > 0:
        level = 1.0 - 2.0 * alpha
        reach = half_width(estimate.se, estimate.df, level)
        return NarrowInterval(effect, effect - reach, effect + reach, level, estimate.se, estimate.df)
    if estimate.low is None or estimate.high is None:
        return None
    return NarrowInterval(effect, estimate.low - estimate.null, estimate.high - estimate.null, STATED_LEVEL)
