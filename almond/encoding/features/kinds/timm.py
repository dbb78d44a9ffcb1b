"""Feature kind ``timm``: image networks that the library timm knows by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from almond.encoding.features.specs import PublishedSpec

if TYPE_CHECKING:
    from torch import Tensor

    from almond.encoding.features.space import DescribedSpace


class TimmSpec(PublishedSpec):
    """Without ``layer``: what timm gives to the classifier (pooled, before its last linear layer)."""

    kind: Literal["timm"]

    def open_space(self, *, device: str = "cpu") -> DescribedSpace:
        from almond.encoding.features.networks import hub
        from almond.encoding.features.networks.state_dicts import load_strictly, read_state_dict

        timm = hub.library("timm")
        name = hub.timm_name(self.model, self.pretrained)
        network = hub.load(lambda: timm.create_model(name, pretrained=bool(self.pretrained)), name)
        if self.weights is not None:
            load_strictly(network, read_state_dict(self.weights), str(self.weights))
        published = timm.data.resolve_model_data_config(network)
        preprocessing = hub.published_preprocessing(
            published["input_size"][1:],
            published["interpolation"],
            published["mean"],
            published["std"],
            name,
        )

        def before_classifier(images: Tensor) -> Tensor:
            features: Tensor = network.forward_head(network.forward_features(images), pre_logits=True)
            return features

        return hub.layer_space(
            f"timm-{name}",
            network,
            before_classifier,
            preprocessing,
            library="timm",
            layer=self.layer,
            pool=self.pool,
            device=device,
        )
