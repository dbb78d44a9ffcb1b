"""Brain data, encoding models with what was fitted, and the targets made of them."""

from encoder.models.datasets import DIGEST_LENGTH, Dataset, Region
from encoder.models.encoders import Encoder, EncoderVersion, read_heldout
from encoder.models.feature_spaces import FeatureSpace
from encoder.models.reports import EncoderReport
from encoder.models.targets import Target

__all__ = [
    "DIGEST_LENGTH",
    "Dataset",
    "Encoder",
    "EncoderReport",
    "EncoderVersion",
    "FeatureSpace",
    "Region",
    "Target",
    "read_heldout",
]
