"""Registries: names without loading, entries when asked for, clear errors."""

from __future__ import annotations

import pytest

from almond.errors import InputError
from almond.registry import Registry

ROOTS: Registry[type] = Registry(
    "root",
    {
        "error": ("almond.errors:InputError", "an error of input"),
        "absent": "almond.absent:X",
    },
)


def test_names_need_no_module() -> None:
    assert ROOTS.names() == ("error", "absent")
    assert ROOTS.choices() == [("error", "an error of input"), ("absent", "absent")]
    assert ROOTS.load("error") is InputError
    with pytest.raises(ModuleNotFoundError):
        ROOTS.load("absent")


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(InputError, match="root: 'eror' is not known \\(expected one of error, absent\\)"):
        ROOTS.load("eror")
    with pytest.raises(InputError, match="'eror' is not known"):
        ROOTS.check("eror")
    assert ROOTS.check("absent") == "absent"  # without loading it


def test_an_entry_can_be_added_for_a_while() -> None:
    with ROOTS.registered("registry", "almond.registry:Registry"):
        assert ROOTS.load("registry") is Registry
        with pytest.raises(InputError, match="registered already"), ROOTS.registered("error", "x:y"):
            pass
    assert "registry" not in ROOTS.names()


def test_a_name_that_is_registered_again_stands_for_its_new_path():
    registry = Registry[object]("thing", {})
    with registry.registered("thing", "math:pi"):
        first = registry.load("thing")
    with registry.registered("thing", "math:e"):
        assert registry.load("thing") != first
