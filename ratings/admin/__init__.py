"""The data pages: participants, responses, and the monitor of a study that runs."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe
from unfold.admin import ModelAdmin
from unfold.decorators import display

from almond.design.trials.timing import MISSED_VALUES
from almond.errors import InputError
from lab.append_only import RowPageAdmin, actor
from ratings import services
from ratings.admin.people import PeoplePages, exclusion_parts
from ratings.admin.previewing import PreviewPages
from ratings.admin.recruiting import RecruitedStudyAdmin
from ratings.admin.rehearsing import MAY_REHEARSE, RehearsalPages
from ratings.models import Participant, Response
from ratings.plots import monitor_parts
from ratings.services.arriving import PASS_MINUTES
from ratings.services.joining import recruited_as
from ratings.services.monitoring import monitor
from ratings.services.visits.branching import standing
from ratings.services.visits.checks import check_verdict
from ratings.services.visits.quotas import quota_rows
from studies.amendments import BLIND
from studies.models import Study

__all__ = ["ParticipantAdmin", "RecruitedStudyAdmin", "ResponseAdmin"]

COLOURS = {
    "active": "info",
    "finished": "success",
    "withdrawn": "danger",
    "timed_out": "warning",
    "finished_late": "primary",
    "screened_out": "warning",
}


class LookOnly(ModelAdmin):
    """Rows that only participants and services write."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Participant)
class ParticipantAdmin(PeoplePages, PreviewPages, RehearsalPages, LookOnly, RowPageAdmin):
    change_form_outer_before_template = "admin/ratings/participant.html"

    class Media:
        css: ClassVar = {"all": ["css/study-admin.css"]}

    list_display = ["name", "study", "assignment", "status_label", "answered", "kind", "consented_at"]
    list_filter = ["study", "status", "kind"]
    list_select_related = ["study", "assignment"]
    search_fields = ["name"]
    fields = [
        "name",
        "study",
        "assignment",
        "status",
        "kind",
        "consented_at",
        "last_seen_at",
        "finished_at",
        "completion_code",
        "screened_for",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Participant]:
        participants: QuerySet[Participant] = super().get_queryset(request).with_progress()
        return participants

    def get_fields(self, request: HttpRequest, obj: Participant | None = None) -> list[str]:
        """Show the recruitment id to whoever may view recruitment."""
        fields = list(self.fields or ())
        return [*fields, "recruited_as"] if request.user.has_perm("ratings.view_recruitment") else fields

    @display(description="recruitment id")
    def recruited_as(self, row: Participant) -> str:
        if not hasattr(row, "recruitment"):
            return "none"
        try:
            return f"{row.recruitment.external_id} ({row.recruitment.source})"
        except InputError as error:
            return str(error)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Participant], search_term: str
    ) -> tuple[QuerySet[Participant], bool]:
        """Find participants by name and, for whoever may view recruitment, by the id that they came with."""
        results, repeated = super().get_search_results(request, queryset, search_term)
        if search_term.strip() and request.user.has_perm("ratings.view_recruitment"):
            known = recruited_as(search_term.strip())
            results |= queryset.filter(pk__in=known)
        return results, repeated

    @display(description="status", ordering="status", label=COLOURS)
    def status_label(self, row: Participant) -> str:
        return row.status

    @display
    def answered(self, row: Any) -> str:
        return f"{row.done} of {row.planned}"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("monitor/<int:pk>/", view(require_safe(self.monitor)), name="ratings_monitor"),
            path("monitor/<int:pk>/live", view(require_safe(self.live)), name="ratings_monitor_live"),
            path(
                "monitor/<int:pk>/numbers", view(require_safe(self.numbers)), name="ratings_monitor_numbers"
            ),
            path(
                "<int:pk>/new-device/",
                view(require_http_methods(["GET", "HEAD", "POST"])(never_cache(self.new_device))),
                name="ratings_new_device",
            ),
        ]
        return [*own, *super().get_urls()]

    def page(self, request: HttpRequest, row: Participant) -> dict[str, Any]:
        return {"verdict": check_verdict(row), "standing": standing(row), **exclusion_parts(request, row)}

    def new_device(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask whether to let a participant in on a new device; posted, show the link, this once."""
        if not self.may_act(request):
            raise PermissionDenied
        row = get_object_or_404(Participant.objects.without_texts(), pk=pk)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Let {row.name} in on a new device",
            "row": row,
            "minutes": PASS_MINUTES,
        }
        if request.method == "POST":
            try:
                device_pass = services.let_in(participant=row, by=actor(request))
            except InputError as error:
                messages.error(request, str(error))
                return redirect("admin:ratings_participant_change", row.pk)
            context["link"] = request.build_absolute_uri(reverse("participant_go_on", args=[device_pass]))
        return render(request, "admin/ratings/new_device.html", context)

    def parts(self, request: HttpRequest, study: Study) -> dict[str, Any]:
        numbers = monitor(study)
        return {
            "study": study,
            "numbers": numbers,
            "quotas": quota_rows(study),
            **monitor_parts(numbers),
            "may_let_in": self.may_act(request),
            "may_see_responses": request.user.has_perm("ratings.view_response"),
        }

    def monitor(self, request: HttpRequest, pk: int) -> HttpResponse:
        study = self.study_of(request, pk)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Monitor: {study.title}",
            **self.parts(request, study),
            "may_rehearse": request.user.has_perm(MAY_REHEARSE),
        }
        return render(request, "admin/ratings/monitor.html", context)

    def live(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Return the parts of the monitor's page as they are now, for its script."""
        context = self.parts(request, self.study_of(request, pk))
        return render(request, "admin/ratings/monitor_parts.html", context)

    def numbers(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Return the same numbers as JSON, for scripts of the lab."""
        return JsonResponse(monitor(self.study_of(request, pk)))


HIDDEN = "hidden until the study is closed"


@admin.register(Response)
class ResponseAdmin(LookOnly):
    """Answers as they were stored; of a blind study only that they came, when, and how long they took."""

    ANSWER = ("values", "chosen", "digests")
    """Fields that say what was answered, or of which images; hidden, and never searched by an address."""

    list_display = ["trial", "participant", "block", "answer", "rt_ms", "late", "received_at"]
    list_filter = ["trial__participant__study", "trial__kind", "late"]
    list_select_related = ["trial__participant"]
    search_fields = ["response_id", "trial__name"]
    date_hierarchy = "received_at"

    @display(description="participant")
    def participant(self, row: Response) -> str:
        return row.trial.participant.name

    @display(description="block")
    def block(self, row: Response) -> str:
        return row.trial.block

    def get_queryset(self, request: HttpRequest) -> QuerySet[Response]:
        """Mark responses to studies that are blind."""
        blind = Exists(Study.objects.filter(BLIND, pk=OuterRef("trial__participant__study")))
        responses: QuerySet[Response] = super().get_queryset(request).annotate(is_blind=blind)
        return responses

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Show the whole row, or of a blind study all but what was answered."""
        fields = [str(name) for name in super().get_fields(request, obj) if name != "answer"]
        if obj is None or not obj.is_blind:
            return fields
        return [*(name for name in fields if name not in self.ANSWER), "answer"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["answer"]

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Refuse to filter by what was answered: the number of rows that are left would tell it."""
        return lookup.split("__")[0] not in self.ANSWER and bool(
            super().lookup_allowed(lookup, value, request)
        )

    @display(description="answer")
    def answer(self, row: Any) -> str:
        if row.is_blind:
            return HIDDEN
        if row.values == MISSED_VALUES:
            return "none before the deadline"
        values = (
            f"{name} {value:g}" if isinstance(value, int | float) else f"{name} {value}"
            for name, value in sorted(row.values.items())
        )
        return ", ".join(([row.chosen] if row.chosen else []) + list(values))
