"""The site's addresses."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import TemplateView

handler400 = "config.error_pages.bad_request"
handler403 = "config.error_pages.permission_denied"
handler404 = "config.error_pages.page_not_found"
handler500 = "config.error_pages.server_error"

urlpatterns = [
    path("", TemplateView.as_view(template_name="participant/front.html"), name="front"),
    path("admin/", admin.site.urls),
    path("", include("jobs.urls")),
    path("", include("encoder.urls")),
    path("", include("generation.urls")),
    path("", include("studies.urls")),
    path("", include("ratings.urls")),
    path("", include("analysis.urls")),
]
