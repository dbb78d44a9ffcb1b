"""Names of the forms that a null world has; ``almond.world.null_worlds`` says what they are."""

from __future__ import annotations

from typing import Literal, get_args

from almond.errors import InputError

NullWorld = Literal["none", "independent", "structured"]
NULL_WORLDS: tuple[NullWorld, ...] = get_args(NullWorld)
"""``none``: the world itself, in which judgements follow the image."""


def null_world(value: object) -> NullWorld:
    """Read the name of a null world; of earlier settings true is ``independent`` and false ``none``.

    :raises InputError: any other value.
    """
    if value is None or isinstance(value, bool):
        return "independent" if value else "none"
    for name in NULL_WORLDS:
        if value == name:
            return name
    raise InputError("null world", f"is {value!r}", ", ".join(NULL_WORLDS))
