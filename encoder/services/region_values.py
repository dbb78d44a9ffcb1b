"""Regions as the rows keep them: written out whole, told apart by digests, said in words. Opens no image."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from almond.digest import digest_file, digest_json
from almond.encoding.config.paths import BASE, NIFTI
from almond.encoding.config.regions import SUBJECT, TABLES, AtlasSpec, MaskSpec, RegionSpec
from almond.encoding.regions.atlas import label_table
from almond.errors import DigestMismatch, InputError
from almond.shapes import read
from encoder import choices
from encoder.models import Dataset, Region
from encoder.services.nifti_files import check_nifti_file

COMBINED = ("union", "difference")


def read_value(value: Any, root: Path) -> RegionSpec:
    """The specification in a row or form; ``ShapeError`` names what is wrong by dotted paths."""
    spec = read(RegionSpec, value, source="region", context={BASE: root})
    for file in spec.files():
        if file.name.endswith(NIFTI) and SUBJECT not in str(file):
            check_nifti_file(file)
    return spec


def written_out(parts: Sequence[Region]) -> list[Any]:
    """The specifications of regions, to stand inside that of another."""
    return [region.spec or {"mask": region.mask_path} for region in parts]


def digest_of(spec: RegionSpec, root: Path) -> str:
    """Of the mask's bytes for a plain mask, otherwise of the specification and the bytes of its files.

    A file whose path holds ``{subject}`` counts by its name alone: each fit keeps the digest of its own.
    """
    if isinstance(spec, MaskSpec) and spec.to_json().keys() == {"kind", "path"}:
        return digest_file(spec.mask) if SUBJECT not in str(spec.mask) else digest_json(spec.to_json())
    files = {file.name: digest_file(file) for file in spec.files() if SUBJECT not in str(file)}
    return digest_json({"spec": spec.to_json(), "files": files})


def check_unchanged(region: Region) -> None:
    """``DigestMismatch`` when a file of the region is no longer what it was when the region was added."""
    root = Path(region.dataset.root)
    found = digest_of(read_value(region.value, root), root)
    if found != region.mask_digest:
        raise DigestMismatch(region.mask_path or region.name, region.mask_digest, found)


def labels_of(table: str, root: Path) -> dict[int, str]:
    """Number -> name of the areas in a label table on this server.

    :raises InputError: not a label table, or a file of another kind.
    """
    path = root / table
    if not path.name.lower().endswith(TABLES) or not os.path.isfile(path):
        raise InputError(
            table, "is not a label table on this server", f"a file ending in {', '.join(TABLES)}"
        )
    return label_table(path)


def check_labels(spec: RegionSpec) -> None:
    """``InputError`` for a name that the label table does not have: said at once, not in the middle of a
    fit."""
    names = [label for label in spec.labels if isinstance(label, str)] if isinstance(spec, AtlasSpec) else []
    if not isinstance(spec, AtlasSpec) or spec.table is None or not names:
        return
    known = {name.lower() for name in label_table(spec.table).values()}
    for name in names:
        if name.lower() not in known:
            near = [one for one in sorted(known) if name.lower() in one][:4] or sorted(known)[:4]
            raise InputError("labels", f"{name} is not in {spec.table.name}", f"such as {', '.join(near)}")


def in_words(region: Region) -> str:
    """One line for lists and pages."""
    if region.kind == choices.WEIGHTS_ONLY:
        return "weights alone"
    if region.parts:
        word = " ∪ " if region.kind == "union" else " without "
        said = word.join(region.parts)
    else:
        said = _of_file(region)
    side = region.spec.get("side") if isinstance(region.spec, Mapping) else None
    return f"{said}, {side} side" if side else said


def _of_file(region: Region) -> str:
    spec = region.spec
    if region.kind == "atlas":
        labels = spec["labels"] if isinstance(spec["labels"], list) else [spec["labels"]]
        return f"{_short(region.dataset, spec['atlas'])}: {', '.join(map(str, labels))}"
    if region.kind == "map":
        signs = {"above": ">", "below": "<"}
        limits = " and ".join(f"{sign} {spec[key]:g}" for key, sign in signs.items() if key in spec)
        return f"{_short(region.dataset, spec['map'])} {limits}"
    return region.shown_mask


def _short(dataset: Dataset, path: str) -> str:
    return path.removeprefix(f"{dataset.root}/")
