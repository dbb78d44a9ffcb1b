"""No number moves: today's settings, plans, exports, results and weights are those that were recorded.

``python -m tests.contracts.record_golden`` writes the files in ``golden`` anew. Floats agree to ten
significant digits on a machine that rounds as the recorder's did, and to three elsewhere; weights to 1e-12 of
the largest; what holds to the bit is compared where the arithmetic is that of the recorder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from almond.encoding.config.fit_config import SETTINGS, FitConfig
from almond.shapes import keys_of
from tests.contracts.golden_models import CASES, record_model
from tests.contracts.golden_tools import (
    BITS,
    DIGITS,
    ELSEWHERE,
    FOLDER,
    differences,
    is_recorders_arithmetic,
    read_json,
)
from tests.contracts.record_golden import CONFIGURATIONS, VALUES

SINGLE = ("flow", "single", "chain", "validation", "shared", "new subject", "old fit")
"""Single precision spreads the rounding of another processor, training by gradients multiplies it, and
digests of what was computed change with it: these are compared where the arithmetic is the recorder's,
weights there to 1e-10."""

ROUNDING = 1e-14
"""What an intercept of centred data, which is zero, may be by rounding; their standard deviation is 1."""

KEYS_SINCE = {"strict", "start_time"}
"""Keys that came after the recording."""


def skip_on_other_arithmetic(name: str) -> None:
    if name in SINGLE and not is_recorders_arithmetic(name):
        pytest.skip("this machine rounds in another way than the one that recorded")


def compare(name: str, new: Any, old: Any) -> None:
    exact = is_recorders_arithmetic(name)
    assert list(differences(new, old, within=DIGITS if exact else ELSEWHERE))[:20] == []
    if isinstance(old, dict) and BITS in old and exact:
        assert new[BITS] == old[BITS]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_configurations_mean_what_they_did(name: str) -> None:
    recorded, (read, _) = read_json(name), CONFIGURATIONS[name]
    compare(name, read({case: row["mapping"] for case, row in recorded.items()}), recorded)


def test_every_key_is_in_a_recorded_configuration() -> None:
    used = {key for row in read_json("settings").values() for key in row["mapping"]}
    assert used | KEYS_SINCE == set(keys_of(FitConfig))


def test_keys_since_then_enter_no_digest() -> None:
    assert not KEYS_SINCE & set(SETTINGS)


@pytest.mark.parametrize("name", VALUES)
def test_values_are_those_recorded(name: str, tmp_path: Path) -> None:
    skip_on_other_arithmetic(name)
    compare(name, VALUES[name](tmp_path), read_json(name))


@pytest.mark.parametrize("case", CASES)
def test_models_are_those_recorded(case: str, tmp_path: Path) -> None:
    skip_on_other_arithmetic(case)
    said, arrays = record_model(case, tmp_path)
    with np.load(FOLDER / f"model {case}.npz", allow_pickle=False) as recorded:
        assert sorted(arrays) == sorted(recorded.files)
        for name, array in arrays.items():
            scale = np.abs(recorded[name]).max(initial=0.0)
            tolerance = 1e-10 if case in SINGLE else 1e-12
            nothing = 0.0 if is_recorders_arithmetic(case) else ROUNDING
            assert array.dtype == recorded[name].dtype
            np.testing.assert_allclose(
                array, recorded[name], rtol=tolerance, atol=max(tolerance * scale, nothing)
            )
    compare(case, said, read_json(f"model {case}"))
