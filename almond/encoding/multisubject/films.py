"""Who saw the same film: the moments that are held out for one subject are then held out for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from almond.encoding.multisubject.subject_arrays import SubjectArrays
from almond.typing import Rows

LENGTH_TOLERANCE = 0.02
"""Runs of one film may differ by this share of their volumes: scanners start and stop by hand."""

SAME = 0.9
"""Mean correlation of the features from which on they are those of one film."""


def same_film(first: SubjectArrays, second: SubjectArrays) -> bool:
    """Tell whether two subjects saw the same at the same times, by the correlation of their features."""
    if len(first.lengths) != len(second.lengths):
        return False
    pairs = list(zip(first.lengths, second.lengths, strict=True))
    if any(abs(a - b) > LENGTH_TOLERANCE * max(a, b) for a, b in pairs):
        return False
    rows = [_common(arrays.lengths, [min(pair) for pair in pairs]) for arrays in (first, second)]
    a, b = first.x[rows[0]], second.x[rows[1]]
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    # Pearson's r of each feature between the two subjects; their mean decides.
    scale = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    varies = scale > 0
    if not varies.any():
        return False
    return float(((a * b).sum(axis=0)[varies] / scale[varies]).mean()) >= SAME


def _common(lengths: Sequence[int], counts: Sequence[int]) -> Rows:
    """Return the first ``counts`` rows of every run."""
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    parts = [start + np.arange(count) for start, count in zip(starts, counts, strict=True)]
    return np.concatenate(parts).astype(np.int64)


def allowed_rows(target: SubjectArrays, train: Rows, other: SubjectArrays) -> Rows:
    """Return the rows of ``other``, who saw the same film, at the moments of the target's training rows.

    Volumes that a longer run has beyond the target's are left out.
    """
    training = np.zeros(sum(target.lengths), bool)
    training[train] = True
    allowed, mine, theirs = [], 0, 0
    # Row i of run j of one subject is the same moment as row i of run j of the other.
    for own, others in zip(target.lengths, other.lengths, strict=True):
        allowed.append(theirs + np.flatnonzero(training[mine : mine + own][:others]))
        mine, theirs = mine + own, theirs + others
    return np.concatenate(allowed).astype(np.int64)
