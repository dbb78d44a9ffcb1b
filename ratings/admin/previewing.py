"""The page on which an experimenter makes the link of a preview."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminSelectWidget

from almond.design.words import LANGUAGES
from almond.errors import InputError
from lab.append_only import actor
from ratings.services.previewing.links import (
    LIFETIMES,
    make_preview_link,
    number_of_lists,
    preview_languages,
)
from ratings.services.previewing.visits import study_to_preview
from studies.models import Study

FRAMES = {"desktop": "Desktop, 1280 × 800 pixels", "phone": "Phone, 390 × 844 pixels"}


class PreviewForm(forms.Form):
    """Which list is tried, in which frame and language, and for how long the link works."""

    number = forms.TypedChoiceField(coerce=int, label="List", widget=UnfoldAdminSelectWidget)
    language = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    frame = forms.ChoiceField(choices=FRAMES.items(), widget=UnfoldAdminRadioSelectWidget, initial="desktop")
    hours = forms.TypedChoiceField(
        coerce=int,
        label="The link works for",
        choices=LIFETIMES.items(),
        initial=24,
        widget=UnfoldAdminSelectWidget,
        help_text="Whoever has it sees the whole study without signing in, and can store nothing.",
    )

    def __init__(self, *arguments: Any, lists: list[str], languages: list[str], **named: Any) -> None:
        super().__init__(*arguments, **named)
        words = dict(LANGUAGES.choices())
        choices = {"number": list(enumerate(lists)), "language": [(name, words[name]) for name in languages]}
        for name, options in choices.items():
            self.fields[name].choices = options  # type: ignore[attr-defined]


def list_labels(study: Study) -> list[str]:
    """Name the lists of a study, with the arms of those that have one.

    :raises InputError: with everything in the way of a draft.
    """
    _, plan = study_to_preview(study.pk, study.language)
    arms = {} if study.is_draft else dict(study.lists.values_list("number", "arm"))
    numbers = range(number_of_lists(study, plan))
    return [f"{n}{f' (arm {arms[n]})' if arms.get(n) else ''}" for n in numbers]


class PreviewPages(ModelAdmin):
    """Adds the page of preview links."""

    def get_urls(self) -> list[URLPattern]:
        page = require_http_methods(["GET", "HEAD", "POST"])(never_cache(self.preview))
        own = [path("preview/<int:pk>/", self.admin_site.admin_view(page), name="ratings_preview")]
        return [*own, *super().get_urls()]

    def preview(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask what is to be tried; posted, make the link and open it."""
        if not request.user.has_perm("studies.view_study"):
            raise PermissionDenied
        row = get_object_or_404(Study, pk=pk)
        try:
            lists, languages = list_labels(row), preview_languages(row)
        except InputError as error:
            messages.error(request, str(error))
            return redirect("admin:studies_study_change", pk)
        form = PreviewForm(request.POST or None, lists=lists, languages=languages)
        if request.method == "POST" and form.is_valid():
            data = dict(form.cleaned_data)
            frame = data.pop("frame")
            key = make_preview_link(study=row, **data, by=actor(request))
            return redirect(f"{reverse('preview', args=[key])}?frame={frame}")
        title = f"Preview “{row.title}” as a participant"
        context = {**self.admin_site.each_context(request), "title": title, "form": form, "row": row}
        return render(request, "admin/ratings/preview.html", context)
