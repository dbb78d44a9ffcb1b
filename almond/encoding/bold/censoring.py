"""Volumes that were censored for motion: AFNI's vectors of 0 (censored) and 1 (analysed)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from almond.encoding.bold.bids import Run
from almond.encoding.bold.confounds import read_regressors, rows_of_run
from almond.encoding.bold.run_files import file_of_run
from almond.encoding.bold.run_headers import number_of_volumes
from almond.errors import InputError


def read_censor(run: Run, path: str, mode: str) -> NDArray[np.bool_]:
    """Read which volumes of a run's time axis are analysed (n,), from a text of 0 and 1.

    ``mode="zero-filled"``: the BOLD has all n volumes. ``mode="drop"``: the BOLD lacks the censored ones, so
    that n is larger than its number of volumes: stimuli and regressors lie on the n volumes of the vector.

    :raises InputError: no such file, other values than 0 and 1, nothing kept, or a number of values that fits
        neither the volumes nor what is kept of them.
    """
    file = file_of_run(path, run, "censor.path")
    table = read_regressors(file)
    if 1 not in (len(table), len(table.names)):
        raise InputError(file, f"has {len(table.names)} columns", "one value per volume, 0 or 1")
    values = np.concatenate([table.column(name).numbers(what="0 or 1") for name in table.names])
    if not np.isin(values, (0.0, 1.0)).all():
        raise InputError(file, "holds values other than 0 and 1", "0 for a censored volume, 1 for a kept one")
    uncensored = values == 1
    if not uncensored.any():
        raise InputError(file, "keeps no volume", "1 for a kept volume")
    return _checked(uncensored, run, mode, file)


def _checked(uncensored: NDArray[np.bool_], run: Run, mode: str, file: Path) -> NDArray[np.bool_]:
    count = number_of_volumes(run)
    if mode == "zero-filled":
        return np.asarray(rows_of_run(uncensored[:, None].astype(np.float64), run, file)[:, 0] == 1, np.bool_)
    if uncensored.sum() == count:
        return uncensored
    said = f"keeps {int(uncensored.sum())} of {len(uncensored)} volumes, {run.bold.name} has {count}"
    hint = ": it still has the censored ones" if len(uncensored) == count else ""
    raise InputError(file, f"{said}{hint}", "mode: zero-filled" if hint else "as many as the BOLD has")


def uncensored_rows(
    bold: NDArray[np.float64], uncensored: NDArray[np.bool_], mode: str, source: object
) -> NDArray[np.float64]:
    """Select the uncensored volumes of time courses (n, V); all of them where others were dropped before.

    A volume that is 0 in every voxel was filled so. When some are, they must be the censored ones: otherwise
    the vector belongs to other data, or its 0 and 1 are the wrong way round.

    :raises InputError: volumes of zeros that are kept, or censored volumes of which only some are zeros.
    """
    if mode == "drop":
        return bold
    empty = ~bold.any(axis=1)
    if (empty & uncensored).any():
        raise InputError(
            source,
            f"volume {int(np.flatnonzero(empty & uncensored)[0]) + 1} is 0 everywhere and not censored",
            "zeros in censored volumes only (0 censored, 1 kept)",
        )
    if empty.any() and (~uncensored & ~empty).any():
        number = int(np.flatnonzero(~uncensored & ~empty)[0]) + 1
        raise InputError(source, f"volume {number} is censored and holds data, others are 0", "all of them 0")
    return bold[uncensored]
