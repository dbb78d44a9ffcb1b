"""Attribution methods, one per file: each maps a score to the pixels it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from almond.registry import Registry

if TYPE_CHECKING:
    from almond.attribution.explained import AttributionMethod

METHODS: Registry[AttributionMethod] = Registry(
    "attribution method",
    {
        "integrated_gradients": (
            "almond.attribution.methods.integrated_gradients:integrated_gradients",
            "integrated gradients",
        ),
        "grad_cam": ("almond.attribution.methods.grad_cam:grad_cam", "Grad-CAM"),
        "hires_cam": ("almond.attribution.methods.hires_cam:hires_cam", "HiResCAM"),
        "occlusion": ("almond.attribution.methods.occlusion:occlusion", "occlusion"),
        "shapley": ("almond.attribution.methods.shapley:shapley", "Shapley values of superpixels (slow)"),
    },
)
"""The methods by name, the one with a checked sum first. Light: captum is loaded with the first method."""

DEFAULT_METHOD = "integrated_gradients"
