"""The chain as the admin shows it: the side bar, and the first page with how much of each thing there is."""

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
class Item:
    """A kind of row: its title in the side bar, an icon, and ``app.Model``."""

    title: str
    icon: str
    model: str


@dataclass(frozen=True)
class Room:
    """One part of the chain."""

    title: str
    icon: str
    text: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Count:
    """How many rows there are, and where to see them."""

    title: str
    number: int
    url: str


@dataclass(frozen=True)
class RoomView:
    """A room with what this person may see in it."""

    room: Room
    counts: list[Count] = field(default_factory=list)


CHAIN = (
    Room("Encoding", "neurology", "Encoding models are fitted to BOLD runs; their weights become targets.", (
        Item("Datasets", "database", "encoder.Dataset"),
        Item("Regions", "select_all", "encoder.Region"),
        Item("Feature spaces", "blur_on", "encoder.FeatureSpace"),
        Item("Encoders", "hub", "encoder.Encoder"),
        Item("Fitted regions", "neurology", "encoder.EncoderVersion"),
        Item("Reports", "summarize", "encoder.EncoderReport"),
        Item("Targets", "target", "encoder.Target"),
    )),
    Room("Generation", "burst_mode", "Images are guided along targets, scored by judges, then matched.", (
        Item("Recipes", "receipt_long", "generation.Recipe"),
        Item("Diagnoses", "troubleshoot", "generation.Diagnosis"),
        Item("Trajectories", "timeline", "generation.TrajectorySet"),
        Item("Batches", "burst_mode", "generation.Batch"),
        Item("Stimuli", "image", "generation.Stimulus"),
        Item("Matched sets", "compare", "generation.MatchedSet"),
        Item("Image sets", "photo_library", "generation.ImageSet"),
    )),
    Room("Studies", "science", "Questions, blocks, and a plan that is frozen before the first response.", (
        Item("Studies", "science", "studies.Study"),
        Item("Constructs", "linear_scale", "studies.Construct"),
    )),
    Room("Data", "groups", "Ratings and choices of participants; each response is stored exactly once.", (
        Item("Recruiting and paying", "payments", "ratings.RecruitedStudy"),
        Item("Participants", "groups", "ratings.Participant"),
        Item("Responses", "touch_app", "ratings.Response"),
    )),
    Room("Analysis", "query_stats", "Exports with their evidence, and reports made from exports alone.", (
        Item("Exports", "inventory_2", "analysis.Export"),
        Item("Analysis runs", "query_stats", "analysis.AnalysisRun"),
        Item("Power analyses", "trending_up", "analysis.PowerRun"),
    )),
)  # fmt: skip

SYSTEM = Room("System", "settings", "", (
    Item("Jobs", "manufacturing", "jobs.Job"),
    Item("People", "badge", "accounts.User"),
    Item("Audit log", "history", "accounts.AuditEvent"),
))  # fmt: skip


def visible(request: HttpRequest, name: str) -> type[Model] | None:
    """Return the model, where the admin shows it and this person may view it."""
    model: type[Model] = apps.get_model(name)
    meta = model._meta
    allowed = request.user.has_perm(f"{meta.app_label}.view_{meta.model_name}")
    return model if allowed and admin.site.is_registered(model) else None


def address(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """List the side bar's groups, in the order in which data pass through them."""
    return [
        {
            "title": room.title,
            "separator": True,
            "items": [
                {"title": item.title, "icon": item.icon, "link": address(model)}
                for item in room.items
                if (model := visible(request, item.model))
            ],
        }
        for room in (*CHAIN, SYSTEM)
    ]


def front_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the chain, the newest jobs and the newest images that this person may see."""
    return {
        **context,
        "title": "Overview",
        "rooms": [RoomView(room, _counts(request, room)) for room in CHAIN],
        "recent_jobs": _newest(request, "jobs.Job", 6),
        "recent_stimuli": _newest(request, "generation.Stimulus", RECENT),
    }


def _counts(request: HttpRequest, room: Room) -> list[Count]:
    return [
        Count(item.title, model._default_manager.count(), address(model))
        for item in room.items
        if (model := visible(request, item.model))
    ]


def _newest(request: HttpRequest, name: str, count: int) -> list[Model]:
    model = visible(request, name)
    return list(model._default_manager.order_by("-pk")[:count]) if model else []
