"""Scores of images by targets, computed in a job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from encoder.models import Target
from generation.models import ImageSet, Stimulus
from generation.services.checks import check_distinct
from jobs.models import Job
from jobs.services import enqueue


@transaction.atomic
def start_scoring(*, image_set: ImageSet, targets: Iterable[Target], by: User | None) -> Job:
    """Score the images of a set by targets, in a job."""
    scoring = list(targets)
    if not scoring or not all(target.digest for target in scoring):
        raise InputError(
            "targets", "none, or one not yet made", "one or more targets whose weights have been made"
        )
    names = sorted(target.score_name for target in scoring)
    check_distinct(names)
    ids = sorted(target.pk for target in scoring)
    job = enqueue(
        kind="generation.score",
        arguments={"image_set": image_set.pk, "targets": ids},
        by=by,
        key=f"generation.score:{image_set.pk}:{'-'.join(map(str, ids))}",
    )
    record(verb="score", subject=image_set, by=by, targets=names)
    return job


def scoring_job(*, image_set: ImageSet) -> Job | None:
    """Return the newest scoring job of a set."""
    return (
        Job.objects.filter(kind="generation.score", arguments__image_set=image_set.pk).order_by("pk").last()
    )


@transaction.atomic
def keep_scores(*, stimulus: Stimulus, scores: Mapping[str, float], digests: Mapping[str, str]) -> Stimulus:
    """Add scores to an image's row, with the digests of the targets that gave them; other scores stay.

    :raises InputError: another target of the same name has scored it. Which one counts must not depend on the
        order of work.
    """
    current = Stimulus.objects.select_for_update().get(pk=stimulus.pk)
    for name, digest in digests.items():
        if current.score_digests.get(name, digest) != digest:
            raise InputError(
                current, f"was scored by another target called {name}", "targets of different names"
            )
    current.scores = {**current.scores, **scores}
    current.score_digests = {**current.score_digests, **digests}
    current.save(update_fields=["scores", "score_digests"])
    return current
