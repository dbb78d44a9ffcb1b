"""What an experimenter fills in on the encoding pages; checked where it is typed."""

from encoder.forms.datasets import DatasetForm
from encoder.forms.encoders import EncoderForm
from encoder.forms.features import FeatureSpaceForm
from encoder.forms.regions import RegionForm
from encoder.forms.reports import ReportForm
from encoder.forms.targets import TargetForm

__all__ = ["DatasetForm", "EncoderForm", "FeatureSpaceForm", "RegionForm", "ReportForm", "TargetForm"]
