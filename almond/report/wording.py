"""How reports write numbers: p values, percentages, intervals, t statistics, correlations."""

from __future__ import annotations

import math

SMALLEST_P = 0.0001
UNDEFINED = "not defined"


def p_cell(p: float | None, absent: str = UNDEFINED) -> str:
    """Write ``.013``, ``< .0001``: no leading zero, two to four decimals; ``absent`` for None."""
    if p is None:
        return absent
    if p < SMALLEST_P:
        return f"< {SMALLEST_P:.4f}".replace("0.", ".", 1)
    if p >= 0.995:
        return "> .99"
    digits = 2 if p >= 0.1 else 3 if p >= 0.01 else 4
    return f"{p:.{digits}f}".removeprefix("0")


def p_text(p: float) -> str:
    """Write ``p = .013``, ``p < .0001``."""
    text = p_cell(p)
    return f"p {text}" if text[0] in "<>" else f"p = {text}"


def percent(share: float) -> str:
    """Write a share of one as ``71 %``."""
    return f"{100 * share:.0f} %"


def percent_span(low: float, high: float) -> str:
    """Write an interval of shares of one as ``61 % to 83 %``."""
    return f"{percent(low)} to {percent(high)}"


def decimal(value: float | None, digits: int = 3, absent: str = "") -> str:
    """Write a number with fixed decimals; ``absent`` for None."""
    return absent if value is None else fixed(value, digits)


def signed(value: float, digits: int = 2) -> str:
    """Write a number with its sign and fixed decimals; what rounds to zero has no sign."""
    return fixed(value, digits, sign="+")


def span(low: float, high: float, digits: int = 2, sign: str = "+") -> str:
    """Write an interval, ``+0.12 to +0.34``; ``sign=""`` without plus signs."""
    return f"{fixed(low, digits, sign)} to {fixed(high, digits, sign)}"


def fixed(value: float, digits: int, sign: str = "") -> str:
    """Write a number with fixed decimals, and with ``sign="+"`` plus signs; ``0.00``, never ``-0.00``."""
    text = f"{value:{sign}.{digits}f}"
    return text.lstrip("+-") if float(text) == 0 else text


def coefficient(value: float) -> str:
    """Write a coefficient with two decimals, or a small one with two digits."""
    return signed(value) if abs(value) >= 0.095 or value == 0 else f"{value:+.2g}"


def coefficient_span(low: float, high: float) -> str:
    """Write the interval of a coefficient."""
    return " to ".join(coefficient(value).removeprefix("+") for value in (low, high))


def t_cell(t: float | None, df: float) -> str:
    """Write ``2.31 (11)``: t and its degrees of freedom."""
    return UNDEFINED if t is None else f"{fixed(t, 2)} ({df:.0f})"


def r_of_z(z: float) -> str:
    """Write Fisher's z as the correlation tanh(z)."""
    return fixed(math.tanh(z), 3)
