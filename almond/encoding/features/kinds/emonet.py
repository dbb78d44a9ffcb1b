"""Feature kind ``emonet``: EmoNet (Kragel et al. 2019), with weights of a file or of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from almond.encoding.config.features import WeightsFile
from almond.encoding.features.specs import Mean, NetworkSpec, Positive

if TYPE_CHECKING:
    from almond.encoding.features.space import DescribedSpace


class EmonetSpec(NetworkSpec):
    """A fully connected layer before its nonlinearity: 4096 values of fc6 or fc7, or 20 of fc8."""

    kind: Literal["emonet"]
    weights: WeightsFile | None = None
    """a file of weights; the store's where there is none"""
    layer: Literal["fc6", "fc7", "fc8"] | None = None
    """fc6, fc7 (where none is named) or fc8"""
    mean: Mean = None
    """subtracted: three numbers, or a file with a mean image, of 0-255"""
    scale: Positive = 1.0
    """multiplied after that"""

    def open_space(self, *, device: str = "cpu") -> DescribedSpace:
        """Open EmoNet.

        :raises InputError: no weights; the message says which command fetches them.
        :raises DigestMismatch: stored weights were changed since their first use.
        """
        from almond.encoding.features.networks.emonet import emonet_space, load_emonet
        from almond.encoding.features.networks.image_preprocessing import read_mean
        from almond.encoding.features.networks.weights import stored_weights

        return emonet_space(
            load_emonet(self.weights or stored_weights("emonet")),
            layer=self.layer or "fc7",
            mean=read_mean(self.mean),
            scale=self.scale,
            device=device,
        )
