"""What an experimenter fills in on the encoding pages; checked where it is typed."""

from encoder.admin.forms.datasets import DatasetForm
from encoder.admin.forms.encoders import EncoderForm
from encoder.admin.forms.features import FeatureSpaceForm
from encoder.admin.forms.regions import RegionForm
from encoder.admin.forms.reports import ReportForm
from encoder.admin.forms.targets import TargetForm

__all__ = ["DatasetForm", "EncoderForm", "FeatureSpaceForm", "RegionForm", "ReportForm", "TargetForm"]
