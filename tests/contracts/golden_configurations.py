"""Configurations and what they mean: the settings that enter digests, and the paths that errors name."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from almond.encoding.config.fit_config import FitConfig, parse_config
from almond.encoding.config.regions import RegionSpec
from almond.encoding.config.section import ConfigSection, stored_word
from almond.encoding.config.validation import ValidationSettings
from almond.shapes import ShapeError, keys_of
from tests.contracts.golden_mappings import BASE, RIGHT
from tests.contracts.golden_tools import digest_of
from tests.contracts.golden_wrong import WRONG

ROOT = Path(__file__).parents[2]
NEW = [(ValidationSettings, "features")]
"""Fields that no recorded section had: the sets of images held it."""

FOLDERS = ("dataset", "encoders", "images")
"""Keys that name a folder."""


def documented() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every configuration of the examples, and every one in the documents, parts of one completed."""
    for path in sorted((ROOT / "examples").glob("*.yaml")):
        mapping = yaml.safe_load(path.read_text(encoding="utf-8"))
        if "generator" not in mapping:  # a configuration of `generate`, which fits nothing
            yield f"examples/{path.name}", mapping
    for path in sorted((ROOT / "docs").glob("*.md")):
        blocks = re.findall(r"```yaml\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
        for number, block in enumerate(blocks):
            mapping = yaml.safe_load(block)
            if isinstance(mapping, dict) and set(mapping) <= set(keys_of(FitConfig)):
                yield f"docs/{path.name} {number + 1}", completed(mapping)


def completed(mapping: dict[str, Any]) -> dict[str, Any]:
    """A part of a configuration with everything else that it needs."""
    data = "encoders" in mapping or "runs" in mapping
    base = {key: value for key, value in BASE.items() if not (data and key == "dataset")}
    regions = mapping.get("regions", base["regions"])
    named = {"Amy", "LB", "CM", "SF", "AStr", "VC", "IT"} if "evaluation" in mapping else set()
    missing = {name: f"masks/{name}.nii.gz" for name in sorted(named - set(regions))}
    whole = {**base, **mapping, "regions": {**regions, **missing}}
    several = "kind" not in whole["features"] and isinstance(whole["features"], dict)
    return {**whole, "model": "banded"} if several and "model" not in mapping else whole


def every_mapping() -> dict[str, dict[str, Any]]:
    """Name -> mapping of every right configuration."""
    return {**dict(documented()), **{name: completed(mapping) for name, mapping in RIGHT.items()}}


def wrong_mappings() -> dict[str, dict[str, Any]]:
    """Name -> mapping of every wrong configuration."""
    return {name: {**BASE, **mapping} for name, mapping in WRONG.items()}


def record_settings(mappings: Mapping[str, Any]) -> dict[str, Any]:
    """Name -> mapping with what was read of it, for right configurations."""
    return {name: {"mapping": mapping, **read(mapping)} for name, mapping in mappings.items()}


def record_errors(mappings: Mapping[str, Any]) -> dict[str, Any]:
    """Name -> mapping with the dotted paths that its errors name."""
    return {
        name: {"mapping": mapping, "paths": paths_of_errors(mapping)} for name, mapping in mappings.items()
    }


def read(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of all models and of each, their digests, regions, and the sections of other commands."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder).resolve()
        make_files(mapping, base)
        config = parse_config(mapping, base)
        settings = {"all": config.settings(), **{name: config.settings(name) for name in config.models}}
        return {
            "settings": settings,
            "digests": {name: digest_of(value) for name, value in settings.items()},
            "regions": {name: spec.to_json() for name, spec in config.regions.items()},
            "files": {
                name: [relative(path, base) for path in spec.files()] for name, spec in config.spaces.items()
            },
            "sections": sections(config, base),
        }


def sections(config: FitConfig, base: Path) -> dict[str, Any]:
    """Everything of a configuration that is not among the settings of a fit."""
    names = (
        "models",
        "subjects",
        "tr",
        "preset",
        "backend",
        "device",
        "runs",
        "dataset",
        "encoders",
        "output",
    )
    own = ("evaluation", "validation", "prediction", "betas", "brain")
    values = {name: plain(getattr(config, name), base) for name in (*names, *own)}
    for name, images in ((values["validation"] or {}).get("sets") or {}).items():
        images["name"] = name  # recorded when a set knew its name
    return values


REGION = {
    "path": None,
    "labels": [],
    "table": None,
    "above": None,
    "below": None,
    "reference": "",
    "side": None,
    "resample": True,
    "space": None,
}
"""What a region was recorded with where its form says nothing."""


def plain(value: Any, base: Path) -> Any:
    """JSON values of settings; paths relative to the configuration's folder."""
    if isinstance(value, RegionSpec):
        parts = plain(value.parts, base)
        return {**REGION, **value.to_json(), **plain(value.paths(), base), "parts": parts}
    if isinstance(value, ConfigSection):
        recorded = [name for name in type(value).model_fields if (type(value), name) not in NEW]
        return {name: plain(getattr(value, name), base) for name in recorded}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name), base) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item, base) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, base) for item in value]
    if isinstance(value, str):
        return stored_word(value)
    return relative(value, base) if isinstance(value, Path) else value


def relative(path: Path, base: Path) -> str:
    return path.relative_to(base).as_posix()


def paths_of_errors(mapping: Mapping[str, Any]) -> list[str]:
    """The dotted paths that the errors of a wrong configuration name, each once, sorted."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder).resolve()
        make_files(mapping, base)
        try:
            parse_config(mapping, base)
        except ShapeError as error:
            return sorted({line.split(":")[0] for line in error.problems})
    raise AssertionError("no error")


def make_files(value: Any, base: Path, key: str = "") -> None:
    """Make an empty file or folder for every text of a mapping that may name one, but for ``missing``."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            make_files(item, base, str(name))
    elif isinstance(value, list):
        for item in value:
            make_files(item, base, key)
    elif isinstance(value, str) and value and "missing" not in value and "{" not in value:
        make_file(base / value, key)


def make_file(path: Path, key: str) -> None:
    if key in FOLDERS or (key == "path" and not path.suffix):
        path.mkdir(parents=True, exist_ok=True)
    elif path.suffix and not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
