"""English: each trial kind says its own."""

from __future__ import annotations

from collections.abc import Mapping

from almond.design.words.base import KindWords

KINDS: Mapping[str, KindWords] = {}
