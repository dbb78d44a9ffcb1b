"""Pictures that a learned model follows beside the prompt, and the networks that read them. Light: no torch.

A ControlNet (Zhang et al. 2023) follows the layout of a picture, an IP-Adapter (Ye et al. 2023) what is in
it. Recipes name pictures and weights by digest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from almond.guidance.starting import StartPicture
from almond.shapes import Digest, Number, Shape

Scale = Annotated[Number, Field(ge=0, le=2)]


class ControlPicture(Shape):
    """A picture whose layout a ControlNet follows: edges, depth or poses, as its weights were trained."""

    image_sha256: Digest
    weights_sha256: Digest
    scale: Scale = 1.0


class AdapterPicture(Shape):
    """A picture whose contents an IP-Adapter follows.

    ``reference_sha256`` is the digest of a folder of pictures, from which the direction of a score among
    embeddings is learned (search ``embedding-direction``).
    """

    image_sha256: Digest
    weights_sha256: Digest
    encoder_sha256: Digest
    scale: Scale = 1.0
    reference_sha256: Digest | None = None


@dataclass(frozen=True)
class AddedNetworks:
    """Networks that are loaded onto a model: the folder of a ControlNet, the weights of an IP-Adapter with
    the folder of its image encoder, and the adapter's scale."""

    control: Path | None = None
    adapter: Path | None = None
    encoder: Path | None = None
    adapter_scale: float = 1.0


@dataclass(frozen=True)
class RecipePictures:
    """The pictures that all recipes of a configuration name: what they start from and what they follow."""

    start: StartPicture | None = None
    control: ControlPicture | None = None
    adapter: AdapterPicture | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """Return them as fields of a recipe."""
        return {"start": self.start, "control": self.control, "adapter": self.adapter}
