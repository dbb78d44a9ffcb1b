"""``python -m tests.contracts.record_golden``: write every golden value anew from the code of today.

The files of ``golden/old`` stay as an earlier version wrote them; ``--old`` writes them anew too.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tests.environment  # noqa: F401  before anything loads the linear algebra library
from almond.files.writing import write_atomically
from tests.contracts.golden_chain import record_chain
from tests.contracts.golden_configurations import (
    every_mapping,
    record_errors,
    record_settings,
    wrong_mappings,
)
from tests.contracts.golden_models import CASES, record_model
from tests.contracts.golden_old import NAMES, OLD, READERS, write_old
from tests.contracts.golden_studies import RESULTS, record_export, record_plans, record_recipes
from tests.contracts.golden_tools import ARITHMETIC, FOLDER, arithmetic, json_bytes

VALUES: dict[str, Callable[[Path], Any]] = {
    "plans": lambda folder: record_plans(),
    "recipes": lambda folder: record_recipes(),
    "export": record_export,
    "chain": record_chain,
    **RESULTS,
    **{f"old {name}": reader for name, reader in READERS.items()},
}
"""Name of the file -> what is recorded in it, with an empty folder to work in."""

CONFIGURATIONS = {
    "settings": (record_settings, every_mapping),
    "errors": (record_errors, wrong_mappings),
}
"""Name of the file -> what is recorded of which mappings. Tests take the mappings that the file holds: the
documents may change."""


def npz_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **{name: arrays[name] for name in sorted(arrays)})
    return stream.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--old", action="store_true", help="write golden/old anew")
    names = [*CONFIGURATIONS, *VALUES, *CASES]
    parser.add_argument("--only", nargs="+", choices=names, help="write these anew")
    options = parser.parse_args()
    rewrite = options.old or not all((OLD / name).exists() for name in NAMES)
    if rewrite:
        with tempfile.TemporaryDirectory() as folder:
            for name, data in write_old(Path(folder)).items():
                write(OLD / name, data)
    for name in options.only or names:
        record(name)


def record(name: str) -> None:
    """Write one golden value anew, and how the machine rounds that wrote it."""
    with tempfile.TemporaryDirectory() as folder:
        if name in CONFIGURATIONS:
            read, mappings = CONFIGURATIONS[name]
            write(FOLDER / f"{name}.json.gz", json_bytes(read(mappings())))
        elif name in VALUES:
            write(FOLDER / f"{name}.json.gz", json_bytes(VALUES[name](Path(folder))))
        else:
            said, arrays = record_model(name, Path(folder))
            write(FOLDER / f"model {name}.json.gz", json_bytes(said))
            write(FOLDER / f"model {name}.npz", npz_bytes(arrays))
    rounding = {**json.loads(ARITHMETIC.read_bytes()), name: arithmetic()}
    write(ARITHMETIC, (json.dumps(rounding, indent=1, sort_keys=True) + "\n").encode())


def write(path: Path, data: bytes) -> None:
    changed = not path.exists() or path.read_bytes() != data
    write_atomically(path, data)
    sys.stderr.write(f"{path.name}: {len(data)} bytes{', changed' if changed else ''}\n")


if __name__ == "__main__":
    main()
