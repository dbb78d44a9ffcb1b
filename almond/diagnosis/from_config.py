"""A diagnosis of a configuration: generator, guides and judges loaded, or made of left-out subjects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from almond.diagnosis.checks.natural import FILM
from almond.diagnosis.configuration import DiagnosisConfig
from almond.diagnosis.diagnose import Diagnosis, diagnose
from almond.diagnosis.readers import TargetReader, WorldScorer, reader_of, split_by_subject
from almond.encoding.artifacts.catalogue import Stored, scan
from almond.generating.configuration import TargetSource
from almond.generating.sources import Sources, encoders_of, load_sources, reference_features_of
from almond.pictures.files import image_files
from almond.pictures.reading import read_image
from almond.progress import Progress
from almond.targets.scorer import Scorer
from almond.typing import Floats, ImageArray


def diagnose_config(config: DiagnosisConfig, progress: Progress) -> Diagnosis:
    """Diagnose what a configuration describes; pictures are kept in its ``output``.

    :raises InputError: a part of it cannot be loaded or driven.
    """
    progress.report(0.0, "loading")
    sources = load_sources(config)
    readers, remarks = readers_of_config(config, sources)
    section = config.diagnosis
    folders = {"natural pictures": section.natural, FILM: section.film}
    return diagnose(
        config.diagnosis_settings(),
        generator=sources.generator,
        readers=readers,
        keep=config.output,
        progress=progress,
        others={name: _read(folder) for name, folder in folders.items() if folder is not None},
        remarks=remarks,
    )


def _read(folder: Path) -> list[ImageArray]:
    return [read_image(path) for path in image_files(folder)]


def readers_of_config(config: DiagnosisConfig, sources: Sources) -> tuple[list[TargetReader], list[str]]:
    """Load the guide, the judge and single subjects, with remarks on what was made.

    Without judges, the encoders of subjects who do not guide judge; where everybody guides, the first half
    guides instead. Targets from files do not say whose they are: they have the judges that are named.
    """
    names = [target.name for target in sources.guides]
    people = _subjects(config, config.targets)
    guide = reader_of("guide", "guide", Scorer(sources.space, sources.guides), names, subjects=people)
    if config.diagnosis.world_judge:
        judge = reader_of("the world's held-out network", "judge", WorldScorer(names), names)
        return [guide, judge], []
    if config.judges:
        judging = _subjects(config, config.judges)
        scorer = Scorer(sources.space, sources.judges)
        return [guide, reader_of("judge", "judge", scorer, names, subjects=judging)], []
    if people is None:
        return [guide], ["There is no held-out reader: no judges were named, and targets come from files."]
    return _left_out(config, sources, guide, people)


def _encoders(config: DiagnosisConfig, sources: Sequence[TargetSource]) -> dict[str, list[Stored]]:
    """Map each target to the encoders that it is made of."""
    if config.encoders is None:
        return {}
    stored = scan(config.encoders)
    return {source.name: encoders_of(source, stored, config.encoders) for source in sources if source.region}


def _subjects(config: DiagnosisConfig, sources: Sequence[TargetSource]) -> list[str] | None:
    """List the subjects whose encoders targets are made of; None where one comes from a file."""
    made = _encoders(config, sources)
    if len(made) < len(sources):
        return None
    return sorted({encoder.subject for encoders in made.values() for encoder in encoders})


def _left_out(
    config: DiagnosisConfig, sources: Sources, guide: TargetReader, people: Sequence[str]
) -> tuple[list[TargetReader], list[str]]:
    everybody = [source.model_copy(update={"subjects": ()}) for source in config.targets]
    artifacts = {
        name: [stored.load() for stored in encoders]
        for name, encoders in _encoders(config, everybody).items()
    }
    fitted = {artifact.subject for of_region in artifacts.values() for artifact in of_region}
    if len(fitted) < 2 or config.reference is None:
        return [guide], ["There is no held-out reader: one subject's encoders cannot judge themselves."]
    features = reference_features_of(config.reference, sources.space)
    others = sorted(fitted - set(people))
    reference: Floats = features.astype(float)
    split = split_by_subject(sources.space, artifacts, reference, guides=people if others else None)
    if others:
        remark = f"The judge was made of sub-{', sub-'.join(others)}, who did not guide."
        return [guide, split.judge, *split.subjects], [remark]
    return [split.guide, split.judge, *split.subjects], [
        "The guides are made of everybody, so that nobody is left to judge. Here guides were made anew of "
        f"sub-{', sub-'.join(sorted(split.guide.subjects or ()))}: the verdict is about these guides."
    ]
