"""Power by simulation of a planned study, through the code that will analyse it."""

from almond.power.curve import PowerResult, power_curve

__all__ = ["PowerResult", "power_curve"]
