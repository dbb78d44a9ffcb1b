"""What participants read of a trial kind in a language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class KindWords:
    """The words of one trial kind in one language.

    ``instructions`` writes them for a number of trials and of constructs, as ``TrialKind.instructions`` does
    in English; ``keys`` is one sentence about the keyboard.
    """

    instructions: Callable[[int, int], str]
    keys: str
