"""What other readers make of pairs that keep both yardsticks as the guides read them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from almond.exchange.schema import SCORE
from almond.stimuli.pairing.balance import JUDGED
from almond.stimuli.pairing.yardsticks import JUDGE


def missed_by_readers(balance: pd.DataFrame, missed: Sequence[str]) -> tuple[str, ...]:
    """List the targets that miss only by the other targets' scores as judges read them.

    The choice kept both yardsticks of all that it could bound; that others read otherwise is no matter of the
    pool's size. ``balance`` as :func:`almond.stimuli.pairing.balance.balance_rows`.
    """
    chosen = balance[balance["group"] != JUDGED]
    outside = set(chosen.loc[~chosen["within"].astype(bool), "intended_target"])
    return tuple(name for name in missed if name not in outside)


def readers_advice(balance: pd.DataFrame, missed: Sequence[str]) -> tuple[str, ...]:
    """Write for each target that only judges' readings miss what they read, and what would help."""
    lines = []
    for target in missed_by_readers(balance, missed):
        rows = balance[(balance["intended_target"] == target) & (balance["group"] == JUDGED)]
        read = "; ".join(
            f"{str(row['feature']).removeprefix(SCORE).removesuffix(JUDGE)} by {row['after']:.2f} SD of the "
            f"pool, d_z {row['d_z']:.2f}"
            for _, row in rows[~rows["within"].astype(bool)].iterrows()
        )
        lines.append(
            f"{target}: all that the choice of pairs could bound keeps both yardsticks, but judges read a "
            f"difference in {read}. Judges never choose: more pictures hardly help; guides and judges whose "
            "encoders agree better (longer runs) and more pairs do."
        )
    return tuple(lines)
