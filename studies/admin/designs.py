"""Pages for the designs of studies: begin with a template or a file, keep a template, download the file."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import content_disposition_header
from unfold.admin import ModelAdmin
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from almond.errors import InputError
from generation.models import ImageSet, MatchedSet
from lab.append_only import actor
from studies.models import Study, StudyTemplate
from studies.services.designs.reading import other_words, read_design, study_from_design
from studies.services.designs.shape import StudyDesign
from studies.services.designs.templates import all_templates, keep_template, template_of
from studies.services.designs.writing import design_bytes

LARGEST_FILE = 2 * 1024 * 1024


class DesignForm(forms.Form):
    """A design, from a template or a file, and what a new study has of its own."""

    template = forms.ChoiceField(required=False, widget=forms.RadioSelect)
    file = forms.FileField(
        required=False,
        widget=UnfoldAdminFileFieldWidget,
        help_text="What “Design” on the page of a study downloads, from this site or another.",
    )
    title = forms.CharField(
        max_length=200, widget=UnfoldAdminTextInputWidget, help_text="Participants read it."
    )
    slug = forms.SlugField(
        max_length=80,
        label="Link",
        widget=UnfoldAdminTextInputWidget,
        help_text="The end of the participants' link.",
    )
    matched_set = forms.ModelChoiceField(
        MatchedSet.objects.all(),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Empty: the set that the design names, or an image set.",
    )
    image_set = forms.ModelChoiceField(
        ImageSet.objects.all(),
        required=False,
        label="Photographs",
        widget=UnfoldAdminSelectWidget,
        help_text="Instead of a matched set.",
    )
    own_words = forms.BooleanField(
        required=False,
        initial=True,
        label="Use this site's constructs",
        widget=UnfoldBooleanWidget,
        help_text="Where one of the same name stands here in other words. Else that is an error.",
    )

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.templates = all_templates()
        self.fields["template"].choices = [(one.key, one.name) for one in self.templates]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Read the design; what is wrong with it stands at the template or at the file."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        chosen = [name for name in ("template", "file") if data.get(name)]
        if len(chosen) != 1:
            raise forms.ValidationError("Choose a template or a file, one of the two.")
        if data.get("matched_set") and data.get("image_set"):
            self.add_error("image_set", "Choose a matched set or photographs, not both.")
        try:
            data["design"] = self.design(data)
        except InputError as error:
            self.add_error(chosen[0], str(error))
        return data

    def design(self, data: dict[str, Any]) -> StudyDesign:
        if data.get("template"):
            return template_of(data["template"]).design
        file = data["file"]
        if file.size > LARGEST_FILE:
            raise InputError(file.name, f"has {file.size} bytes", f"at most {LARGEST_FILE}")
        return read_design(file.read(), file.name)


class TemplateForm(forms.Form):
    """The name of a template, and what it is for."""

    name = forms.CharField(max_length=120, widget=UnfoldAdminTextInputWidget)
    description = forms.CharField(
        max_length=400,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="What is shown and asked, for those who choose among templates.",
    )


class DesignPages(ModelAdmin):
    """The pages of designs, beside those of studies."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("from-design/", view(self.from_design), name="studies_study_from_design"),
            path("<int:pk>/design.json", view(self.design_file), name="studies_study_design"),
            path("<int:pk>/keep-template/", view(self.keep), name="studies_study_keep_template"),
            *super().get_urls(),
        ]

    def from_design(self, request: HttpRequest) -> HttpResponse:
        """Ask for a design and what the study has of its own, and make the draft."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = DesignForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            study = self.made(request, form)
            if study is not None:
                return redirect(reverse("admin:studies_study_change", args=[study.pk]))
        context = {**self.admin_site.each_context(request), "title": "New study from a design", "form": form}
        return TemplateResponse(request, "admin/studies/from_design.html", context)

    def made(self, request: HttpRequest, form: DesignForm) -> Study | None:
        """Make the study of a form; None, and the form says why, where its design does not fit here."""
        data = dict(form.cleaned_data)
        design = data["design"]
        own = {name: data[name] for name in ("title", "slug", "matched_set", "image_set", "own_words")}
        differing = [said for item in design.constructs if (said := other_words(item))]
        try:
            study = study_from_design(design, **own, by=actor(request))
        except InputError as error:
            form.add_error("template" if data.get("template") else "file", str(error))
            return None
        messages.success(request, "A draft with everything of the design.")
        for said in differing:
            messages.warning(request, f"A construct is asked in this site's words: {said}.")
        return study

    def design_file(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send the file of a study's design."""
        row = self.seen(request, pk)
        response = HttpResponse(design_bytes(row), content_type="application/json")
        response["Content-Disposition"] = content_disposition_header(True, f"{row.slug}-design.json") or ""
        return response

    def seen(self, request: HttpRequest, pk: int) -> Study:
        """Return a study for somebody who may see it."""
        row = get_object_or_404(Study, pk=pk)
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        return row

    def keep(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for the name of a template, and keep the study's design under it."""
        row = self.seen(request, pk)
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = TemplateForm(request.POST or None, initial={"name": row.title})
        if request.method == "POST" and form.is_valid():
            try:
                kept = keep_template(study=row, **form.cleaned_data, by=actor(request))
            except InputError as error:
                form.add_error("name", str(error))
            else:
                messages.success(request, f"Kept as the template “{kept}”.")
                return redirect(reverse("admin:studies_study_change", args=[row.pk]))
        title = f"Keep the design of “{row.title}” as a template"
        context = {**self.admin_site.each_context(request), "title": title, "form": form, "row": row}
        return TemplateResponse(request, "admin/studies/keep_template.html", context)


@admin.register(StudyTemplate)
class StudyTemplateAdmin(ModelAdmin):
    """Templates that were kept: they are read, renamed and deleted here, and used on the page of studies."""

    list_display = ["name", "description", "created_by", "created_at"]
    search_fields = ["name", "description"]
    fields = ["name", "description"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
