"""Finished images ranked by the score that they were guided to, screened, and laid out with provenance.

``ranked/<target>/`` holds the best images under names that sort, ``contact_sheet.png``, ``ranking.csv`` with
one row per candidate, and ``ranking.json``: what they were made with, what screened them and why others were
rejected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from almond.digest import printed_json
from almond.files.writing import new_folder, publish, write_atomically
from almond.generating.configuration import GenerationConfig, RankingSection
from almond.generating.folder import ImageRecord, Manifest, read_record
from almond.generating.people import NOT_CHECKED, SCENE_READERS, PeopleShare, same_people
from almond.pictures.reading import read_image
from almond.stimuli.images import contact_sheet, png_bytes
from almond.stimuli.quality import distance_to_prior, flaws, measure_quality
from almond.typing import ImageArray

RANKED, SHEET, TABLE, PROVENANCE = "ranked", "contact_sheet.png", "ranking.csv", "ranking.json"
RANKING_FORMAT = "almond-ranking/1"
LARGEST_SHEET = 8
SCENE_TAKEN = "another image of its scene scores further"


@dataclass(frozen=True, eq=False)
class ReadImage:
    """A finished image with its record and, where a reader was named, what that sees."""

    record: ImageRecord
    image: ImageArray
    png: bytes
    scene: Mapping[str, str]

    @property
    def place(self) -> tuple[str, int]:
        """Prompt and seed."""
        return self.record.recipe.prompt, self.record.recipe.seed


@dataclass(frozen=True)
class RankedTarget:
    """The ranking of one target: where it lies, how many were kept, and how many rejected by reason."""

    target: str
    folder: Path
    kept: int
    rejected: Mapping[str, int]


def read_finished(config: GenerationConfig, names: Sequence[str], manifest: Manifest) -> list[ReadImage]:
    """Read finished images by their recipe digests; the people in them too, if a reader is there."""
    records = [read_record(config.output, name, manifest) for name in names]
    images = [read_image(png, name=record.name) for record, png in records]
    reader = config.people_reader
    scenes: Sequence[Mapping[str, str]] = [{}] * len(images)
    if reader is not None and images:
        scenes = SCENE_READERS.load(reader)()(images)
    rows = zip(records, images, scenes, strict=True)
    return [ReadImage(record, image, png, scene) for (record, png), image, scene in rows]


def people_sentence(config: GenerationConfig, images: Sequence[ReadImage]) -> str:
    """Say which share of guided images kept the people of their scene, or that it was not checked."""
    if config.people_reader is None:
        return NOT_CHECKED
    bases = _bases(images)
    pairs = [
        (image, bases[image.place])
        for image in images
        if image.record.intended_target and image.place in bases
    ]
    same = sum(same_people(image.scene, base.scene) for image, base in pairs)
    return PeopleShare(config.people_reader, len(pairs), same).sentence


def _bases(images: Sequence[ReadImage]) -> dict[tuple[str, int], ReadImage]:
    """Map scenes to their unguided images."""
    return {image.place: image for image in images if not image.record.intended_target}


def rank_images(
    config: GenerationConfig, rank: RankingSection, images: Sequence[ReadImage], manifest: Manifest
) -> list[RankedTarget]:
    """Rank the images of every target and write the folder of each, in the place of an earlier one."""
    return [_rank_target(config, rank, images, manifest, source.name) for source in config.targets]


def _rank_target(
    config: GenerationConfig,
    rank: RankingSection,
    images: Sequence[ReadImage],
    manifest: Manifest,
    target: str,
) -> RankedTarget:
    candidates = [
        image
        for image in images
        if image.record.intended_target == target and image.record.recipe.direction == rank.towards
    ]
    candidates.sort(key=lambda image: (-rank.towards * image.record.scores[target], image.record.name))
    reasons = screened(candidates, _bases(images), rank)
    best = [image for image, reason in zip(candidates, reasons, strict=True) if not reason][: rank.keep]
    folder = config.output / RANKED / target
    kept = {image.record.name: number for number, image in enumerate(best, 1)}
    table = _table(candidates, reasons, kept, _bases(images))
    rejected = dict(Counter(reason for reason in reasons if reason))
    with new_folder(folder.parent) as scratch:
        for number, image in enumerate(best, 1):
            score = image.record.scores[target]
            write_atomically(scratch / f"{number:03d}_{score:+.2f}_{image.record.name[:12]}.png", image.png)
        if best:
            sheet = contact_sheet([image.image for image in best], LARGEST_SHEET)
            write_atomically(scratch / SHEET, png_bytes(sheet))
        write_atomically(scratch / TABLE, table.to_csv(index=False).encode())
        provenance = {
            "format": RANKING_FORMAT,
            "target": target,
            "settings": rank.model_dump(mode="json"),
            "reader_of_people": config.people_reader,
            "images": list(kept),
            "candidates": len(candidates),
            "rejected": rejected,
            "made_with": manifest.to_json(),
        }
        write_atomically(scratch / PROVENANCE, printed_json(provenance).encode())
        publish(scratch, folder, over=True)
    return RankedTarget(target, folder, len(best), rejected)


def screened(
    candidates: Sequence[ReadImage], bases: Mapping[tuple[str, int], ReadImage], rank: RankingSection
) -> list[str]:
    """Say of every candidate, the best first, why it is rejected; empty where it is not."""
    taken: Counter[tuple[str, int]] = Counter()
    reasons = []
    for image in candidates:
        reason = "" if rank.flawed else ", ".join(flaws(image.image))
        if not reason and rank.keep_people and not same_people(image.scene, bases[image.place].scene):
            reason = "other people"
        if not reason and taken[image.place] >= rank.per_scene:
            reason = SCENE_TAKEN
        if not reason:
            taken[image.place] += 1
        reasons.append(reason)
    return reasons


def _table(
    candidates: Sequence[ReadImage],
    reasons: Sequence[str],
    kept: Mapping[str, int],
    bases: Mapping[tuple[str, int], ReadImage],
) -> pd.DataFrame:
    """Tabulate every candidate: rank, reason of rejection, scores, quality, distance to unguided images."""
    unguided = [image.image for image in bases.values()]
    rows: list[dict[str, Any]] = []
    for image, reason in zip(candidates, reasons, strict=True):
        rows.append(
            {
                "rank": kept.get(image.record.name),
                "rejected": reason,
                **image.record.row(),
                **measure_quality(image.image),
                "distance_to_unguided": distance_to_prior(image.image, unguided) if unguided else None,
                **{f"read_{name}": value for name, value in image.scene.items()},
            }
        )
    return pd.DataFrame(rows).astype({"rank": "Int64"} if rows else {})
