"""How an export may be used and is to be cited: licence, authors, citation. Never about participants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from almond.shapes import DifferentTexts, Shape, Text, read

SPDX_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.+")
LICENCES = ("CC-BY-4.0", "CC0-1.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "ODbL-1.0", "PDDL-1.0")
"""Identifiers of licences that data are often given; any other identifier of SPDX will do."""


def _spdx(text: str) -> str:
    if not set(text) <= SPDX_LETTERS:
        raise ValueError(f"is {text!r}, no identifier of SPDX such as {LICENCES[0]}")
    return text


SpdxLicence = Annotated[Text, AfterValidator(_spdx)]


class Publication(Shape):
    """What whoever publishes an export says of it. Without a licence nobody may use it further."""

    licence: SpdxLicence | None = Field(
        None, description="licence of the data, an identifier of SPDX such as CC-BY-4.0"
    )
    authors: DifferentTexts = Field((), description="who is to be cited, each by name")
    citation: Text | None = Field(None, description="how to cite the data, or the paper")
    keywords: DifferentTexts = Field((), description="what others would search for")

    @property
    def licence_url(self) -> str:
        """Where the licence's text stands; empty without one."""
        return f"https://spdx.org/licenses/{self.licence}.html" if self.licence else ""

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, as a manifest holds them; only what was told."""
        return self.model_dump(mode="json", exclude_defaults=True)


def publication_of(facts: Mapping[str, Any]) -> Publication:
    """Read ``publication`` of the facts that an export is written with.

    :raises ShapeError: it says something else than a ``Publication``.
    """
    value = facts.get("publication") or {}
    return value if isinstance(value, Publication) else read(Publication, value, source="publication")
