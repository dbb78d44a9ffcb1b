"""Every small input that went wrong once, with what must happen: a number, a remark, or an error.

The inputs lie in ``cases/ROOM/CASE``, or are made by the tests; each module below holds those of one kind.
"""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

KINDS = ("files", "numbers", "pictures", "runs", "starting", "tables")
MODULES = [f"tests.contracts.cases_{kind}" for kind in KINDS]
pytest.register_assert_rewrite(*MODULES)

from tests.contracts.cases_files import *  # noqa: E402, F403
from tests.contracts.cases_numbers import *  # noqa: E402, F403
from tests.contracts.cases_pictures import *  # noqa: E402, F403
from tests.contracts.cases_runs import *  # noqa: E402, F403
from tests.contracts.cases_starting import *  # noqa: E402, F403
from tests.contracts.cases_tables import *  # noqa: E402, F403

CASES = Path(__file__).parent / "cases"


def test_no_test_hides_another() -> None:
    names = [name for module in MODULES for name in vars(import_module(module)) if name.startswith("test_")]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert set(names) <= set(globals())


def test_every_folder_of_a_case_is_used() -> None:
    text = "".join((Path(__file__).parent / f"cases_{kind}.py").read_text() for kind in KINDS)
    folders = [path.name for room in CASES.iterdir() for path in room.iterdir() if path.is_dir()]
    assert len(folders) >= 17
    assert [name for name in folders if f'"{name}"' not in text and f"{name}/" not in text] == []
