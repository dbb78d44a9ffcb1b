"""The languages in which participants can read a study: what trial kinds say in each, one module a language.

A language is one module here and one line of ``LANGUAGES``, and its catalogues of the site's pages and
scripts in the folder ``locale``.
"""

from __future__ import annotations

from collections.abc import Mapping

from almond.design.words.base import KindWords
from almond.registry import Registry

ENGLISH = "en"
"""The language in which trial kinds, pages and scripts are written."""

LANGUAGES: Registry[Mapping[str, KindWords]] = Registry(
    "language",
    {
        ENGLISH: ("almond.design.words.en:KINDS", "English"),
        "de": ("almond.design.words.de:KINDS", "German"),
    },
)
"""Language, by its ISO 639-1 code -> words of the trial kinds, by the kind's name."""
