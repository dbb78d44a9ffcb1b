"""The axes page: images of batches and sets on two axes of their scores, and pools chosen there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.contrib import admin, messages
from django.contrib.admin.views.decorators import staff_member_required
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from almond.axes.components import ScoreComponents, score_components
from almond.errors import InputError
from almond.typing import Floats
from encoder.models import Target
from generation.models import Batch, ImageSet, Stimulus, StimulusQuerySet
from generation.services import make_pool
from lab.append_only import actor

MOST_POINTS = 5000
FEWEST_UNGUIDED = 3


@dataclass(frozen=True, eq=False)
class AxisPlaces:
    """Axes by name with the place of every image along each (n, A), and what was said of them."""

    names: list[str]
    values: Floats
    remarks: list[str]


@staff_member_required
@require_GET
def axes(request: HttpRequest) -> HttpResponse:
    """Show the images of ``?batch=`` and ``?set=`` (each repeatable) on two axes; all batches without any."""
    if not request.user.has_perm("generation.view_stimulus"):
        raise PermissionDenied
    batches, sets = chosen_numbers(request, "batch"), chosen_numbers(request, "set")
    images = list(images_of(batches, sets).defer("trace", "recipe_json")[:MOST_POINTS])
    names = common_scores(images)
    places = places_of(images, names)
    context = {
        **admin.site.each_context(request),
        "title": "Images on axes",
        "batches": Batch.objects.order_by("-pk"),
        "sets": ImageSet.objects.order_by("name"),
        "chosen_batches": batches,
        "chosen_sets": sets,
        "count": len(images),
        "remarks": places.remarks,
        "axis_names": places.names,
        "may_pool": request.user.has_perm("generation.add_imageset"),
        "points": {
            "axes": places.names,
            "points": [
                point(image, row) for image, row in zip(images, places.values.round(4).tolist(), strict=True)
            ],
        },
    }
    return render(request, "admin/generation/axes.html", context)


@staff_member_required
@require_POST
def pool(request: HttpRequest) -> HttpResponse:
    """Make an image set of the images whose numbers are posted."""
    if not request.user.has_perm("generation.add_imageset"):
        raise PermissionDenied
    numbers = [int(value) for value in request.POST.get("images", "").split(",") if value.isdecimal()]
    images = Stimulus.objects.filter(pk__in=numbers).order_by("pk")
    try:
        made = make_pool(name=request.POST.get("name", "").strip(), images=images, by=actor(request))
    except InputError as error:
        messages.error(request, str(error))
        return redirect(f"{reverse('axes')}?{request.POST.get('query', '')}")
    messages.success(request, f"{made.stimuli.count()} images are in the set {made}.")
    return redirect("admin:generation_imageset_change", made.pk)


def chosen_numbers(request: HttpRequest, name: str) -> list[int]:
    """Read the row numbers of a repeatable parameter."""
    return [int(value) for value in request.GET.getlist(name) if value.isdecimal()]


def images_of(batches: Sequence[int], sets: Sequence[int]) -> StimulusQuerySet:
    """Select the images of batches and sets; those of all batches where neither is named."""
    scored = Stimulus.objects.exclude(scores={}).annotate(guided=F("recipe_json__direction"))
    rows: StimulusQuerySet = scored.order_by("pk")
    if not batches and not sets:
        return rows.filter(image_set=None)
    return rows.filter(Q(batches__in=batches) | Q(image_set__in=sets)).distinct()


def common_scores(images: Sequence[Stimulus]) -> list[str]:
    """List the scores that every image has, guides first."""
    if not images:
        return []
    common = set(images[0].scores).intersection(*(image.scores for image in images))
    judges = {row.score_name for row in Target.objects.judges()}
    return sorted(common, key=lambda name: (name in judges, name))


def places_of(images: Sequence[Stimulus], names: Sequence[str]) -> AxisPlaces:
    """Place images along principal components of the guides' scores of unguided images, and every score."""
    if not images:
        return AxisPlaces([], np.empty((0, 0)), ["No image has been scored."])
    if not names:
        return AxisPlaces([], np.empty((len(images), 0)), ["These images have no score in common."])
    scores = np.array([[image.scores[name] for name in names] for image in images], float)
    judges = {row.score_name for row in Target.objects.judges()}
    guides = [place for place, name in enumerate(names) if name not in judges] or list(range(len(names)))
    unguided = np.array([not getattr(image, "guided", image.direction) for image in images])
    remarks: list[str] = []
    try:
        components: ScoreComponents | None = score_components(scores[unguided][:, guides])
    except InputError as error:
        components = None
        remarks.append(f"No principal components: {error}.")
    if components is None:
        return AxisPlaces(list(names), scores, remarks)
    shares = [f"PC{number} ({share:.0%})" for number, share in enumerate(components.shares, 1)]
    loadings = "; ".join(
        f"PC{number}: " + ", ".join(f"{names[g]} {row[k]:+.2f}" for k, g in enumerate(guides))
        for number, row in enumerate(components.loadings[:3], 1)
    )
    remarks.append(f"Principal components of {int(unguided.sum())} unguided images. {loadings}.")
    along = components.along(scores[:, guides])
    return AxisPlaces([*shares, *names], np.concatenate([along, scores], axis=1), remarks)


def point(image: Stimulus, values: Sequence[float]) -> dict[str, Any]:
    """Describe one point: where its picture and history are, what it is, its places."""
    return {
        "id": image.pk,
        "url": image.url,
        "page": reverse("admin:generation_stimulus_change", args=[image.pk]),
        "label": str(image),
        "target": image.intended_target,
        "direction": image.direction,
        "at": list(values),
    }
