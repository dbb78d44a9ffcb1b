"""Diagnose a guidance set-up before money is spent: one call, one report, a verdict with reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from almond import __version__
from almond.diagnosis.check import NotMeasured
from almond.diagnosis.checks import CHECKS
from almond.diagnosis.evidence import DiagnosisEvidence, gather
from almond.diagnosis.overall import CheckResult, OverallVerdict, overall_verdict
from almond.diagnosis.pictures import diagnosis_pictures, draw_pictures
from almond.diagnosis.readers import TargetReader, check_held_out
from almond.diagnosis.settings import DiagnosisSettings
from almond.encoding.features.space import FeatureSpace
from almond.errors import InputError
from almond.guidance.backends.base import Generator
from almond.progress import Part, Progress
from almond.typing import ImageArray

KIND = "almond-diagnosis"
FORMAT = f"{KIND}/1"


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """Everything found; ``data`` is what result.json holds, ``evidence`` what it was computed from."""

    data: dict[str, Any]
    answers: Mapping[str, CheckResult]
    overall: OverallVerdict
    evidence: DiagnosisEvidence = field(repr=False)

    @property
    def headline(self) -> list[str]:
        """The verdict, what is alarming, and the reasons."""
        return [self.overall.sentence, *self.overall.alarms, *self.overall.reasons]


def diagnose(
    settings: DiagnosisSettings,
    *,
    generator: Generator,
    readers: Sequence[TargetReader],
    keep: Path,
    progress: Progress,
    space: FeatureSpace | None = None,
    others: Mapping[str, Sequence[ImageArray]] | None = None,
    remarks: Sequence[str] = (),
) -> Diagnosis:
    """Draw the pictures of a diagnosis, have them read, and make every check of ``CHECKS``.

    :param readers: one guide (a scorer of targets whose names become those of the report), at most one judge,
        and any number of single subjects and further networks.
    :param keep: folder of pictures by the digest of their recipe; those that are there are not drawn again.
    :param space: the feature space in which distances between pictures are measured; by default the guide's.
    :param others: sets of natural images by name; ``film frames`` are the encoders' own film.
    :param remarks: sentences for the report, such as how a judge was made.
    :raises InputError: no guide or several, a judge that guided, scores that are constant or not finite.
    """
    guide = guide_of(readers)
    targets = [guide.scorer.names[column] for column in guide.columns]
    known: Mapping[str, str] = getattr(guide.scorer, "digests", {})
    planned = diagnosis_pictures(settings, generator, {target: known.get(target, "") for target in targets})
    images = draw_pictures(
        planned, generator=generator, scorer=guide.scorer, keep=keep, progress=Part(progress, 0.0, 0.8)
    )
    evidence = gather(
        planned,
        images,
        readers,
        settings,
        targets=targets,
        space=space if space is not None else getattr(guide.scorer, "feature_space", None),
        others=others or {},
        progress=Part(progress, 0.8, 0.88),
    )
    answers = make_checks(evidence, Part(progress, 0.88, 1.0))
    overall = overall_verdict(answers)
    data = _result(evidence, answers, overall, known)
    data["remarks"] = list(remarks)
    data["provenance"]["generator"] = {"name": settings.generator, "digest": generator.digest}
    diagnosis = Diagnosis(data, answers, overall, evidence)
    data["headline"] = diagnosis.headline
    progress.report(1.0, overall.sentence)
    return diagnosis


def guide_of(readers: Sequence[TargetReader]) -> TargetReader:
    """Return the guide among readers, of whom the judge took no part in guiding.

    :raises InputError: no guide or several, several judges, or a judge that guided.
    """
    guides = [reader for reader in readers if reader.role == "guide"]
    judges = [reader for reader in readers if reader.role == "judge"]
    if len(guides) != 1 or len(judges) > 1:
        raise InputError(
            "readers", f"{len(guides)} guides and {len(judges)} judges", "one guide, at most one judge"
        )
    for judge in judges:
        check_held_out(guides[0], judge)
    return guides[0]


def _result(
    evidence: DiagnosisEvidence,
    answers: Mapping[str, CheckResult],
    overall: OverallVerdict,
    digests: Mapping[str, str],
) -> dict[str, Any]:
    """Collect what result.json holds."""
    return {
        "format": FORMAT,
        "verdict": overall.verdict,
        "alarms": list(overall.alarms),
        "targets": list(evidence.targets),
        "settings": evidence.settings.model_dump(mode="json"),
        "readers": [_reader_json(reader) for reader in evidence.readers.values()],
        "pictures": {str(k): int(v) for k, v in evidence.table["purpose"].value_counts().items()},
        "natural": {name: len(images) for name, images in evidence.others.items()},
        "checks": {name: answer.to_json() for name, answer in answers.items()},
        "provenance": {
            "targets": {target: digests.get(target, "") for target in evidence.targets},
            "code": f"almond {__version__}",
        },
    }


def make_checks(evidence: DiagnosisEvidence, progress: Progress) -> dict[str, CheckResult]:
    """Make every check; one that cannot be made says why."""
    answers = {}
    for number, name in enumerate(CHECKS):
        check = CHECKS.load(name)
        part = Part(progress, number / len(CHECKS.names()), (number + 1) / len(CHECKS.names()))
        part.report(0.0, check.title)
        try:
            answers[name] = CheckResult(check, check.run(evidence, part))
        except NotMeasured as reason:
            answers[name] = CheckResult(check, None, str(reason))
    return answers


def _reader_json(reader: TargetReader) -> dict[str, Any]:
    return {
        "name": reader.name,
        "role": reader.role,
        "subjects": None if reader.subjects is None else sorted(reader.subjects),
        "features": reader.features,
    }
