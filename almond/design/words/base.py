"""What participants read of a trial kind in a language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class KindWords:
    """The words of one trial kind in one language.

    ``instructions`` writes them for a block of the kind, as ``TrialKind.instructions`` does in English;
    ``keys`` is one sentence about the keyboard.
    """

    instructions: Callable[[Any], str]
    keys: str
