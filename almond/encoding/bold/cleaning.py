"""Preprocessing of one run's time courses, and of its predictors alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from almond.errors import InputError
from almond.typing import AnyFloats, Floats

RANK_TOLERANCE = 1e-9
"""Of a singular value relative to the largest: below it a regressor says nothing that others do not."""


def constant_voxels(bold: AnyFloats) -> NDArray[np.bool_]:
    """Mark the columns of (n, V) that never change."""
    return np.asarray((bold == bold[:1]).all(axis=0), np.bool_)


def standardised_courses(courses: Floats) -> Floats:
    """Scale columns (n, V) to mean 0 and standard deviation 1 within the run; constant ones become 0."""
    centred = courses - courses.mean(axis=0)
    spread = centred.std(axis=0)
    return np.asarray(centred / np.where(spread > 0, spread, 1.0), np.float64)


def cosines(n: int, tr: float, cutoff: float) -> Floats:
    """Make discrete cosines (n, q) slower than ``cutoff`` Hz, orthonormal, without the constant.

    SPM's high-pass filter (``spm_filter``, ``spm_dctmtx``): with the period p = 1 / cutoff it has
    q = floor(2 n TR / p + 1) - 1 columns sqrt(2 / n) cos(pi (2 t + 1) k / (2 n)), k = 1 ... q.
    """
    # The small number keeps a run of a whole number of half periods from losing a column to rounding.
    count = min(int(np.floor(2 * n * tr * cutoff + 1e-9)), n - 1)
    time = np.arange(n)[:, None]
    return np.asarray(
        np.sqrt(2 / n) * np.cos(np.pi * (2 * time + 1) * np.arange(1, count + 1) / (2 * n)), np.float64
    )


def nuisance(
    n: int,
    tr: float,
    *,
    detrend: str = "none",
    high_pass: float | None = None,
    confounds: Floats | None = None,
    uncensored: NDArray[np.bool_] | None = None,
    source: object = "nuisance regressors",
) -> Floats:
    """Make an orthonormal basis (n, q) of what is taken from BOLD and predictors of a run of n volumes.

    It spans the constant and what follows; columns that add nothing to others are left out. Where nothing is
    asked for it is (n, 0): then the mean stays too.

    :param tr: seconds.
    :param detrend: ``linear`` adds the linear trend.
    :param high_pass: adds cosines slower than so many Hz.
    :param confounds: (n, k) further columns.
    :param uncensored: (n,) volumes that are analysed; regressors are made for all volumes and then cut to
        these m, so that the basis (m, q) is orthonormal over them.
    :raises InputError: nothing of the run would be left, or confounds of another length; names ``source``.
    """
    rows = np.ones(n, bool) if uncensored is None else uncensored
    parts: list[Floats] = []
    if detrend == "linear":
        parts.append(np.linspace(-1.0, 1.0, n)[:, None] if n > 2 else np.zeros((n, 0)))
    if high_pass is not None:
        parts.append(cosines(n, tr, high_pass))
    if confounds is not None:
        if len(confounds) != n:
            raise InputError(source, f"has {len(confounds)} rows for {n} volumes", f"{n} rows")
        parts.append(confounds)
    if not parts:
        return np.zeros((int(rows.sum()), 0))
    return _orthonormal(np.concatenate(parts, axis=1)[rows], source)


def _orthonormal(regressors: Floats, source: object) -> Floats:
    """Make a basis of the constant and the columns of (n, k), by singular values."""
    n = len(regressors)
    centred = regressors - regressors.mean(axis=0)
    size = np.linalg.norm(centred, axis=0)
    varying = size > RANK_TOLERANCE * np.maximum(np.linalg.norm(regressors, axis=0), 1e-300)
    scaled = centred[:, varying] / size[varying]
    left, singular, _ = np.linalg.svd(scaled, full_matrices=False)
    rank = int((singular > RANK_TOLERANCE * singular[:1].sum()).sum())
    if rank + 2 > n:
        raise InputError(source, f"{rank + 1} nuisance regressors leave nothing of {n} volumes", "fewer")
    return np.concatenate([np.full((n, 1), n**-0.5), left[:, :rank]], axis=1)


def without(courses: Floats, basis: Floats) -> Floats:
    """Project columns (n, D) onto what is left without their part in the orthonormal ``basis`` (n, q).

    Taken from BOLD and predictors of each run alike, which is the same as having the regressors beside the
    predictors (Frisch, Waugh, Lovell).
    """
    if basis.shape[1] == 0:
        return courses
    residuals = courses - basis @ (basis.T @ courses)
    # Once more: where the nuisance is most of a column, one pass leaves rounding errors of its size.
    return np.asarray(residuals - basis @ (basis.T @ residuals), np.float64)
