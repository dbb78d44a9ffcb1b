"""A made study with participants of whom each breaks one exclusion rule, and a plan that has all rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from almond.design.exclusions import EXCLUSIONS
from almond.design.plan import StudyPlan
from almond.digest import canonical_json
from tests.almond.export_maker import TIME, make_export, reseal

BROKEN = {
    "P001": "speed",
    "P002": "straight_lining",
    "P003": "failed_checks",
    "P004": "repeats",
    "P005": "reloads",
    "P006": "devices",
    "P007": "by_hand",
}
"""Who breaks which rule. P001 breaks that of repeats too."""


def read(folder: Path, table: str) -> pd.DataFrame:
    return pd.read_csv(folder / "data" / f"{table}.csv", dtype=str, keep_default_na=False)


def write(folder: Path, table: str, rows: pd.DataFrame) -> None:
    rows.to_csv(folder / "data" / f"{table}.csv", index=False, lineterminator="\n")


def load(person: str, number: int, **facts: Any) -> dict[str, Any]:
    """Make the event of a page that was loaded."""
    detail = {"done": 0, "width": 1280, "height": 800, "frame_ms": 16.7, **facts}
    return {
        "participant_id": person,
        "event_id": f"{person}-{number}",
        "trial_index": "",
        "kind": "load",
        "page_ms": 12.5,
        "detail": json.dumps(detail),
        "received_at": TIME,
    }


def careless(folder: Path) -> None:
    """Make the answers of the first participants break the rules of ``BROKEN``."""
    rng = np.random.default_rng(3)
    for table in ("ratings", "choices"):
        rows = read(folder, table).assign(late="0", marks="", gap_ms="0")
        who = rows["participant_id"]
        rows.loc[who == "P001", "rt_ms"] = "390.0"
        rows.loc[who != "P001", "rt_ms"] = "2600.0"
        rows.loc[(who == "P003") & (rows["trial_index"].astype(int) < 3), "marks"] = "too_fast out_of_order"
        if table == "ratings":
            rows.loc[who == "P002", "value"] = "50.0"
            for person in ("P001", "P004"):
                second = (who == person) & (rows["repeat"] == "1")
                rows.loc[who == person, "value"] = rng.integers(0, 41, (who == person).sum()).astype(str)
                rows.loc[second, "value"] = "95.0"
        write(folder, table, rows)


def plan_rules(folder: Path, *rules: dict[str, Any]) -> None:
    """Write exclusion rules into the plan of an export and seal it anew; all with their defaults if none."""
    plan = json.loads((folder / "plan.json").read_bytes())
    plan["analysis"]["exclusions"] = list(rules) or [{"kind": name} for name in EXCLUSIONS]
    (folder / "plan.json").write_bytes(canonical_json(StudyPlan.from_json(plan).to_json()))
    reseal(folder)


def exclude(folder: Path, person: str, why: str, *, blind: bool = True) -> None:
    """Exclude somebody by hand in an export: in the table of participants, and in the manifest."""
    rows = read(folder, "participants")
    if "excluded" not in rows:
        rows = rows.assign(excluded="0", excluded_reason="", excluded_blind="")
    columns = ["excluded", "excluded_reason", "excluded_blind"]
    rows.loc[rows["participant_id"] == person, columns] = ["1", why, str(int(blind))]
    write(folder, "participants", rows)
    entry = {"participant_id": person, "excluded": True, "why": why, "author": "A. Lab", "at": TIME}
    before = json.loads((folder / "manifest.json").read_bytes()).get("excluded_by_hand", [])
    reseal(folder, excluded_by_hand=[*before, {**entry, "blind": blind}])


def screened_export(folder: Path, *, participants: int = 12, **changes: Any) -> Path:
    """Write the export of a study in which six participants each break one rule and two did not finish."""
    changes = {"incomplete": 2, "scenes": 8, "permutations": 19, **changes}
    make_export(folder, participants=participants, **changes)
    careless(folder)
    events = [load(f"P{number:03d}", 0) for number in range(participants)]
    events += [load("P005", number) for number in range(1, 5)]
    events.append(load("P006", 1, width=390))
    write(folder, "events", pd.DataFrame(events))
    plan_rules(folder)
    return folder
