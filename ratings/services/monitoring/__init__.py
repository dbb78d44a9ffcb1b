"""What an experimenter sees of a study that runs: quality and balance, nothing by condition or target."""

from __future__ import annotations

from ratings.services.monitoring.numbers import monitor
from ratings.services.monitoring.progress import catch_up

__all__ = ["catch_up", "monitor"]
