"""How a pretrained model is loaded and used. Light: read without torch, written by ``almond models add``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, Strict

from almond.shapes import Flag, Number, Shape, Text

PRECISIONS = ("float32", "bfloat16")
"""Precisions of networks; the loop, scores and conversions are float32 always."""

STORED = ("full", "int8", "nf4")
"""How the denoiser's weights lie in memory."""

IMPOSSIBLE: Mapping[str, str] = {
    "float16": "overflows in SDXL's decoder and loses small gradients; bfloat16 takes the same memory",
    "fp8": "layerwise casting to fp8 has no backward pass; int8 and nf4 have one",
    "offload": "model offload moves weights between forward and backward pass, so that the gradient through "
    "the denoiser fails",
}
"""Settings of diffusers that guidance cannot use, and why."""


def _possible(value: str, known: tuple[str, ...]) -> str:
    if value in IMPOSSIBLE:
        raise ValueError(f"is {value}, which {IMPOSSIBLE[value]}; one of {', '.join(known)}")
    if value not in known:
        raise ValueError(f"is {value!r}, not one of {', '.join(known)}")
    return value


def _precision(value: str) -> str:
    return _possible(value, PRECISIONS)


def _stored(value: str) -> str:
    return _possible(value, STORED)


Precision = Annotated[str, Strict(), AfterValidator(_precision)]


class Adapter(Shape):
    """A LoRA that lies on top of the denoiser, and its weight."""

    path: Text
    weight: Number = 1.0


class ModelOptions(Shape):
    """Everything but the folder that pictures of a model depend on."""

    scheduler: Text | None = None
    """Class of diffusers that drives the model instead of the folder's own."""
    size: Annotated[int, Strict(), Field(ge=16)] | None = None
    """Side of the images in pixels; None is the side that the model was trained with."""
    steps: Annotated[int, Strict(), Field(ge=1, le=1000)] | None = None
    """Steps that a recipe takes where it says nothing else."""
    scale: Annotated[Number, Field(ge=0)] | None = None
    """Weight of the text (classifier-free guidance); 1 (Z-Image: 0) is without, as distilled models want."""
    embedded: Annotated[Number, Field(ge=0)] | None = None
    """Guidance that a distilled denoiser takes as an input (Flux.1 dev, latent consistency SDXL)."""
    precision: Precision = "float32"
    """Of the denoiser and the text encoders."""
    decoder_precision: Precision = "float32"
    weights: Annotated[str, Strict(), AfterValidator(_stored)] = "full"
    checkpointing: Flag = True
    """Compute the activations of denoiser and decoder again in the backward pass; same gradients, less
    memory."""
    variant: Text | None = None
    """Files of weights such as ``fp16``; None takes the plain ones, or the only ones that there are."""
    lora: tuple[Adapter, ...] = ()

    def contradictions(self) -> Iterable[tuple[str, str]]:
        """Refuse quantised weights below LoRA, which are fused into nothing and cannot be checked."""
        if self.lora and self.weights != "full":
            yield "lora", f"lies on weights stored as {self.weights}; merge it into the model first"

    def told(self) -> dict[str, Any]:
        """Return what enters a generator's digest: all that changes pictures, and so not checkpointing."""
        return self.model_dump(
            mode="json", exclude={"checkpointing", "steps", "lora", "variant", "scheduler"}
        )
