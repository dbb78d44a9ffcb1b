"""Names and content of files of mean weights. Light: pages that offer them as a download load this alone."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from almond.encoding.config.prediction import SUFFIX
from almond.errors import InputError

HEADER = "Var1"
SAFE = re.compile(r"[A-Za-z0-9.+-][A-Za-z0-9_.+-]*")


def file_name(subject: str, region: str, suffix: str = SUFFIX) -> str:
    """Write the published name of a file of mean weights.

    :raises InputError: subject or region hold what a file name cannot.
    """
    for what, text in (("subject", subject), ("region", region)):
        if not SAFE.fullmatch(text):
            raise InputError(what, f"{text!r} cannot be part of a file name", "letters, digits, _ . + -")
    return f"meanbeta_sub-{subject}_{region}_{suffix}.csv"


def as_csv(weights: NDArray[np.float64]) -> bytes:
    """Write a column ``Var1`` of weights (D,), each as the shortest text that reads back the same."""
    return "\n".join([HEADER, *(repr(float(weight)) for weight in weights), ""]).encode()
