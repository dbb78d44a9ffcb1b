"""The parts of a study's page on who may see answers, and on amendments: what stands there, and two forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from almond.analysis.registration.amendments import amendment_rows
from almond.errors import InputError
from almond.exchange.amendments import Amendment as AmendmentShape
from lab.append_only import actor
from studies.models import Amendment, Study
from studies.services import blind

MAY_UNLOCK = "studies.add_unlocking"
MAY_AMEND = "studies.add_amendment"


class ReasonForm(forms.Form):
    why = forms.CharField(label="why")


class AmendmentForm(ReasonForm):
    kind = forms.ChoiceField(choices=Amendment.Kind.choices)
    text = forms.CharField(label="what changes")


def amendments_of(row: Study) -> list[AmendmentShape]:
    """Return what was amended since a study's plan was frozen."""
    return [amendment.shape() for amendment in row.amendments.select_related("by").order_by("pk")]


def blind_parts(request: HttpRequest, row: Study) -> dict[str, Any]:
    """Return what a frozen study's page shows of its standing and of its amendments."""
    if row.is_draft:
        return {}
    now = blind.standing(row)
    return {
        "standing": now,
        "amendments": amendment_rows(amendments_of(row), None),
        "amendment_kinds": Amendment.Kind.choices,
        "may_unlock": now.blind and request.user.has_perm(MAY_UNLOCK),
        "may_amend": request.user.has_perm(MAY_AMEND),
        "may_export": request.user.has_perm("analysis.add_export"),
    }


class BlindPages(ModelAdmin):
    """Adds the addresses of both forms to the admin of studies."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:pk>/unlock/", view(require_POST(self.unlock)), name="studies_study_unlock"),
            path("<int:pk>/amend/", view(require_POST(self.amend)), name="studies_study_amend"),
        ]
        return [*own, *super().get_urls()]

    def unlock(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Make answers visible before the end, with the reason that was typed."""

        def act(row: Study, data: dict[str, Any]) -> str:
            blind.unlock(study=row, why=data["why"], by=actor(request))
            return "Unlocked: whatever is analysed of this study is exploratory, and every export says so."

        return self.posted(request, pk, (MAY_UNLOCK, ReasonForm(request.POST)), act)

    def amend(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Record an amendment of the plan."""

        def act(row: Study, data: dict[str, Any]) -> str:
            blind.amend(study=row, kind=data["kind"], text=data["text"], why=data["why"], by=actor(request))
            return "The amendment is recorded: every export and report lists it."

        return self.posted(request, pk, (MAY_AMEND, AmendmentForm(request.POST)), act)

    def posted(
        self,
        request: HttpRequest,
        pk: int,
        asked: tuple[str, forms.Form],
        act: Callable[[Study, dict[str, Any]], str],
    ) -> HttpResponse:
        """Act on a form of somebody with the permission for it; say what is wrong, or what was done."""
        permission, form = asked
        row = get_object_or_404(Study, pk=pk)
        if not (self.has_view_permission(request, row) and request.user.has_perm(permission)):
            raise PermissionDenied
        if form.is_valid():
            try:
                messages.success(request, act(row, form.cleaned_data))
            except InputError as error:
                messages.error(request, str(error))
        else:
            problems = (
                f"{form.fields[name].label or name}: {' '.join(map(str, texts))}"
                for name, texts in form.errors.items()
            )
            messages.error(request, " ".join(problems))
        return redirect(reverse("admin:studies_study_change", args=[pk]))
