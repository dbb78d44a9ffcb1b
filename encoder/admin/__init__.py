"""The encoding pages; importing this package registers them."""

from encoder.admin.datasets import DatasetAdmin
from encoder.admin.encoders import EncoderAdmin
from encoder.admin.feature_spaces import FeatureSpaceAdmin
from encoder.admin.regions import RegionAdmin
from encoder.admin.reports import EncoderReportAdmin
from encoder.admin.targets import TargetAdmin
from encoder.admin.versions import EncoderVersionAdmin

__all__ = [
    "DatasetAdmin",
    "EncoderAdmin",
    "EncoderReportAdmin",
    "EncoderVersionAdmin",
    "FeatureSpaceAdmin",
    "RegionAdmin",
    "TargetAdmin",
]
