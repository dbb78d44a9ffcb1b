"""Addresses of the generation pages."""

from django.urls import URLPattern, URLResolver, path

from generation.pages import axes, pool
from generation.views import (
    diagnosis_report,
    diagnosis_report_file,
    step_view_file,
    stimulus_image,
    trajectory_report,
    trajectory_report_file,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("stimuli/<str:digest>.<str:suffix>", stimulus_image, name="stimulus_image"),
    path("diagnoses/<int:pk>/", diagnosis_report, name="diagnosis_report"),
    path("diagnoses/<int:pk>/<str:name>", diagnosis_report_file, name="diagnosis_report_file"),
    path("steps/<int:pk>/<str:name>", step_view_file, name="step_view_file"),
    path("trajectories/<int:pk>/", trajectory_report, name="trajectory_report"),
    path("trajectories/<int:pk>/<str:name>", trajectory_report_file, name="trajectory_report_file"),
    path("axes/", axes, name="axes"),
    path("axes/pool/", pool, name="axes_pool"),
]
