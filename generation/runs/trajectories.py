"""Looking for trajectories: readers are loaded, pictures drawn until levels are met, a report written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from almond.diagnosis.diagnose import guide_of
from almond.diagnosis.readers import TargetReader
from almond.generating.drawn import DrawnPictures
from almond.generating.people import usual_reader
from almond.guidance.backends.load import load_generator
from almond.progress import Part
from almond.trajectories.find import TrajectoryFindings, TrajectoryRequest, find_trajectories
from almond.trajectories.report import write_trajectories
from generation.models import TrajectorySet
from generation.runs.diagnosis import Readers
from generation.services.trajectories import ChosenPicture, finish_trajectories
from generation.trajectories import trajectory_root
from jobs.services.execution import RunningJob


class TrajectoryReaders(Readers):
    """The readers of trajectories: the guides as they are stored, for they choose the pictures that are kept;
    judges that are there, or the subjects who do not guide."""

    def _left_out(
        self, guiding: Sequence[str], fitted: Sequence[str]
    ) -> tuple[list[TargetReader], list[str]]:
        others = [subject for subject in fitted if subject not in guiding]
        guide = self._stored(self.guides, "guide")
        if not others:
            return [guide], ["There is no held-out reader: everybody whose encoders are here guides."]
        remark = f"The judge was made of sub-{', sub-'.join(others)}, who did not guide."
        return [guide, self._of(others, "the other subjects", "judge")], [remark]


def trace(job: RunningJob) -> dict[str, Any]:
    """Look for trajectories; pictures of an attempt that was stopped are kept and not drawn again."""
    row = TrajectorySet.objects.get(pk=job.arguments["trajectories"])
    if row.is_ready:
        return {"reached": row.result["reached"]}
    plan = row.trajectory_plan()
    job.report(0.0, "loading the generator and the targets")
    generator = load_generator(plan.generator)
    readers, remarks = TrajectoryReaders(row, Part(job, 0.0, 0.05)).make()
    guide = guide_of(readers)
    request = TrajectoryRequest(
        generator=plan.generator,
        prompts=plan.prompts,
        seeds=plan.seeds,
        targets=tuple(guide.scorer.names[column] for column in guide.columns),
        window=plan.window,
        ramp=plan.ramp,
        steps=plan.steps,
        rule=plan.rule,
        settings=plan.trajectory,
        people=usual_reader(plan.generator),
    )
    keep = trajectory_root() / f"pictures-{row.pk}"
    findings = find_trajectories(
        request, generator=generator, readers=readers, keep=keep, progress=Part(job, 0.05, 0.95)
    )
    folder = f"trajectories-{row.pk}"
    result = write_trajectories(findings, trajectory_root() / folder)
    finish_trajectories(
        trajectories=row,
        folder=folder,
        result={name: result[name] for name in ("headline", "reached", "share_within", "trajectories")},
        chosen=chosen_pictures(findings, DrawnPictures(keep, generator, guide.scorer)),
        by=job.job.requested_by,
    )
    for sentence in [*remarks, *findings.headline]:
        job.log(sentence)
    return {"reached": findings.reached}


def chosen_pictures(findings: TrajectoryFindings, pictures: DrawnPictures) -> list[ChosenPicture]:
    """List the pictures of all steps with their bytes, those of one trajectory after the other."""
    return [
        ChosenPicture(step.record, pictures.png(step.record))
        for row in findings.trajectories
        for step in row.steps
    ]
