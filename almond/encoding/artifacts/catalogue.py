"""The fitted encoders of a folder, looked up for a configuration: what group statistics start from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from almond.digest import canonical_json
from almond.encoding.artifacts.artifact import ENCODER, EncoderArtifact, load_artifact
from almond.encoding.artifacts.fit_index import FittedRegion
from almond.encoding.artifacts.folder import DESCRIPTION
from almond.encoding.bold.select import subjects_of
from almond.encoding.config.encoding_models import with_region_weights
from almond.encoding.config.fit_config import FitConfig
from almond.errors import InputError
from almond.files.folders import visible
from almond.naming import natural
from almond.remarks import remark_rows


@dataclass(frozen=True)
class Stored(FittedRegion):
    """An artifact on disk, described without reading its weights."""

    config: dict[str, Any]

    def load(self) -> EncoderArtifact:
        """Load the weights too, checked against the digest that names the folder."""
        return load_artifact(self.path)


def remarks_of(stored: Iterable[Stored]) -> dict[str, list[dict[str, str]]]:
    """Collect the remarks of encoders, each with its subject, under ``remarks``; empty when there are
    none."""
    rows = remark_rows({**encoder.metrics, "subject": encoder.subject} for encoder in stored)
    return {"remarks": rows} if rows else {}


def scan(root: Path) -> list[Stored]:
    """List every artifact of region weights below ``root``, the newest first.

    Other folders beside them (feature caches, the index, artifacts of other formats) are passed over.

    :raises InputError: ``root`` is no folder.
    """
    if not root.is_dir():
        raise InputError(root, "is not a folder", "the folder that `almond fit` wrote")
    folders = [path for path in visible(root.iterdir()) if ENCODER.is_whole(path)]
    # By time of writing: after BOLD was corrected and fitted again, the later fit is the one to use.
    folders.sort(key=lambda path: ((path / DESCRIPTION).stat().st_mtime_ns, path.name), reverse=True)
    return [_stored(path) for path in folders]


def _stored(path: Path) -> Stored:
    meta = ENCODER.read(path)
    return Stored(
        meta["subject"], meta["region"], meta["model"], path.name, path, meta["metrics"], meta["config"]
    )


def collect(config: FitConfig, models: Sequence[str] | None = None) -> list[Stored]:
    """Find the artifacts that ``fit`` left for this configuration: every subject, region and model once,
    without models that have no weights of regions.

    Sorted by model, subject and region in the configuration's order. Where a subject was fitted again with
    the same settings (because its files changed), the newest counts. With ``encoders`` in the configuration,
    those of that folder, whatever they were fitted with.

    :raises InputError: one of them is missing; the message names the first and says to run ``almond fit``.
    """
    if config.encoders is not None:
        return _existing(config, config.encoders, models)
    names = tuple(models if models is not None else with_region_weights(config.models))
    wanted = [
        (subject, region, model)
        for model in names
        for subject in subjects_of(config)
        for region in config.regions
    ]
    settings = {model: canonical_json(config.settings(model)) for model in names}
    fitting = [
        artifact
        for artifact in scan(config.output)
        if canonical_json(artifact.config) == settings.get(artifact.model, b"")
    ]
    return _pick(fitting, wanted, config.output)


def _existing(config: FitConfig, root: Path, models: Sequence[str] | None) -> list[Stored]:
    """Find artifacts of the subjects, regions and models that are asked for, or all; none may lack."""
    artifacts = scan(root)
    names = sorted({artifact.subject for artifact in artifacts}, key=natural)
    regions = list(config.regions) or sorted({artifact.region for artifact in artifacts})
    model_names = models if models is not None else sorted({artifact.model for artifact in artifacts})
    subjects = config.subjects or tuple(names)
    wanted = [(subject, region, model) for model in model_names for subject in subjects for region in regions]
    if not wanted:
        raise InputError(root, "holds no encoder", "encoders made by `almond fit` or `almond import-betas`")
    return _pick(artifacts, wanted, root)


def _pick(artifacts: Iterable[Stored], wanted: Sequence[tuple[str, str, str]], root: Path) -> list[Stored]:
    known: dict[tuple[str, str, str], Stored] = {}
    for artifact in artifacts:
        known.setdefault((artifact.subject, artifact.region, artifact.model), artifact)
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
