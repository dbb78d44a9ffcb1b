"""The folder that ``generate`` writes: every image beside a record of all that it came from.

``generation.json`` says what is made there: generator and targets by digest, and the recipes. Each finished
image is ``images/<recipe digest>.png`` with ``images/<recipe digest>.json``, which is written after it: an
image without its record is made again. ``scores.csv`` has one row per image. Shards of a configuration share
a folder or are merged by :func:`merge_generated`; whatever was made with other weights is refused. Light: no
torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from almond.digest import canonical_json, digest_bytes, digest_json, printed_json
from almond.errors import DigestMismatch, InputError
from almond.files.folders import visible
from almond.files.writing import write_atomically
from almond.guidance.recipe import Recipe

MANIFEST, IMAGES, SCORES = "generation.json", "images", "scores.csv"
MANIFEST_FORMAT = "almond-generation/1"
RECORD_FORMAT = "almond-generated/1"


@dataclass(frozen=True)
class Manifest:
    """What a folder is for: the digests of generator, guides and judges, and of all recipes together.

    ``batch``: how many images are computed together, where it is not the generator's own number.
    """

    generator: str
    generator_digest: str
    targets: Mapping[str, str]
    judges: Mapping[str, str]
    images: int
    recipes: str
    batch: int | None = field(default=None, compare=False)

    def to_json(self) -> dict[str, Any]:
        batch = {} if self.batch is None else {"batch": self.batch}
        return {
            "format": MANIFEST_FORMAT,
            "generator": self.generator,
            "generator_digest": self.generator_digest,
            "targets": dict(self.targets),
            "judges": dict(self.judges),
            "images": self.images,
            "recipes": self.recipes,
            **batch,
        }

    @property
    def score_digests(self) -> dict[str, str]:
        return {**self.targets, **self.judges}

    def refuse_other(self, other: Manifest, where: object) -> None:
        """Raise unless ``other``, which stands at ``where``, is this very one.

        :raises DigestMismatch: the generator or a target of the same name is another version.
        :raises InputError: other targets or other recipes.
        """
        if other.generator_digest != self.generator_digest:
            what = f"{where}: generator {other.generator}"
            raise DigestMismatch(what, self.generator_digest, other.generator_digest)
        for name, digest in other.score_digests.items():
            if self.score_digests.get(name, digest) != digest:
                raise DigestMismatch(f"{where}: target {name}", self.score_digests[name], digest)
        if other != self:
            raise InputError(where, "was begun from another configuration", "the same one, or another folder")


def read_manifest(folder: Path) -> Manifest:
    """Read what a folder is for; an ``InputError`` where it is no folder of ``generate``."""
    values = _json_of(folder / MANIFEST, MANIFEST_FORMAT)
    try:
        return Manifest(**values)
    except TypeError as error:
        raise InputError(folder / MANIFEST, f"is damaged ({error})", MANIFEST_FORMAT) from error


def begin_folder(folder: Path, manifest: Manifest) -> None:
    """Write what the folder is for, or check that it is for the same."""
    if (folder / MANIFEST).is_file():
        manifest.refuse_other(read_manifest(folder), folder)
    else:
        write_atomically(folder / MANIFEST, printed_json(manifest.to_json()).encode())


@dataclass(frozen=True)
class ImageRecord:
    """One finished image: its recipe, what it is for, the digest of its bytes, scores, features and trace,
    its ``likeness`` to the photograph that it was made of, and what a search recorded, if any."""

    recipe: Recipe
    intended_target: str
    objective: str
    image_sha256: str
    width: int
    height: int
    scores: Mapping[str, float]
    score_digests: Mapping[str, str]
    lowlevel: Mapping[str, float]
    trace: Sequence[Mapping[str, Any]]
    likeness: Mapping[str, float] = field(default_factory=dict)
    searched: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The digest of the recipe, under which the image lies."""
        return self.recipe.digest

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values with their own digest as ``record_digest``."""
        values = {
            "format": RECORD_FORMAT,
            "recipe": self.recipe.to_json(),
            "intended_target": self.intended_target,
            "objective": self.objective,
            "image_sha256": self.image_sha256,
            "width": self.width,
            "height": self.height,
            "scores": dict(self.scores),
            "score_digests": dict(self.score_digests),
            "lowlevel": dict(self.lowlevel),
            "trace": [dict(step) for step in self.trace],
        }
        later = {"likeness": dict(self.likeness), "searched": dict(self.searched)}
        values.update({name: value for name, value in later.items() if value})
        return {**values, "record_digest": digest_json(values)}

    def row(self) -> dict[str, Any]:
        """Return one row of the table of scores."""
        recipe = self.recipe
        return {
            "image": f"{IMAGES}/{self.name}.png",
            "prompt": recipe.prompt,
            "seed": recipe.seed,
            "intended_target": self.intended_target,
            "objective": self.objective,
            "rule": recipe.rule if recipe.guided else "",
            "direction": recipe.direction,
            "strength": recipe.strength,
            "window_low": recipe.window[0],
            "window_high": recipe.window[1],
            "image_sha256": self.image_sha256,
            "recipe_digest": self.name,
            **{f"score_{name}": value for name, value in self.scores.items()},
            **{f"likeness_{name}": value for name, value in self.likeness.items()},
            **self.lowlevel,
        }


def write_record(folder: Path, record: ImageRecord, png: bytes) -> None:
    """Write the image, then its record: a record never names bytes that are not there."""
    write_atomically(folder / IMAGES / f"{record.name}.png", png)
    write_atomically(folder / IMAGES / f"{record.name}.json", canonical_json(record.to_json()))


def read_record(folder: Path, name: str, manifest: Manifest) -> tuple[ImageRecord, bytes]:
    """Read a record and its image's bytes, verified against their digests and those of the folder.

    :raises DigestMismatch: bytes, record, generator or a target are not what was recorded.
    :raises InputError: a file is missing or no record.
    """
    path = folder / IMAGES / f"{name}.json"
    values = _json_of(path, RECORD_FORMAT, keep_format=True)
    recorded = str(values.pop("record_digest", ""))
    if digest_json(values) != recorded:
        raise DigestMismatch(path, recorded, digest_json(values))
    del values["format"]
    record = ImageRecord(**{**values, "recipe": Recipe.from_json(values["recipe"])})
    if record.name != name:
        raise DigestMismatch(path, name, record.name)
    if record.recipe.generator_digest != manifest.generator_digest:
        raise DigestMismatch(f"{path}: generator", manifest.generator_digest, record.recipe.generator_digest)
    for target, digest in manifest.score_digests.items():
        if record.score_digests.get(target) != digest:
            raise DigestMismatch(f"{path}: target {target}", digest, record.score_digests.get(target, "none"))
    try:
        png = path.with_suffix(".png").read_bytes()
    except OSError as error:
        raise InputError(
            path.with_suffix(".png"), f"cannot be read ({error.strerror})", "its image"
        ) from error
    if digest_bytes(png) != record.image_sha256:
        raise DigestMismatch(path.with_suffix(".png"), record.image_sha256, digest_bytes(png))
    return record, png


def read_generated(folder: Path) -> Iterator[tuple[ImageRecord, bytes]]:
    """Yield every finished image of a folder, verified, in the order of names."""
    manifest = read_manifest(folder)
    for name in finished(folder):
        yield read_record(folder, name, manifest)


def finished(folder: Path) -> list[str]:
    """List the recipe digests of the images that have a record, without reading them."""
    if not (folder / IMAGES).is_dir():
        return []
    return [path.stem for path in visible((folder / IMAGES).iterdir()) if path.suffix == ".json"]


def generated_folders(path: Path) -> tuple[Manifest, list[Path]]:
    """Find what ``generate`` wrote at a path: the folder itself, or shards in folders of their own inside it.

    :raises DigestMismatch: shards of another generator or target.
    :raises InputError: nothing of ``generate`` is there, or shards of another configuration.
    """
    if (path / MANIFEST).is_file():
        return read_manifest(path), [path]
    inside = visible(path.iterdir()) if path.is_dir() else []
    folders = [folder for folder in inside if (folder / MANIFEST).is_file()]
    if not folders:
        raise InputError(path, f"holds no {MANIFEST}", "a folder that `almond generate` wrote, or its shards")
    manifest = read_manifest(folders[0])
    for folder in folders[1:]:
        manifest.refuse_other(read_manifest(folder), folder)
    return manifest, folders


def merge_generated(folders: Sequence[Path], out: Path) -> tuple[int, Manifest]:
    """Copy the verified images of folders of one configuration into one; returns how many there are now.

    :raises DigestMismatch: one was made with another generator or target, or a file was changed.
    :raises InputError: one was begun from another configuration.
    """
    if not folders:
        raise InputError("folders", "none were given", "one or more folders of `generate`")
    manifest = read_manifest(folders[0])
    for folder in folders[1:]:
        manifest.refuse_other(read_manifest(folder), folder)
    begin_folder(out, manifest)
    there = set(finished(out))
    for folder in folders:
        for record, png in read_generated(folder):
            if record.name not in there:
                write_record(out, record, png)
    write_scores(out, finished(out), manifest)
    return len(finished(out)), manifest


def write_scores(folder: Path, names: Sequence[str], manifest: Manifest) -> pd.DataFrame:
    """Write the table of the images by these recipe digests, in their order, and return it."""
    table = pd.DataFrame([read_record(folder, name, manifest)[0].row() for name in names])
    write_atomically(folder / SCORES, table.to_csv(index=False).encode())
    return table


def _json_of(path: Path, expected: str, *, keep_format: bool = False) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read ({error})", f"a file of `generate`, {expected}") from error
    if not isinstance(values, dict) or values.get("format") != expected:
        raise InputError(path, "is of another format", expected)
    if not keep_format:
        del values["format"]
    return values
