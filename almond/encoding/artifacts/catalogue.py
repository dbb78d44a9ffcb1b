"""Fitted encoders that lie in a folder, found again for a configuration: what group statistics start from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from almond.digest import canonical_json
from almond.encoding.artifacts.artifact import EncoderArtifact, load_artifact, read_artifact_json
from almond.encoding.bold.select import subjects_of
from almond.encoding.config.encoding_models import with_region_weights
from almond.encoding.config.fit_config import FitConfig
from almond.errors import InputError
from almond.naming import natural


@dataclass(frozen=True)
class Stored:
    """One artifact on disk, described without reading its weights."""

    subject: str
    region: str
    model: str
    digest: str
    path: Path
    metrics: dict[str, Any]
    config: dict[str, Any]

    def load(self) -> EncoderArtifact:
        """The weights too, checked against the digest that names the folder."""
        return load_artifact(self.path)


def scan(root: Path) -> list[Stored]:
    """Every artifact of region weights below ``root``, the newest first; ``InputError`` when it is no folder.

    Other folders beside them (feature caches, the index, artifacts of other formats) are passed over.
    """
    if not root.is_dir():
        raise InputError(root, "is not a folder", "the folder that `almond fit` wrote")
    found = [
        path
        for path in root.iterdir()
        if (path / "artifact.json").is_file() and (path / "weights.npz").is_file()
    ]
    # By time of writing: after BOLD was corrected and fitted again, the later fit is the one to use.
    found.sort(key=lambda path: ((path / "artifact.json").stat().st_mtime_ns, path.name), reverse=True)
    return [_stored(path) for path in found]


def _stored(path: Path) -> Stored:
    meta = read_artifact_json(path)
    return Stored(
        meta["subject"], meta["region"], meta["model"], path.name, path, meta["metrics"], meta["config"]
    )


def collect(config: FitConfig, models: Sequence[str] | None = None) -> list[Stored]:
    """The artifacts that ``fit`` left for this very configuration: every subject, region and model once,
    without models that have no weights of regions.

    Sorted by model, subject and region in the configuration's order. Where a subject was fitted again with
    the same settings (because its files changed), the newest counts. With ``encoders`` in the configuration,
    those of that folder, whatever they were fitted with.

    :raises InputError: one of them is missing; the message names the first and says to run ``almond fit``.
    """
    if config.encoders is not None:
        return _existing(config, config.encoders, models)
    chosen = tuple(models if models is not None else with_region_weights(config.models))
    wanted = [
        (subject, region, model)
        for model in chosen
        for subject in subjects_of(config)
        for region in config.regions
    ]
    settings = {model: canonical_json(config.settings(model)) for model in chosen}
    fitting = [
        one for one in scan(config.output) if canonical_json(one.config) == settings.get(one.model, b"")
    ]
    return _pick(fitting, wanted, config.output)


def _existing(config: FitConfig, root: Path, models: Sequence[str] | None) -> list[Stored]:
    """Of the subjects, regions and models that are asked for, or all; every combination must be there."""
    found = scan(root)
    names = sorted({one.subject for one in found}, key=natural)
    regions = list(config.regions) or sorted({one.region for one in found})
    chosen = models if models is not None else sorted({one.model for one in found})
    subjects = config.subjects or tuple(names)
    wanted = [(subject, region, model) for model in chosen for subject in subjects for region in regions]
    if not wanted:
        raise InputError(root, "holds no encoder", "encoders made by `almond fit` or `almond import-betas`")
    return _pick(found, wanted, root)


def _pick(found: Iterable[Stored], wanted: Sequence[tuple[str, str, str]], root: Path) -> list[Stored]:
    known: dict[tuple[str, str, str], Stored] = {}
    for one in found:
        known.setdefault((one.subject, one.region, one.model), one)
    missing = [key for key in wanted if key not in known]
    if missing:
        subject, region, model = missing[0]
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(
            root,
            f"has no {model} encoder of {region} for sub-{subject}{others} with these settings",
            "encoders fitted by `python -m almond fit` from this very configuration",
        )
    return [known[key] for key in wanted]
