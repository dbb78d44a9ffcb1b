"""Feature kind ``open_clip``: the image towers that the library open_clip knows by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from almond.encoding.features.specs import PublishedSpec

if TYPE_CHECKING:
    from torch import Tensor

    from almond.encoding.features.space import DescribedSpace


class OpenClipSpec(PublishedSpec):
    """Without ``layer``: the image embedding, not normalised to unit length."""

    kind: Literal["open_clip"]

    def open_space(self, *, device: str = "cpu") -> DescribedSpace:
        from almond.encoding.features.networks import hub
        from almond.encoding.features.networks.state_dicts import load_strictly, read_state_dict

        open_clip = hub.library("open_clip")
        network = hub.load(
            lambda: open_clip.create_model(
                self.model, pretrained=self.pretrained or None, pretrained_hf=bool(self.pretrained)
            ),
            self.model,
        )
        if self.weights is not None:
            load_strictly(network, read_state_dict(self.weights), str(self.weights))
        tower = network.visual
        published = tower.preprocess_cfg
        size = published["size"]
        preprocessing = hub.published_preprocessing(
            (size, size) if isinstance(size, int) else size,
            published["interpolation"],
            published["mean"],
            published["std"],
            self.model,
        )

        def embedding(images: Tensor) -> Tensor:
            output = tower(images)
            values: Tensor = output[0] if isinstance(output, tuple) else output
            return values

        return hub.layer_space(
            f"open_clip-{self.model}-{self.pretrained or 'file'}",
            tower,
            embedding,
            preprocessing,
            library="open_clip",
            layer=self.layer,
            pool=self.pool,
            device=device,
        )
