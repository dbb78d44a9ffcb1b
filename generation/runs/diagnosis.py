"""Diagnosing a guidance set-up: readers are loaded or made, pictures drawn and read, a report written."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from almond.diagnosis.checks.natural import FILM
from almond.diagnosis.diagnose import diagnose
from almond.diagnosis.readers import TargetReader, reader_of
from almond.diagnosis.report import write_diagnosis
from almond.encoding.features.space import FeatureSpace
from almond.guidance.backends.load import load_generator
from almond.pictures.files import image_files
from almond.pictures.reading import read_image
from almond.progress import Part
from almond.targets.scorer import Scorer
from almond.targets.target import load_target
from almond.typing import ImageArray
from encoder.models import EncoderVersion, Target
from encoder.runs.features import load_features
from encoder.runs.targets import FloatMatrix, reference_features, weigh
from generation.diagnoses import Diagnosis, diagnosis_root, picture_root
from generation.models import TrajectorySet
from generation.services.diagnoses import finish_diagnosis
from jobs.services.execution import RunningJob

MOST_NATURAL = 200
"""Natural pictures and frames that are scored; more are thinned out evenly."""

PHOTOGRAPHS = "photographs"


def diagnose_setup(job: RunningJob) -> dict[str, Any]:
    """Diagnose a set-up; pictures of an attempt that was stopped are kept and not drawn again."""
    row = Diagnosis.objects.get(pk=job.arguments["diagnosis"])
    if row.is_ready:
        return {"verdict": row.verdict}
    settings = row.diagnosis_settings()
    job.report(0.0, "loading the generator and the targets")
    generator = load_generator(settings.generator)
    readers, remarks = Readers(row, Part(job, 0.0, 0.1)).make()
    for remark in remarks:
        job.log(remark)
    diagnosis = diagnose(
        settings,
        generator=generator,
        readers=readers,
        keep=picture_root(),
        progress=Part(job, 0.1, 0.97),
        others=natural_images(row, job),
        remarks=remarks,
    )
    folder = f"diagnosis-{row.pk}"
    write_diagnosis(diagnosis, diagnosis_root() / folder)
    finish_diagnosis(
        diagnosis=row,
        folder=folder,
        verdict=diagnosis.overall.verdict,
        result={name: diagnosis.data[name] for name in ("headline", "alarms", "checks")},
        pictures=sorted(set(diagnosis.evidence.table["recipe_digest"])),
        by=job.job.requested_by,
    )
    for sentence in diagnosis.headline:
        job.log(sentence)
    return {"verdict": diagnosis.overall.verdict}


class Readers:
    """The readers of a diagnosis: the guides as they are, judges that are there or are made of left-out
    subjects, and every fitted subject alone."""

    def __init__(self, row: Diagnosis | TrajectorySet, part: Part) -> None:
        self.row, self.part = row, part
        self.guides = list(row.targets.order_by("pk"))
        self.space: FeatureSpace = load_features(self.guides[0].encoder.feature_space)
        self.names = [guide.name for guide in self.guides]
        self.references: dict[str, FloatMatrix] = {}

    def make(self) -> tuple[list[TargetReader], list[str]]:
        """Make all readers, with remarks on what was made."""
        guiding = sorted({subject for guide in self.guides for subject in guide.subjects})
        fitted = self._fitted()
        judges = list(self.row.judges.all())
        if judges:
            held_out = {subject for judge in judges for subject in judge.subjects}
            made = [self._stored(self.guides, "guide"), self._stored(judges, "judge", sorted(held_out))]
            remarks: list[str] = []
        else:
            made, remarks = self._left_out(guiding, fitted)
        singles = [self._of([subject], f"sub-{subject}", "subject") for subject in fitted]
        return [*made, *singles], remarks

    def _left_out(
        self, guiding: Sequence[str], fitted: Sequence[str]
    ) -> tuple[list[TargetReader], list[str]]:
        """Make a judge by leaving subjects out; where all of them guide, the first half guides instead."""
        others = [subject for subject in fitted if subject not in guiding]
        if others:
            made = [self._stored(self.guides, "guide"), self._of(others, "the other subjects", "judge")]
            return made, [f"The judge was made of sub-{', sub-'.join(others)}, who did not guide."]
        if len(fitted) < 2:
            return [self._stored(self.guides, "guide")], [
                "There is no held-out reader: the guides are made of everybody whose encoders are here. Fit "
                "further subjects, or add judges of subjects who do not guide."
            ]
        half = len(fitted) // 2
        guiding, judging = list(fitted[:half]), list(fitted[half:])
        made = [self._of(guiding, "guide", "guide"), self._of(judging, "the other subjects", "judge")]
        return made, [
            "The guides are made of everybody, so that nobody is left to judge. Here guides were made anew "
            f"of sub-{', sub-'.join(guiding)}, and sub-{', sub-'.join(judging)} judge: the verdict is about "
            "these guides."
        ]

    def _fitted(self) -> list[str]:
        """List the subjects for whom every region of every guide is fitted; none for axes between images."""
        subjects: set[str] | None = None
        for guide in self.guides:
            for region in guide.coefficients:
                versions = EncoderVersion.objects.filter(encoder=guide.encoder, region__name=region)
                found = set(versions.values_list("subject", flat=True))
                subjects = found if subjects is None else subjects & found
            if not guide.coefficients:
                return []
        return sorted(subjects or ())

    def _stored(
        self, rows: Sequence[Target], role: Any, subjects: Sequence[str] | None = None
    ) -> TargetReader:
        """Read targets that are stored, each checked against its digest."""
        scorer = Scorer(self.space, [load_target(Path(row.path)) for row in rows])
        people = subjects if subjects is not None else sorted({s for row in rows for s in row.subjects})
        name = "guide" if role == "guide" else "judge"
        return reader_of(name, role, scorer, self.names, subjects=people or None)

    def _of(self, subjects: Sequence[str], name: str, role: Any) -> TargetReader:
        """Weigh the guides' regions anew over some subjects."""
        targets = []
        for guide in self.guides:
            self.part.report(0.5, f"weights of {name}")
            changed = copy.copy(guide)
            changed.subjects = list(subjects)
            targets.append(weigh(changed, self._reference(guide)))
        return reader_of(name, role, Scorer(self.space, targets), self.names, subjects=subjects)

    def _reference(self, guide: Target) -> FloatMatrix:
        key = repr(sorted(guide.reference.items()))
        if key not in self.references:
            self.references[key] = reference_features(guide, self.part)
        return self.references[key]


def natural_images(row: Diagnosis, job: RunningJob) -> dict[str, list[ImageArray]]:
    """Read the natural pictures and the film frames of a diagnosis, at most ``MOST_NATURAL`` of each."""
    sets: dict[str, list[Path]] = {}
    if row.image_set is not None:
        sets[PHOTOGRAPHS] = [image.path for image in row.image_set.stimuli.order_by("pk")]
    if row.film_folder:
        sets[FILM] = list(image_files(Path(row.film_folder)))
    read: dict[str, list[ImageArray]] = {}
    for name, paths in sets.items():
        every = -(-len(paths) // MOST_NATURAL) or 1
        read[name] = [read_image(path) for path in paths[::every]]
        if every > 1:
            job.log(f"{name}: every {every}. of {len(paths)} is scored")
    return read
