"""Features that do not change: in a run, in all of them, or in all but one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from almond.encoding.features.run_features import Predictors, RunFeatures, Scan
from almond.errors import InputError
from almond.remarks import Remarks

KIND = "constant-features"
NAMED = 5
"""Columns that a remark names."""

ROUNDING = 1e-12
"""Of the largest variance that a product of time courses and features could have."""


def remark_features(predictors: Mapping[str, Predictors], scans: Sequence[Scan], remarks: Remarks) -> None:
    """Say which features do not change where others do.

    Of a network's features only those of whole runs are looked at: many of its units are silent.

    :raises InputError: features that are not numbers, or that never change at all; names their file.
    """
    for space in predictors.values():
        parts = list(space.runs) or [space.whole()]
        constant = np.stack([_constant(part) for part in parts])
        if constant.all():
            raise InputError(
                parts[0].source, "its features are the same at all times", "features that change"
            )
        names = [scan.run.name for scan in scans] if space.runs else ["all runs"]
        for name, part, of_run in zip(names, parts, constant, strict=True):
            if of_run.all():
                text = "holds no feature that changes in this run; nothing can be predicted there"
                remarks.add(KIND, part.source, text, about=name)
        if space.names:
            _remark_columns(space, parts, constant, names, remarks)


def _remark_columns(
    space: Predictors,
    parts: Sequence[RunFeatures],
    constant: NDArray[np.bool_],
    runs: Sequence[str],
    remarks: Remarks,
) -> None:
    changing = (~constant).sum(axis=0)
    never = np.flatnonzero(changing == 0)
    if len(never):
        text = f"has {_listed(space, never)} without change in any run; they predict nothing"
        remarks.add(KIND, parts[0].source, text)
    usable = np.flatnonzero(~constant.all(axis=1))  # runs without any change have their own remark
    for number in usable.tolist() if len(usable) > 1 else ():
        only = np.flatnonzero((changing == 1) & ~constant[number])
        if len(only):
            text = f"has {_listed(space, only)} in this run only; folds without it cannot learn them"
            remarks.add(KIND, parts[number].source, text, about=runs[number])
        lacking = np.flatnonzero((changing == len(usable) - 1) & (changing > 1) & constant[number])
        if len(lacking):
            text = f"has {_listed(space, lacking)} without change in this run, unlike in all others"
            remarks.add(KIND, parts[number].source, text, about=runs[number])


def _listed(space: Predictors, columns: NDArray[np.int64]) -> str:
    names = ", ".join(space.names[column] for column in columns[:NAMED].tolist())
    more = f" and {len(columns) - NAMED} more" if len(columns) > NAMED else ""
    return f"the {'column' if len(columns) == 1 else 'columns'} {names}{more}"


def _constant(part: RunFeatures) -> NDArray[np.bool_]:
    """Mark the features (D,) that are the same at all times of a part."""
    if not part.values.size:
        return np.ones(part.dimension, bool)
    low, high = part.values.min(axis=0), part.values.max(axis=0)
    if not np.isfinite([low, high]).all() or not (part.mixing is None or np.isfinite(part.mixing).all()):
        raise InputError(part.source, "features made from it are not numbers", "finite features")
    if part.mixing is None:
        return np.asarray(low == high, np.bool_)
    # Variance of V M, V the centred time courses: the diagonal of M' V'V M.
    centred = part.values - part.values.mean(axis=0)
    gram = centred.T @ centred
    variance = np.einsum("sd,sd->d", part.mixing, gram @ part.mixing)
    largest = np.trace(gram) * np.einsum("sd,sd->d", part.mixing, part.mixing)
    return np.asarray(variance <= ROUNDING * largest, np.bool_)
