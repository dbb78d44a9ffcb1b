"""The site's addresses."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("jobs.urls")),
    path("", include("encoder.urls")),
    path("", include("generation.urls")),
    path("", include("studies.urls")),
    path("", include("ratings.urls")),
    path("", include("analysis.urls")),
]
