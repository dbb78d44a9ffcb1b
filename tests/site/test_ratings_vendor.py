"""What the participants' pages load from npm: pinned, without addresses of one registry, copied whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import vendor_js

ROOT = Path(__file__).resolve().parents[2]


def test_files_are_copied_under_short_names(tmp_path: Path) -> None:
    modules, vendor = tmp_path / "node_modules", tmp_path / "vendor"
    for name in vendor_js.FILES.values():
        (modules / name).parent.mkdir(parents=True, exist_ok=True)
        (modules / name).write_text(name)
    assert vendor_js.main(modules, vendor) == 0
    assert {path.name: path.read_text() for path in vendor.iterdir()} == vendor_js.FILES


def test_what_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert vendor_js.main(tmp_path / "node_modules", tmp_path / "vendor") == 1
    said = capsys.readouterr().err
    assert "jspsych/dist/index.browser.min.js" in said
    assert "run `npm ci`" in said
    assert not (tmp_path / "vendor").exists()


def read(name: str) -> Any:
    return json.loads((ROOT / name).read_text())


def test_versions_are_pinned_and_locked() -> None:
    wanted, locked = read("package.json")["dependencies"], read("package-lock.json")["packages"]
    for name, version in wanted.items():
        assert locked[f"node_modules/{name}"]["version"] == version
    for name, package in locked.items():
        assert "resolved" not in package, name
        assert name == "" or package["integrity"].startswith("sha512-"), name
