"""The admin of append-only rows: a service adds them, pages show and act on them, nobody edits them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from accounts.models import User
from almond.errors import InputError
from almond.shapes import ShapeError

if TYPE_CHECKING:
    RowForm = forms.ModelForm[Any]
else:
    RowForm = forms.ModelForm  # generic for the type checker only

Action = Callable[[HttpRequest, Any], "HttpResponse | None"]
"""What a button on a row's page does; it answers with a page of its own, or goes back to the row."""


@contextlib.contextmanager
def errors_shown_on(
    form: forms.Form | RowForm,
    *,
    at: str | None = None,
    fields: Mapping[str, str] | None = None,
    otherwise: str | None = None,
) -> Iterator[None]:
    """Turn an ``InputError`` inside into errors of the form; each error of a configuration at its own field.

    :param at: the field of every error; by default the one that the error names.
    :param fields: setting -> field, where the names differ.
    :param otherwise: the field of an error that names none.
    """
    try:
        yield
    except InputError as error:
        for path, words in problems_of(error):
            form.add_error(at or field_of(form, path, fields or {}) or otherwise, words)


def problems_of(error: InputError) -> list[tuple[str, str]]:
    """List (path, message) of each problem: several for a configuration, one otherwise."""
    if not isinstance(error, ShapeError):
        return [(error.source, str(error))]
    return [(problem.partition(":")[0], problem) for problem in error.problems]


def field_of(form: forms.Form | RowForm, path: str, fields: Mapping[str, str]) -> str | None:
    """Find the field for the first part of a dotted path that has one, or that for further settings.

    A key of ``fields`` may be the dotted end of a path, which takes precedence.
    """
    for end, name in fields.items():
        if "." in end and path.endswith(f".{end}"):
            return name
    for part in re.split(r"[.\[]", path):
        name = part.strip("]").replace(" ", "_")
        if fields.get(name, name) in form.fields:
            return fields.get(name, name)
    return "further" if "further" in form.fields and "/" not in path else None


def actor(request: HttpRequest) -> User:
    """Return the person who asks; the admin's pages require a login."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


class RowPageAdmin(ModelAdmin):  # type: ignore[misc]
    """The page of a row shows more than its fields, to whoever may view the row."""

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what the page of a row shows beside its fields."""
        return {}

    def may_act(self, request: HttpRequest) -> bool:
        label, name = self.model._meta.app_label, self.model._meta.model_name
        return request.user.is_active and request.user.has_perm(f"{label}.change_{name}")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        extra = {**(extra_context or {})}
        if row is not None and self.has_view_permission(request, row):
            extra |= {"row": row, "may_act": self.may_act(request), **self.page(request, row)}
        response: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return response


class AppendOnlyAdmin(RowPageAdmin):
    """Subclasses say how a row is created, and which actions (POST only) its page offers."""

    change_form_template = "admin/lab/append_only_form.html"
    deletable = False

    def create(self, data: dict[str, Any], request: HttpRequest) -> models.Model:
        """Call the service that adds a row; ``data`` is the form's cleaned data."""
        raise PermissionDenied

    def row_actions(self) -> dict[str, Action]:
        """Return name in the address -> what is done on POST, by someone who may change such rows."""
        return {}

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.deletable and bool(super().has_delete_permission(request, obj))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.pk = self.create(form.cleaned_data, request).pk
        obj.refresh_from_db()

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show an error that only the service finds, such as a name that was taken a moment ago.

        Nothing is stored then.
        """
        try:
            response: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)
        except InputError as error:
            if request.method != "POST":
                raise
            messages.error(request, str(error))
            return redirect(request.get_full_path())
        return response

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Do nothing: the service has stored the whole row."""

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Redirect to the row's own page, where its job can be watched."""
        return redirect(self.address(obj))

    def get_urls(self) -> list[URLPattern]:
        label, model = self.model._meta.app_label, self.model._meta.model_name
        own = [
            path(
                f"<int:pk>/{name}/",
                self.admin_site.admin_view(require_POST(self._view_of(action))),
                name=f"{label}_{model}_{name}",
            )
            for name, action in self.row_actions().items()
        ]
        return [*own, *super().get_urls()]

    def _view_of(self, action: Action) -> Callable[[HttpRequest, int], HttpResponse]:
        def view(request: HttpRequest, pk: int) -> HttpResponse:
            if not self.may_act(request):
                raise PermissionDenied
            row = get_object_or_404(self.model, pk=pk)
            try:
                response = action(request, row)
            except InputError as error:
                messages.error(request, str(error))
                response = None
            return response or redirect(self.address(row))

        return view

    def address(self, row: models.Model) -> str:
        """Return the address of a row's page."""
        return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
