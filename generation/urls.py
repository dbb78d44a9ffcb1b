"""Addresses of the generation pages."""

from django.urls import URLPattern, URLResolver, path

from generation.views import stimulus_image

urlpatterns: list[URLPattern | URLResolver] = [
    path("stimuli/<str:digest>.<str:suffix>", stimulus_image, name="stimulus_image"),
]
