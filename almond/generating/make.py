"""Making the images of a configuration, all or one shard of them; what is there already is not made again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from almond.digest import digest_bytes, digest_json
from almond.errors import InputError
from almond.generating.configuration import GenerationConfig
from almond.generating.expand import Planned
from almond.generating.folder import (
    MANIFEST,
    ImageRecord,
    Manifest,
    begin_folder,
    finished,
    read_manifest,
    read_record,
    write_record,
    write_scores,
)
from almond.generating.ranking import people_sentence, rank_images, read_finished
from almond.generating.sources import Sources, load_sources
from almond.guidance.backends.device import read_device
from almond.guidance.batch_size import budget_of, guided_step, largest_batch, measure_on
from almond.guidance.sampler import Generated, generate
from almond.progress import Progress
from almond.stimuli.images import png_bytes


@dataclass(frozen=True)
class Shard:
    """Part ``number`` of ``count`` (from 1): whole scenes, so that each is drawn in one place."""

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise InputError("--shard", f"is {self.number}/{self.count}", "i/n with 1 <= i <= n")

    def of(self, planned: Sequence[Planned]) -> list[Planned]:
        """Return the images of this share: every ``count``-th scene."""
        scenes: dict[tuple[str, int], int] = {}
        for image in planned:
            scenes.setdefault((image.recipe.prompt, image.recipe.seed), len(scenes))
        return [
            image
            for image in planned
            if scenes[image.recipe.prompt, image.recipe.seed] % self.count == self.number - 1
        ]


@dataclass(frozen=True)
class ShardReport:
    """How many images a shard has, how many of them were made now, and how many of all are there.

    ``remarks`` say what became of the people in them, and where rankings lie.
    """

    folder: Path
    images: int
    made: int
    there: int
    planned: int
    remarks: tuple[str, ...] = ()


def generate_shard(config: GenerationConfig, shard: Shard, progress: Progress) -> ShardReport:
    """Make what is missing of a shard in the configuration's output folder, then write the table of scores.

    Each image is stored once it is made, so that stopped work goes on at the first missing one. The bytes of
    an image follow from its recipe, also then.

    :raises DigestMismatch: the folder holds images of another generator or target, or a file was changed.
    :raises InputError: a part of the configuration cannot be loaded or driven; images before it are whole.
    """
    progress.report(0.0, "loading")
    sources = load_sources(config)
    planned = sources.planned(config)
    if config.batch == "auto":
        progress.report(0.0, "measuring how many images memory holds")
    manifest = manifest_of(sources, planned, batch_of(config, sources, planned))
    begin_folder(config.output, manifest)
    mine, there = shard.of(planned), set(finished(config.output))
    missing = []
    for image in mine:
        if image.recipe.digest in there:
            read_record(config.output, image.recipe.digest, manifest)  # damaged or foreign ones are refused
        else:
            missing.append(image)
    for record, png in made_records(missing, sources, progress, manifest.batch):
        write_record(config.output, record, png)
    there = set(finished(config.output))
    in_order = [image.recipe.digest for image in planned if image.recipe.digest in there]
    write_scores(config.output, in_order, manifest)
    progress.report(1.0, f"{len(in_order)} of {len(planned)} images are there")
    remarks = looked_through(config, in_order, manifest, whole=len(in_order) == len(planned))
    return ShardReport(config.output, len(mine), len(missing), len(in_order), len(planned), tuple(remarks))


def looked_through(
    config: GenerationConfig, names: Sequence[str], manifest: Manifest, *, whole: bool
) -> list[str]:
    """Read the people in finished images and rank them, where a configuration asks for it; once all of them
    are there."""
    if config.people is None and config.rank is None:
        return []
    if not whole:
        return ["People are read and images ranked once every shard is there."]
    images = read_finished(config, names, manifest)
    remarks = [people_sentence(config, images)]
    if config.rank is None:
        return remarks
    for ranked in rank_images(config, config.rank, images, manifest):
        lost = ", ".join(f"{count} {reason}" for reason, count in ranked.rejected.items())
        remarks.append(
            f"{ranked.target}: the best {ranked.kept} are in {ranked.folder}; rejected: {lost or 'none'}"
        )
    return remarks


def batch_of(config: GenerationConfig, sources: Sources, planned: Sequence[Planned]) -> int | None:
    """Return how many images are computed together: as a folder was begun, as stated, or as memory holds.

    None is the generator's own number.

    :raises InputError: ``auto`` without a guided image, a budget, or a system that tells what is taken.
    """
    if config.batch is None:
        return None
    if (config.output / MANIFEST).is_file() and (begun := read_manifest(config.output).batch) is not None:
        return begun
    if isinstance(config.batch, int):
        return config.batch
    guided = next((image.recipe for image in planned if image.recipe.guided), None)
    if guided is None:
        raise InputError("batch", "is auto, and no image is guided", "a number of images")
    device = read_device()
    run = guided_step(sources.generator, sources.scorer, guided)
    return largest_batch(measure_on(device, run), budget_of(device, config.memory)).size


def manifest_of(sources: Sources, planned: Sequence[Planned], batch: int | None = None) -> Manifest:
    """Write down by digests what a configuration makes."""
    return Manifest(
        generator=sources.generator.name,
        generator_digest=sources.generator.digest,
        targets=sources.guide_digests,
        judges={target.name: target.digest for target in sources.judges},
        images=len(planned),
        recipes=digest_json([image.recipe.digest for image in planned]),
        batch=batch,
    )


def made_records(
    planned: Sequence[Planned], sources: Sources, progress: Progress, batch: int | None = None
) -> Iterator[tuple[ImageRecord, bytes]]:
    """Make images and yield the record and PNG of each, in their order."""
    if not planned:
        return
    scorer = sources.scorer
    images = generate(
        [image.recipe for image in planned],
        generator=sources.generator,
        scorer=scorer,
        progress=progress,
        batch=batch,
    )
    for image, made in zip(planned, images, strict=True):
        png = png_bytes(made.image)
        record = record_of(image, made, png, scorer.digests)
        yield replace(record, likeness=sources.likeness(made.recipe, made.image)), png


def record_of(planned: Planned, made: Generated, png: bytes, score_digests: dict[str, str]) -> ImageRecord:
    """Write the record of a finished image."""
    height, width = made.image.shape[:2]
    return ImageRecord(
        recipe=made.recipe,
        intended_target=planned.target,
        objective=planned.objective,
        image_sha256=digest_bytes(png),
        width=width,
        height=height,
        scores=made.scores,
        score_digests=score_digests,
        lowlevel=made.lowlevel,
        trace=made.trace,
        searched=made.searched,
    )
