"""Options that pair a name with something else, such as ``--region LB=LB_*``."""

from __future__ import annotations

from collections.abc import Sequence

from almond.errors import InputError


def read_pairs(option: str, texts: Sequence[str], expected: str) -> list[tuple[str, str]]:
    """Split ``["LB=LB_*"]`` at the first ``=``; both sides hold something.

    :raises InputError: names the option, and what was ``expected``.
    """
    pairs = []
    for text in texts:
        name, separator, value = text.partition("=")
        if not (name and separator and value):
            raise InputError(option, f"is {text!r}", expected)
        pairs.append((name, value))
    return pairs
