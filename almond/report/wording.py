"""How reports write numbers: p values, percentages."""

from __future__ import annotations

SMALLEST_P = 0.0001


def p_cell(p: float) -> str:
    """``.013``, ``< .0001``: no leading zero, two to four decimals."""
    if p < SMALLEST_P:
        return f"< {SMALLEST_P:.4f}".replace("0.", ".", 1)
    if p >= 0.995:
        return "> .99"
    digits = 2 if p >= 0.1 else 3 if p >= 0.01 else 4
    return f"{p:.{digits}f}".removeprefix("0")


def p_text(p: float) -> str:
    """``p = .013``, ``p < .0001``."""
    text = p_cell(p)
    return f"p {text}" if text[0] in "<>" else f"p = {text}"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"
