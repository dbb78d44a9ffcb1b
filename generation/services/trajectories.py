"""Trajectories: asked for, looked for in a job, kept with their pictures as a batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from almond.generating.folder import ImageRecord
from almond.trajectories.settings import TrajectoryPlan
from encoder.models import Target
from generation.models import Batch, TrajectorySet
from generation.services.batches import keep_generated
from generation.services.checks import check_recipe
from generation.services.diagnoses import check_judges, held_out_judges
from jobs.services import enqueue

TRACE = "generation.trace"
MOST_DRAWN = 5000


@dataclass(frozen=True)
class ChosenPicture:
    """A picture of a trajectory: its record and its bytes."""

    record: ImageRecord
    png: bytes


@transaction.atomic
def start_trajectories(
    *,
    name: str,
    targets: Iterable[Target],
    plan: TrajectoryPlan,
    by: User | None,
    judges: Iterable[Target] | None = None,
) -> TrajectorySet:
    """Ask for trajectories of guides, and look for them in a job.

    :param judges: held-out targets, one for each guide and of the same name; None is those of the guides'
        encoders, if nobody in them guides.
    :raises InputError: names what is wrong with targets, judges or plan.
    """
    guides = list(targets)
    check_trajectories(guides=guides, plan=plan)
    readers = held_out_judges(guides) if judges is None else list(judges)
    check_judges(guides, readers)
    row = TrajectorySet.objects.create(name=name, plan=plan.model_dump(mode="json"))
    row.targets.set(guides)
    row.judges.set(readers)
    record(verb="request", subject=row, by=by, targets=[target.name for target in guides])
    return _enqueue(row, by)


def check_trajectories(*, guides: Sequence[Target], plan: TrajectoryPlan) -> None:
    """Check guides and plan together.

    :raises InputError: what a recipe of these would be refused for; guides of several feature spaces; a
        budget of more pictures than ``MOST_DRAWN``.
    """
    for prompt in plan.prompts:
        check_recipe(
            prompt=prompt,
            generator=plan.generator,
            seeds=plan.seeds,
            targets=guides,
            strengths=plan.trajectory.strengths,
            window=plan.window,
            ramp=plan.ramp,
            steps=plan.steps,
            rule=plan.rule,
            objective="level",
            settings={},
        )
    if len({target.encoder.feature_space_id for target in guides}) > 1:
        raise InputError("targets", "belong to several feature spaces", "guides of one feature space")
    most = len(plan.prompts) * len(plan.seeds) * len(guides) * plan.trajectory.budget
    if most > MOST_DRAWN:
        raise InputError("budget", f"allows {most} pictures in all", f"at most {MOST_DRAWN}: fewer scenes")


@transaction.atomic
def resume_trajectories(*, trajectories: TrajectorySet, by: User | None) -> TrajectorySet:
    """Go on after a failed or cancelled job, at the first missing picture.

    :raises InputError: they are finished.
    """
    if trajectories.is_ready:
        raise InputError(trajectories, "is finished", "trajectories that failed or were cancelled")
    record(verb="resume", subject=trajectories, by=by)
    return _enqueue(trajectories, by)


def _enqueue(row: TrajectorySet, by: User | None) -> TrajectorySet:
    row.job = enqueue(kind=TRACE, arguments={"trajectories": row.pk}, by=by, key=f"{TRACE}:{row.pk}")
    row.save(update_fields=["job"])
    return row


@transaction.atomic
def finish_trajectories(
    *,
    trajectories: TrajectorySet,
    folder: str,
    result: Mapping[str, Any],
    chosen: Sequence[ChosenPicture],
    by: User | None,
) -> TrajectorySet:
    """Keep the report, and the chosen pictures as a batch, so that they can be scored, matched and shown."""
    name = f"Trajectories {trajectories.pk}: {trajectories.name}"[:120]
    different = {picture.record.name: picture for picture in chosen}
    batch = Batch.objects.create(name=name, planned=len(different))
    for picture in different.values():
        drawn = picture.record
        keep_generated(
            batch=batch,
            png=picture.png,
            size=(drawn.width, drawn.height),
            recipe_json=drawn.recipe.to_json(),
            recipe_digest=drawn.name,
            target=drawn.intended_target,
            scores=drawn.scores,
            score_digests=drawn.score_digests,
            lowlevel=drawn.lowlevel,
            trace=drawn.trace,
            by=by,
        )
    trajectories.folder, trajectories.result, trajectories.batch = folder, dict(result), batch
    trajectories.finished_at = timezone.now()
    trajectories.save(update_fields=["folder", "result", "batch", "finished_at"])
    record(verb="finish", subject=trajectories, by=by, reached=result["reached"], pictures=len(different))
    return trajectories
