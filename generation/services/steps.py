"""Pictures over the steps of their diffusion: computed when somebody asks, in a job."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import record
from almond.attribution.methods import DEFAULT_METHOD, METHODS
from almond.errors import InputError
from almond.guidance.methods import declared
from almond.guidance.recipe import Recipe as ImageRecipe
from almond.guidance.searches import SEARCHES
from encoder.models import Target
from generation.models import Stimulus
from generation.step_views import StepView
from jobs.services import enqueue

KIND = "generation.view_steps"

KEPT_DAYS = 30
"""Days for which step views are kept: they are computed again from the recipe whenever somebody asks."""


@transaction.atomic
def start_step_view(
    *, stimulus: Stimulus, target: str, by: User | None, method: str = DEFAULT_METHOD
) -> StepView:
    """Ask for a picture over its steps; one that is there already is returned, an unfinished one goes on.

    :param target: name of a score that the picture has.
    :raises InputError: a picture that was not generated or has no single trajectory, a score that it does not
        have, or one whose target is gone.
    """
    if not stimulus.recipe_json:
        raise InputError(stimulus, "was not generated here", "a generated picture")
    recipe = ImageRecipe.from_json(stimulus.recipe_json)
    if declared(SEARCHES, recipe.search).trajectory == "population":
        raise InputError(
            f"search {recipe.search}",
            "its candidates replace each other while they form",
            "a picture of another search",
        )
    METHODS.check(method)
    if target not in stimulus.score_digests:
        known = ", ".join(stimulus.score_digests) or "none"
        raise InputError("target", f"{target!r} did not score {stimulus}", f"one of its scores: {known}")
    targets_of(stimulus)
    row, _ = StepView.objects.select_for_update().get_or_create(
        stimulus=stimulus, target=target, method=method
    )
    if not row.is_ready and (row.job is None or not row.job.active):
        row.job = enqueue(kind=KIND, arguments={"step_view": row.pk}, by=by, key=f"{KIND}:{row.pk}")
        row.save(update_fields=["job"])
        record(verb="request", subject=row, by=by, target=target, method=method)
    return row


def targets_of(stimulus: Stimulus) -> list[Target]:
    """Return the targets that scored a picture, guides first, each by its number.

    :raises InputError: one of them is gone, or has other weights now.
    """
    found = []
    for name, digest in stimulus.score_digests.items():
        rows = Target.objects.ready().filter(digest=digest)
        row = next((row for row in rows if row.score_name == name), None)
        if row is None:
            raise InputError(f"target {name}", f"of digest {digest[:12]} is not here", "the one that scored")
        found.append(row)
    return sorted(found, key=lambda row: (row.role != Target.Role.GUIDE, row.pk))


@transaction.atomic
def finish_step_view(*, step_view: StepView, result: Mapping[str, Any], by: User | None) -> StepView:
    """Keep what the files say."""
    step_view.result, step_view.finished_at = dict(result), timezone.now()
    step_view.save(update_fields=["result", "finished_at"])
    record(verb="finish", subject=step_view, by=by, same=bool(result["same"]))
    return step_view


def prune_step_views(*, dry_run: bool = False) -> int:
    """Remove step views that were finished more than ``KEPT_DAYS`` ago, rows and files; returns how many."""
    until = timezone.now() - timedelta(days=KEPT_DAYS)
    rows = list(StepView.objects.filter(finished_at__lt=until))
    if not dry_run:
        for row in rows:
            path = row.path
            row.delete()
            shutil.rmtree(path, ignore_errors=True)
    return len(rows)
