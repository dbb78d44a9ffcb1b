"""Addresses of the analysis pages."""

from django.urls import URLPattern, URLResolver, path

from analysis import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("analysis/<int:pk>/", views.report, name="analysis_report"),
    path("analysis/<int:pk>/<str:name>", views.report_file, name="analysis_report_file"),
    path("power/<int:pk>/", views.power_report, name="power_report"),
    path("power/<int:pk>/<str:name>", views.power_report_file, name="power_report_file"),
    path("exports/<int:pk>.zip", views.export_zip, name="analysis_export_zip"),
]
