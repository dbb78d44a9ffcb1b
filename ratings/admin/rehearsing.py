"""The pages of rehearsals: what is declared of the simulated people, and what came of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.forms.boundfield import BoundField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.admin import ModelAdmin
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from almond.errors import InputError
from almond.evidence.rehearsed.people import targets_asked
from almond.evidence.rehearsed.settings import (
    BY_PAGES,
    MOST_PEOPLE,
    MOST_REHEARSED_STUDIES,
    USUAL_EFFECT,
    RehearsalSettings,
)
from almond.world.psychology import LARGEST_DECLARED, Psychology
from lab.append_only import actor
from ratings.services.rehearsals.starting import settings_of, start_rehearsal
from studies.models import Rehearsal, Study

MAY_REHEARSE = "studies.change_study"


def sentence(shape: type[RehearsalSettings | Psychology], name: str) -> str:
    """Return what a shape says of a setting, as a sentence."""
    words = shape.model_fields[name].description or ""
    return f"{words[:1].upper()}{words[1:]}."


def usual(shape: type[RehearsalSettings | Psychology], name: str) -> Any:
    return shape.model_fields[name].default


def whole(name: str, label: str, least: int, most: int, more: str = "") -> forms.IntegerField:
    """Make the field of a whole number of ``RehearsalSettings``."""
    help_text = f"{sentence(RehearsalSettings, name)} {more or f'From {least} to {most}.'}"
    return forms.IntegerField(
        label=label,
        min_value=least,
        max_value=most,
        initial=usual(RehearsalSettings, name),
        help_text=help_text,
        widget=UnfoldAdminIntegerFieldWidget,
    )


def percent(name: str, label: str, most: int) -> forms.FloatField:
    """Make the field of a share of ``Psychology``, typed in percent."""
    return forms.FloatField(
        label=f"{label} (%)",
        min_value=0,
        max_value=most,
        initial=f"{100 * usual(Psychology, name):g}",
        help_text=f"{sentence(Psychology, name)} From 0 to {most} %.",
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
    )


class RehearsalForm(forms.Form):
    """How many people, and what is declared of them; with an effect for each construct of the study."""

    people = whole("people", "People", BY_PAGES, MOST_PEOPLE, f"From {BY_PAGES}, who go through the pages.")
    seed = whole("seed", "Seed", 0, 2**53 - 1, "The same seed gives the same people.")
    studies = whole(
        "studies", "Simulated studies", 0, MOST_REHEARSED_STUDIES, "A hundred take about ten seconds."
    )
    noise = forms.FloatField(
        label="Noise (points)",
        min_value=0.1,
        max_value=50,
        initial=f"{usual(Psychology, 'noise'):g}",
        help_text=f"{sentence(Psychology, 'noise')} From 0.1 to 50.",
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
    )
    careless = percent("careless", "Careless", 100)
    drop_out = percent("drop_out", "Drop-out", 90)
    null = forms.BooleanField(
        label="Null: no effects",
        required=False,
        help_text=sentence(Psychology, "null"),
        widget=UnfoldBooleanSwitchWidget,
    )

    def __init__(self, study: Study, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        plan = study.frozen_plan
        self.constructs = {f"effect_{place}": row for place, row in enumerate(plan.constructs)}
        for name, construct in self.constructs.items():
            targets = sorted(targets_asked(plan, construct.name))
            of = (
                f"Of images guided for {', '.join(targets)}."
                if targets
                else "Of images guided for any target."
            )
            self.fields[name] = forms.FloatField(
                label=f"{construct.name} (SD)",
                min_value=-LARGEST_DECLARED,
                max_value=LARGEST_DECLARED,
                initial=f"{USUAL_EFFECT:g}",
                help_text=f"“{construct.question}” {of if plan.targets else OF_PHOTOGRAPHS}",
                widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
            )

    def effects(self) -> Iterator[BoundField]:
        """Yield the fields of effects."""
        return (self[name] for name in self.constructs)

    def others(self, *names: str) -> Iterator[BoundField]:
        return (self[name] for name in names)

    def numbers(self) -> Iterator[BoundField]:
        """Yield the fields of how many, and of the seed."""
        return self.others("people", "seed", "studies")

    def habits(self) -> Iterator[BoundField]:
        """Yield the fields of what people are like, whatever is asked."""
        return self.others("noise", "careless", "drop_out", "null")

    def asked(self) -> dict[str, Any]:
        """Return the fields of ``RehearsalSettings``."""
        data = self.cleaned_data
        effects = {row.name: data[name] for name, row in self.constructs.items()}
        shares = {name: data[name] / 100 for name in ("careless", "drop_out")}
        own = {"effects": effects, "noise": data["noise"], "null": data["null"], **shares}
        numbers = {name: data[name] for name in ("people", "seed", "studies")}
        return {**numbers, "pages": BY_PAGES, "psychology": own}


OF_PHOTOGRAPHS = "Of one SD of the score of its target, or of the norm of its name."


class RehearsalPages(ModelAdmin):
    """The form of a rehearsal, and the page of what came of it, beside other pages."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("rehearse/<int:pk>/", view(self.rehearse), name="ratings_rehearse"),
            path("rehearsal/<int:pk>/", view(self.rehearsal), name="ratings_rehearsal"),
        ]
        return [*own, *super().get_urls()]

    def rehearse(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask what is declared of the simulated people, and let them take part in a copy."""
        if not request.user.has_perm(MAY_REHEARSE):
            raise PermissionDenied
        study = get_object_or_404(Study.objects.exclude(state=Study.State.DRAFT), pk=pk)
        form = RehearsalForm(study, request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                row = start_rehearsal(study=study, asked=form.asked(), by=actor(request))
            except InputError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, f"The rehearsal has begun, with a copy of the study: {row.copy}.")
                return redirect("admin:ratings_rehearsal", row.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Rehearse “{study.title}”",
            "study": study,
            "form": form,
            "by_pages": BY_PAGES,
        }
        return TemplateResponse(request, "admin/ratings/rehearse.html", context)

    def rehearsal(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show a rehearsal: how far it is, or what came of it."""
        if not request.user.has_perm("studies.view_study"):
            raise PermissionDenied
        row = get_object_or_404(Rehearsal.objects.select_related("study", "copy", "job"), pk=pk)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Rehearsal of “{row.study.title}”",
            "row": row,
            "settings": settings_of(row),
            "may_rehearse": request.user.has_perm(MAY_REHEARSE),
        }
        return TemplateResponse(request, "admin/ratings/rehearsal.html", context)
