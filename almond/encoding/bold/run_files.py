"""Paths of files that belong to runs, as a configuration's patterns say them."""

from __future__ import annotations

import re
from pathlib import Path

from almond.encoding.bold.bids import Run
from almond.encoding.bold.sidecars import check_fetched, entities, same_bids_name
from almond.errors import InputError
from almond.files.folders import find_path

FIELD = re.compile(r"\{([a-z]+)\}")


def file_of_run(pattern: str, run: Run, source: str) -> Path:
    """Find the file that a pattern means for a run; ``source`` is the setting that it stands in.

    ``{subject}`` and ``{run}`` are the run's subject and name, ``{bold}`` the file name of its BOLD without
    ``.nii.gz``, and any BIDS entity of that file, such as ``{ses}``, ``{task}`` or ``{acq}``, its value.
    Where there is no such name, ``run-01`` for ``run-1`` or the name in another Unicode form is the file.

    :raises InputError: a field that the run does not have, or no such file.
    """
    known = {
        **entities(run.bold),
        "subject": run.subject,
        "run": run.name,
        "bold": re.sub(r"(?i)\.nii(\.gz)?$", "", run.bold.name),
    }
    missing = [name for name in FIELD.findall(pattern) if name not in known]
    if missing:
        raise InputError(source, f"{pattern} has a field {{{missing[0]}}}", f"one of {', '.join(known)}")
    path = find_path(Path(FIELD.sub(lambda match: known[match[1]], pattern)), same_bids_name)
    check_fetched(path)
    if not path.is_file():
        raise InputError(
            path, f"file not found for sub-{run.subject} {run.name}", f"the {source} of that run"
        )
    return path
