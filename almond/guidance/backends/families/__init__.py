"""Families of pretrained text-to-image models, one per file, under the pipeline's ``_class_name``.

A folder names its pipeline in ``model_index.json``; that name alone decides which family drives it. Every
other name is refused when the folder is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from almond.registry import Registry

if TYPE_CHECKING:
    from almond.guidance.backends.families.base import PipelineFamily

FOLDER = "almond.guidance.backends.families"

FAMILIES: Registry[type[PipelineFamily]] = Registry(
    "pipeline",
    {
        "StableDiffusionXLPipeline": (f"{FOLDER}.sdxl:StableDiffusionXL", "SDXL, Turbo, Lightning"),
        "StableDiffusionPipeline": (
            f"{FOLDER}.stable_diffusion:StableDiffusion",
            "Stable Diffusion 1.5, 2.1",
        ),
        "StableDiffusionImg2ImgPipeline": (f"{FOLDER}.stable_diffusion:StableDiffusion", "the same parts"),
        "StableDiffusion3Pipeline": (f"{FOLDER}.sd3:StableDiffusion3", "Stable Diffusion 3, 3.5"),
        "FluxPipeline": (f"{FOLDER}.flux:Flux", "Flux.1 dev, schnell"),
        "PixArtSigmaPipeline": (f"{FOLDER}.pixart:PixArtSigma", "PixArt-Sigma"),
        "SanaPipeline": (f"{FOLDER}.sana:Sana", "Sana"),
        "ZImagePipeline": (f"{FOLDER}.z_image:ZImage", "Z-Image, Turbo"),
        "QwenImagePipeline": (f"{FOLDER}.qwen_image:QwenImage", "Qwen-Image"),
        "Flux2KleinPipeline": (f"{FOLDER}.flux2_klein:Flux2Klein", "Flux.2 klein"),
        "Lumina2Pipeline": (f"{FOLDER}.lumina2:Lumina2", "Lumina Image 2.0"),
    },
)
"""The families by the class that a folder's ``model_index.json`` names. Light: nothing is loaded."""

OTHER_INPUTS = (
    "Inpaint",
    "Fill",
    "Edit",
    "Kontext",
    "Control",
    "Depth",
    "Img2Img",
    "Upscale",
    "Redux",
    "Adapter",
)
"""Parts of names of pipelines that start from more than a prompt."""


def why_refused(pipeline: str) -> str:
    """Say why a pipeline that is in no family cannot be driven."""
    if any(word in pipeline for word in OTHER_INPUTS):
        return f"the pipeline is {pipeline}, which wants another input than a prompt"
    return f"the pipeline is {pipeline}, whose denoiser and schedule nobody has tried here"
