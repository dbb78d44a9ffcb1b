"""Numbers that are not numbers: NaN and infinities are refused at the door, never computed with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from almond.errors import InputError

FINITE = "finite numbers, neither NaN nor infinite"


def require_finite(
    values: ArrayLike, source: object, expected: str = FINITE, *, axes: Sequence[str | Sequence[str]] = ()
) -> None:
    """Refuse values of which one or more are NaN or infinite.

    :param axes: what the positions along each axis are: a word (``"row"``, counted from 1) or their names.
    :raises InputError: naming ``source``, how many are not finite, and the first with its place.
    """
    if problem := not_finite(values, axes):
        raise InputError(source, problem, expected)


def not_finite(values: ArrayLike, axes: Sequence[str | Sequence[str]] = ()) -> str | None:
    """Say how many values are not finite, and where the first is; None where all are."""
    array = np.asarray(values)
    if array.dtype.kind not in "fc" or np.isfinite(array).all():
        return None
    places = np.argwhere(~np.isfinite(array))
    first = tuple(int(index) for index in places[0])
    if not first:
        return f"is {array}, which is not finite"
    labels = [_label(axes[axis] if axis < len(axes) else "", index) for axis, index in enumerate(first)]
    where = ", ".join(labels) if axes else f"[{', '.join(map(str, first))}]"
    return f"{len(places)} of {array.size} values are not finite, the first ({array[first]}) at {where}"


def _label(names: str | Sequence[str], index: int) -> str:
    if isinstance(names, str):
        return f"{names or 'place'} {index + 1}"
    return str(names[index])


def nulled(value: Any) -> Any:
    """Replace NaN and infinities in plain values by None, as JSON knows no other missing number."""
    if isinstance(value, Mapping):
        return {str(name): nulled(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [nulled(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
