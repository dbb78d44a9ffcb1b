"""The pages of feature spaces."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from encoder import services
from encoder.admin.forms.feature_spaces import FeatureSpaceForm
from encoder.models import FeatureSpace
from encoder.services import feature_values
from lab.append_only import AppendOnlyAdmin, actor


@admin.register(FeatureSpace)
class FeatureSpaceAdmin(AppendOnlyAdmin):
    form = FeatureSpaceForm
    list_display = ["name", "kind", "dimension", "short_digest"]
    change_form_outer_before_template = "admin/encoder/feature_space.html"
    deletable = True

    @display(description="digest")  # type: ignore[untyped-decorator]
    def short_digest(self, row: FeatureSpace) -> str:
        return row.digest[:12]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj:
            return [(None, {"fields": ["name", "kind", "path"] if obj.path else ["name", "kind"]})]
        own = ["path", ("variable", "rows"), "interval", "conditions", "network", "folder", "pretrained"]
        network = ["weights", ("layer", "pool"), ("video", "every")]
        pixels = ["resize", "range", ("mean", "std"), "scale"]
        return [(None, {"fields": ["name", "kind", *own, *network, *pixels, "further"]})]

    def create(self, data: dict[str, Any], request: HttpRequest) -> FeatureSpace:
        is_table = data["kind"] == "table"
        return services.create_feature_space(
            name=data["name"],
            kind=data["kind"],
            path=data["path"] if is_table else "",
            spec=data["spec"],
            by=actor(request),
        )

    def page(self, request: HttpRequest, row: FeatureSpace) -> dict[str, Any]:
        encoders = row.encoders.all() | row.banded_encoders.all()
        return {"in_words": feature_values.in_words(row), "encoders": encoders.distinct()}
