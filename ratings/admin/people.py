"""The monitor's pages about people: a row for each, what somebody saw and answered, and leaving them out."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe
from unfold.admin import ModelAdmin

from almond.errors import InputError
from lab.append_only import actor
from ratings.models import HandExclusion, Participant
from ratings.plots import STATES, distribution_plot, duration, exposure_plot, strip_picture
from ratings.services.monitoring.balance import balance_of
from ratings.services.monitoring.excluding import exclude_by_hand, is_excluded, take_back_in
from ratings.services.monitoring.people_table import (
    FILTERS,
    LABELS,
    ORDERS,
    PeopleTable,
    PersonRow,
    people_table,
)
from ratings.services.monitoring.replay import replay_of
from ratings.services.monitoring.strips import strip_words
from studies.amendments import is_blind
from studies.models import Study

MAY_EXCLUDE = "ratings.add_handexclusion"
MAY_SEE_ANSWERS = "ratings.view_response"
LEAST_SHOWN = 24
"""So many of the images that were shown least are listed."""
NUMBERS = {"answered", "duration", "median", "checks", "run", "spread", "reloads"}


class ExclusionReasonForm(forms.Form):
    why = forms.CharField(label="why", max_length=2000)
    out = forms.TypedChoiceField(
        choices=[("1", "exclude"), ("0", "take back in")], coerce=lambda text: text == "1"
    )


def headings(table: PeopleTable) -> list[dict[str, Any]]:
    """Return the headings of the table, each with the address that sorts by it."""
    found = []
    for name, (label, _) in ORDERS.items():
        sorted_now = table.order == name
        # A first click on a number shows the highest first; a second one turns the order round.
        downwards = not table.descending if sorted_now else name in NUMBERS
        query = {"order": f"{'-' if downwards else ''}{name}", "show": table.shown}
        state = ("descending" if table.descending else "ascending") if sorted_now else "none"
        found.append(
            {
                "name": name,
                "label": label,
                "query": urlencode(query),
                "state": state,
                "number": name in NUMBERS,
            }
        )
    return found


def shown_row(row: PersonRow) -> dict[str, Any]:
    """Return a row with its picture and its times in words."""
    return {
        "person": row,
        "strip": "" if row.cells is None else strip_picture(row.cells, strip_words(row.cells)),
        "time": duration(row.time.total_seconds()),
        "median": duration(row.median_ms, 1000),
    }


class PeoplePages(ModelAdmin):
    """Adds these pages to the admin of participants."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("monitor/<int:pk>/people/", view(require_safe(self.people)), name="ratings_monitor_people"),
            path(
                "monitor/<int:pk>/balance/", view(require_safe(self.balance)), name="ratings_monitor_balance"
            ),
            path("<int:pk>/replay/", view(require_safe(self.replay)), name="ratings_replay"),
            path("<int:pk>/exclude/", view(require_POST(self.exclude_person)), name="ratings_exclude"),
        ]
        return [*own, *super().get_urls()]

    def study_of(self, request: HttpRequest, pk: int) -> Study:
        if not self.has_view_permission(request):
            raise PermissionDenied
        studies = Study.objects.exclude(state=Study.State.DRAFT).defer(*Participant.LARGE)
        return get_object_or_404(studies, pk=pk)

    def people(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show a page of the table of people."""
        study = self.study_of(request, pk)
        asked = request.GET
        number = asked.get("page", "1")
        table = people_table(
            study,
            order=asked.get("order", "joined"),
            shown=asked.get("show", "all"),
            page=int(number) if number.isdecimal() and len(number) < 9 else 1,
        )
        context = {
            **self.admin_site.each_context(request),
            "title": f"Participants: {study.title}",
            "study": study,
            "table": table,
            "headings": headings(table),
            "rows": [shown_row(row) for row in table.rows],
            "states": STATES,
            "filters": [(name, LABELS[name]) for name in FILTERS],
            "kept": urlencode(
                {"order": f"{'-' if table.descending else ''}{table.order}", "show": table.shown}
            ),
            "costs": any(row.cost is not None for row in table.rows),
        }
        return render(request, "admin/ratings/people.html", context)

    def balance(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show exposure, distributions and screens."""
        study = self.study_of(request, pk)
        found = balance_of(study)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Exposure and distributions: {study.title}",
            "study": study,
            "balance": found,
            "exposure_plot": exposure_plot(found.images),
            "least": found.images[:LEAST_SHOWN],
            "plots": [(row, distribution_plot(row)) for row in found.distributions],
            "may_see_pictures": request.user.has_perm(MAY_SEE_ANSWERS),
        }
        return render(request, "admin/ratings/balance.html", context)

    def replay(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show what somebody saw and, once the study is not blind, answered."""
        if not (self.has_view_permission(request) and request.user.has_perm(MAY_SEE_ANSWERS)):
            raise PermissionDenied
        row = get_object_or_404(Participant.objects.without_texts(), pk=pk)
        replay = replay_of(row)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Trials of {row.name}",
            "row": row,
            "replay": replay,
            "trials": [{"trial": trial, "time": duration(trial.rt_ms, 1000)} for trial in replay.trials],
        }
        return render(request, "admin/ratings/replay.html", context)

    def exclude_person(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Leave somebody out of the analysis, or take them back in, with the reason that was typed."""
        row = get_object_or_404(Participant.objects.without_texts(), pk=pk)
        if not (self.has_view_permission(request, row) and request.user.has_perm(MAY_EXCLUDE)):
            raise PermissionDenied
        form = ExclusionReasonForm(request.POST)
        if not form.is_valid():
            messages.error(request, "Write why: the reason stands in every export and report.")
            return redirect("admin:ratings_participant_change", pk)
        act = exclude_by_hand if form.cleaned_data["out"] else take_back_in
        try:
            act(participant=row, why=form.cleaned_data["why"], by=actor(request))
        except InputError as error:
            messages.error(request, str(error))
        else:
            done = "is excluded from" if form.cleaned_data["out"] else "is taken back into"
            messages.success(request, f"{row.name} {done} every analysis of exports made from now on.")
        return redirect("admin:ratings_participant_change", pk)


def exclusion_parts(request: HttpRequest, row: Participant) -> dict[str, Any]:
    """Return what a participant's page shows of exclusions by hand, and whether one may be made."""
    entries = HandExclusion.objects.filter(participant=row).select_related("by").order_by("pk")
    rules = row.study.frozen_plan.analysis.exclusions
    return {
        "entries": entries,
        "is_excluded": is_excluded(row),
        "may_exclude": request.user.has_perm(MAY_EXCLUDE) and row.erased_at is None,
        "may_replay": request.user.has_perm(MAY_SEE_ANSWERS),
        "is_blind": is_blind(row.study) or row.study.rehearsal,
        "exclusion_planned": any(rule.kind == "by_hand" for rule in rules),
    }
