"""Power by simulation of a planned study, through the code that will analyse it."""

from almond.power.curve import power_curve
from almond.power.results import PowerResult

__all__ = ["PowerResult", "power_curve"]
