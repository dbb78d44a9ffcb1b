"""Feature kind ``transformers``: CLIP's image tower from a folder that the library transformers wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from almond.encoding.config.paths import ExistingFolder
from almond.encoding.features.specs import LayerSpec
from almond.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from almond.encoding.features.space import DescribedSpace


class TransformersSpec(LayerSpec):
    """Without ``layer``: the image embedding, not normalised to unit length."""

    kind: Literal["transformers"]
    path: ExistingFolder
    """the folder of a CLIP model, as transformers saves it"""

    def open_space(self, *, device: str = "cpu") -> DescribedSpace:
        from torch import float32

        from almond.encoding.features.networks import hub

        transformers = hub.library("transformers")
        folder = self.path
        preprocessing = hub.folder_preprocessing(folder)
        network, loading = hub.load(
            lambda: transformers.CLIPVisionModelWithProjection.from_pretrained(
                folder, local_files_only=True, output_loading_info=True, dtype=float32
            ),
            folder,
        )
        lacking = sorted(map(str, loading["missing_keys"]))
        if lacking or loading["mismatched_keys"]:
            problem = f"lacks weights: {', '.join(lacking) or loading['mismatched_keys']}"
            raise InputError(folder, problem, "CLIP's image tower")

        def embedding(images: Tensor) -> Tensor:
            values: Tensor = network(pixel_values=images).image_embeds
            return values

        return hub.layer_space(
            f"transformers-{folder.name}",
            network,
            embedding,
            preprocessing,
            library="transformers",
            layer=self.layer,
            pool=self.pool,
            device=device,
        )
