"""Which runs a configuration speaks of: a BIDS folder, or single files. Light: no image is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from almond.encoding.config.checks import Checks

NIFTI = (".nii", ".nii.gz")
SOURCES = ("dataset", "runs", "encoders")
RUN_KEYS = ("subject", "run", "bold", "events", "volumes")


@dataclass(frozen=True)
class RunFiles:
    """A run given by its files instead of a BIDS folder. ``volumes`` is a half-open range of the file."""

    subject: str
    run: str
    bold: Path
    events: Path | None = None
    volumes: tuple[int, int] | None = None


def parse_data(mapping: Mapping[str, Any], checks: Checks) -> dict[str, Any]:
    """``dataset``, ``runs`` or ``encoders``, and what chooses among them."""
    given = [key for key in SOURCES if mapping.get(key) is not None]
    if len(given) != 1:
        checks.add(
            "dataset",
            "give one of a BIDS folder (dataset), files (runs) or encoders that exist already (encoders)",
        )
    found: dict[str, Any] = {
        "task": checks.text(mapping, "task"),
        "subjects": checks.texts(mapping.get("subjects"), "subjects"),
        "tr": checks.number(mapping.get("tr"), "tr", above=0),
    }
    if "dataset" in given:
        found["dataset"] = checks.folder(mapping["dataset"], "dataset")
    if "runs" in given:
        found["runs"] = _runs(mapping["runs"], checks)
    if "encoders" in given:
        found["encoders"] = checks.folder(mapping["encoders"], "encoders")
    found["suffix"] = checks.text(mapping, "suffix")
    found["derivatives"] = _derivatives(mapping.get("derivatives"), checks)
    extra = mapping.get("entities")
    if extra is not None:
        if isinstance(extra, Mapping) and all(isinstance(value, str) for value in extra.values()):
            found["entities"] = {str(key): value for key, value in extra.items()}
        else:
            checks.add("entities", "is not a mapping of BIDS entities to text, such as {space: MNI}")
    return found


def _derivatives(value: Any, checks: Checks) -> bool | str | None:
    if value is None or isinstance(value, bool) or (isinstance(value, str) and value.strip()):
        return value
    checks.add("derivatives", f"is {value!r}, not true, false or the name of a folder in derivatives")
    return None


def _runs(value: Any, checks: Checks) -> tuple[RunFiles, ...]:
    if not isinstance(value, list) or not value:
        checks.add("runs", "is not a list of runs, each {subject, run, bold}")
        return ()
    found = [run for index, item in enumerate(value) if (run := _run(item, f"runs[{index}]", checks))]
    seen: set[tuple[str, str]] = set()
    for run in found:
        if (run.subject, run.run) in seen:
            checks.add("runs", f"subject {run.subject} has two runs called {run.run}")
        seen.add((run.subject, run.run))
    return tuple(found)


def _run(item: Any, path: str, checks: Checks) -> RunFiles | None:
    if not isinstance(item, Mapping):
        checks.add(path, "is not a mapping {subject, run, bold}")
        return None
    checks.known(item, path, RUN_KEYS)
    subject = checks.text(item, "subject", path, required=True)
    name = item.get("run")
    if not isinstance(name, str | int) or isinstance(name, bool):
        checks.add(f"{path}.run", "is missing or no name or number")
    bold = checks.file(item.get("bold"), f"{path}.bold", NIFTI)
    events = None if item.get("events") is None else checks.file(item["events"], f"{path}.events", (".tsv",))
    volumes = checks.range(item.get("volumes"), f"{path}.volumes")
    if subject is None or name is None or bold is None:
        return None
    return RunFiles(subject, str(name), bold, events, volumes)
