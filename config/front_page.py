"""The admin's first page: the chain as a picture, with how much of each thing there is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

RECENT = 12


@dataclass(frozen=True)
class Count:
    """How many rows of a model there are, and where to see them."""

    label: str
    number: int
    url: str


@dataclass(frozen=True)
class Room:
    """One part of the chain."""

    title: str
    icon: str
    text: str
    models: tuple[str, ...]
    counts: list[Count] = field(default_factory=list)


ROOMS = (
    Room("Encoding", "neurology", "BOLD runs become weights per region, weights become targets.",
         ("encoder.Dataset", "encoder.Encoder", "encoder.EncoderVersion", "encoder.Target")),
    Room("Generation", "burst_mode", "Images of one scene are pushed along targets, then matched.",
         ("generation.Recipe", "generation.Stimulus", "generation.MatchedSet", "generation.ImageSet")),
    Room("Studies", "science", "Blocks, questions and a plan that is frozen before the first answer.",
         ("studies.Study", "studies.Construct")),
    Room("Data", "groups", "People rate and choose; every answer is one row, kept once.",
         ("ratings.Participant", "ratings.Response")),
    Room("Analysis", "query_stats", "Exports that carry their evidence, and reports made from them alone.",
         ("analysis.Export", "analysis.AnalysisRun")),
)  # fmt: skip


def front_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the chain, the running jobs and the newest images that this person may see."""
    rooms = [
        Room(room.title, room.icon, room.text, room.models, list(_counts(request, room.models)))
        for room in ROOMS
    ]
    return {
        **context,
        "title": "Overview",
        "rooms": rooms,
        "recent_jobs": _newest(request, "jobs.Job", 6),
        "recent_stimuli": _newest(request, "generation.Stimulus", RECENT),
    }


def _model(name: str) -> type[Model] | None:
    """The model, where its app is installed and the admin shows it."""
    try:
        found: type[Model] = apps.get_model(name)
    except LookupError:
        return None
    return found if admin.site.is_registered(found) else None


def _may_view(request: HttpRequest, model: type[Model]) -> bool:
    return request.user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")


def _counts(request: HttpRequest, names: tuple[str, ...]) -> list[Count]:
    models = [model for name in names if (model := _model(name)) and _may_view(request, model)]
    return [
        Count(
            str(model._meta.verbose_name_plural),
            model._default_manager.count(),
            reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"),
        )
        for model in models
    ]


def _newest(request: HttpRequest, name: str, count: int) -> list[Model]:
    model = _model(name)
    if model is None or not _may_view(request, model):
        return []
    return list(model._default_manager.order_by("-pk")[:count])
