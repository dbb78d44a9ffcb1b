"""Small export folders with known truth, written by hand in the format of docs/export.md."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from almond.design.plan import StudyPlan
from almond.digest import canonical_json, digest_file, digest_json
from almond.exchange.schema import LOWLEVEL

TIME = "2026-01-05T10:00:00+00:00"
CONSTRUCTS = ("threat", "urgency", "social", "pleasantness")
TARGETS = ("LB", "CM", "SF", "AStr")


@dataclass(frozen=True)
class World:
    """What a made study is like: ``effect`` in SDs of a rating on the target's own construct and in log odds
    of aligned choices; all standard deviations that a real study has.

    ``themes_told`` is false for an export from before themes: neither plan nor tables have any. ``unguided``:
    every scene has an image at strength 0. ``lowlevel``: images have low-level features, of noise.
    """

    participants: int = 12
    incomplete: int = 0
    scenes: int = 6
    scenes_per_theme: int = 1
    themes_told: bool = True
    effect: float = 1.0
    choice_effect: float = 1.0
    repeats: int = 4
    stimulus_sd: float = 0.3
    scene_sd: float = 0.5
    participant_sd: float = 0.4
    permutations: int = 199
    seed: int = 7
    natural: bool = False
    predicted: float = 0.8
    strengths: tuple[float, ...] = (1.0,)
    unguided: bool = False
    lowlevel: bool = False


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def stimuli_of(world: World, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for scene in range(world.scenes):
        theme = f"theme-{scene // world.scenes_per_theme:02d}"
        if world.natural:
            rows.append(stimulus(f"photo-{scene:02d}", f"photo-{scene:02d}", theme, "", 0))
            continue
        if world.unguided:
            rows.append(stimulus(f"s{scene:02d}-base", f"scene-{scene:02d}", theme, "", 0))
        for target in TARGETS:
            for strength in world.strengths:
                for direction in (1, -1):
                    name = f"s{scene:02d}-{target}-{'up' if direction > 0 else 'down'}"
                    name += "" if strength == 1.0 else f"-{strength:g}"
                    made = stimulus(name, f"scene-{scene:02d}", theme, target, direction)
                    rows.append({**made, "strength": strength})
    frame = pd.DataFrame(rows)
    for target in TARGETS:
        own = frame["intended_target"] == target
        frame[f"score_{target}"] = rng.normal(0, 1, len(frame)) + own * frame["direction"]
    if world.natural:
        frame["norm_valence"] = rng.normal(4, 1, len(frame))
    if world.lowlevel:
        measured = np.random.default_rng([world.seed, 13]).uniform(0.1, 0.5, (len(frame), len(LOWLEVEL)))
        frame[list(LOWLEVEL)] = measured.round(4)
    return frame


def stimulus(name: str, scene: str, theme: str, target: str, direction: int) -> dict[str, Any]:
    digest = sha(name)
    return {
        "stimulus_id": name,
        "file": f"stimuli/{digest}.png",
        "image_sha256": digest,
        "base_scene": scene,
        "theme": theme,
        "prompt": "" if not target else "a street",
        "seed": "" if not target else 3,
        "intended_target": target,
        "direction": direction,
        "strength": 1.0 if target else 0.0,
        "recipe_digest": sha("recipe " + name) if target else "",
    }


def plan_of(world: World, stimuli: pd.DataFrame) -> StudyPlan:
    records = stimuli.to_dict("records")
    pairs = [
        {
            "id": f"p-{high['stimulus_id']}",
            "base_scene": high["base_scene"],
            "target": high["intended_target"],
            "construct": CONSTRUCTS[TARGETS.index(high["intended_target"])],
            "question": "Which?",
            "high": high["stimulus_id"],
            "low": high["stimulus_id"].replace("-up", "-down"),
        }
        for high in records
        if high["direction"] == 1
    ]
    blocks = [
        {
            "kind": "rating",
            "name": "ratings",
            "trials": len(records) + world.repeats,
            "constructs": list(CONSTRUCTS),
            "repeats": world.repeats,
        }
    ]
    if pairs:
        blocks.append({"kind": "choice", "name": "choices", "trials": len(pairs), "constructs": []})
    return StudyPlan.from_json(
        {
            "format": "almond-plan/1",
            "title": "A made study",
            "seed": world.seed,
            "language": "en",
            "participants": world.participants,
            "constructs": [
                {"name": name, "question": f"How {name}?", "low": "not", "high": "very"}
                for name in CONSTRUCTS
            ],
            "blocks": blocks,
            "stimuli": [
                {
                    "id": row["stimulus_id"],
                    "sha256": row["image_sha256"],
                    "base_scene": row["base_scene"],
                    **({"theme": row["theme"]} if world.themes_told else {}),
                    "prompt": row["prompt"],
                    "target": row["intended_target"] or None,
                    "direction": row["direction"],
                    "strength": row["strength"],
                    "width": 96,
                    "height": 96,
                }
                for row in records
            ],
            "pairs": pairs,
            "analysis": {
                "permutations": world.permutations,
                "alpha": 0.05,
                "primary": ["natural"] if world.natural else ["classification", "choices"],
            },
        }
    )


def percepts(world: World, stimuli: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """The judged value of every stimulus on every construct, in SDs."""
    scenes = {
        name: rng.normal(0, world.scene_sd, len(CONSTRUCTS)) for name in dict.fromkeys(stimuli["base_scene"])
    }
    found = np.array([scenes[name] for name in stimuli["base_scene"]])
    found += rng.normal(0, world.stimulus_sd, found.shape)
    columns = ("intended_target", "direction", "strength")
    for row, (target, direction, strength) in enumerate(
        zip(*(stimuli[name] for name in columns), strict=True)
    ):
        if target:
            found[row, TARGETS.index(target)] += world.effect * direction * strength / 2
    if world.natural:
        found[:, 0] += world.predicted * stimuli["score_LB"].to_numpy()
    return found


def ratings_of(world: World, stimuli: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    judged, records, rows = percepts(world, stimuli, rng), stimuli.to_dict("records"), []
    for person in range(world.participants + world.incomplete):
        bias = rng.normal(0, world.participant_sd, len(CONSTRUCTS))
        order = list(rng.permutation(len(records)))
        shown = order + order[: world.repeats]
        shown = shown if person < world.participants else shown[:3]
        for index, which in enumerate(shown):
            latent = judged[which] + bias + rng.normal(0, 0.6, len(CONSTRUCTS))
            name = f"P{person:03d}"
            for construct, value in zip(CONSTRUCTS, np.clip(50 + 15 * latent, 0, 100), strict=True):
                row = records[which]
                rows.append(
                    {
                        "response_id": f"r-{name}-{index}",
                        "trial_id": f"t-{name}-{index}",
                        "participant_id": name,
                        "trial_index": index,
                        "block": "ratings",
                        "repeat": int(index >= len(order)),
                        "stimulus_id": row["stimulus_id"],
                        "base_scene": row["base_scene"],
                        "theme": row["theme"],
                        "intended_target": row["intended_target"],
                        "direction": row["direction"],
                        "strength": row["strength"],
                        "construct": construct,
                        "value": round(float(value), 1),
                        "rt_ms": round(float(rng.gamma(4, 700)), 1),
                        "image_sha256": row["image_sha256"],
                        "received_at": TIME,
                    }
                )
    return pd.DataFrame(rows)


CHOICE_COLUMNS = [
    "response_id",
    "trial_id",
    "participant_id",
    "trial_index",
    "block",
    "pair_id",
    "base_scene",
    "theme",
    "intended_target",
    "construct",
    "left_stimulus",
    "right_stimulus",
    "chosen",
    "high_side",
    "aligned",
    "rt_ms",
    "left_sha256",
    "right_sha256",
    "received_at",
]


def choices_of(world: World, plan: StudyPlan, rng: np.random.Generator) -> pd.DataFrame:
    lean = {stimulus.base_scene: rng.normal(0, world.scene_sd) for stimulus in plan.stimuli}
    rows = []
    for person in range(world.participants):
        own, name = rng.normal(0, world.participant_sd), f"P{person:03d}"
        for index, which in enumerate(rng.permutation(len(plan.pairs))):
            pair = plan.pairs[which]
            logit = world.choice_effect + own + lean[pair.base_scene]
            aligned = int(rng.random() < 1 / (1 + np.exp(-logit)))
            high_left = bool(rng.integers(2))
            left, right = (pair.high, pair.low) if high_left else (pair.low, pair.high)
            rows.append(
                {
                    "response_id": f"c-{name}-{index}",
                    "trial_id": f"u-{name}-{index}",
                    "participant_id": name,
                    "trial_index": 100 + index,
                    "block": "choices",
                    "pair_id": pair.id,
                    "base_scene": pair.base_scene,
                    "theme": plan.theme_of_scene[pair.base_scene],
                    "intended_target": pair.target,
                    "construct": pair.construct,
                    "left_stimulus": left,
                    "right_stimulus": right,
                    "chosen": "left" if high_left == bool(aligned) else "right",
                    "high_side": "left" if high_left else "right",
                    "aligned": aligned,
                    "rt_ms": round(float(rng.gamma(4, 500)), 1),
                    "left_sha256": sha(left),
                    "right_sha256": sha(right),
                    "received_at": TIME,
                }
            )
    return pd.DataFrame(rows, columns=CHOICE_COLUMNS)


def participants_of(world: World, plan: StudyPlan) -> pd.DataFrame:
    rows = []
    for person in range(world.participants + world.incomplete):
        done = person < world.participants
        rows.append(
            {
                "participant_id": f"P{person:03d}",
                "list": person,
                "status": "finished" if done else "active",
                "started_at": TIME,
                "finished_at": TIME if done else "",
                "trials_planned": plan.trials,
                "trials_done": plan.trials if done else 3,
            }
        )
    return pd.DataFrame(rows)


def make_export(folder: Path, world: World | None = None, **changes: Any) -> Path:
    """Write a whole export of a made study and return its folder."""
    world = replace(world or World(), **changes)
    rng = np.random.default_rng([world.seed, 11])
    stimuli = stimuli_of(world, rng)
    plan = plan_of(world, stimuli)
    tables = {
        "participants": participants_of(world, plan),
        "ratings": ratings_of(world, stimuli, rng),
        "choices": choices_of(world, plan, rng),
        "stimuli": stimuli,
    }
    (folder / "data").mkdir(parents=True)
    (folder / "stimuli").mkdir()
    for name, frame in tables.items():
        shown = frame if world.themes_told else frame.drop(columns="theme", errors="ignore")
        shown.to_csv(folder / "data" / f"{name}.csv", index=False, lineterminator="\n")
    for name, digest in zip(stimuli["stimulus_id"], stimuli["image_sha256"], strict=True):
        (folder / "stimuli" / f"{digest}.png").write_bytes(name.encode())
    (folder / "plan.json").write_bytes(canonical_json(plan.to_json()))
    ended = {"state": "closed", "planned": world.participants, "finished": world.participants}
    seal(folder, plan.digest, collection=ended)
    return folder


def seal(folder: Path, plan_digest: str, **facts: Any) -> None:
    """Write the manifest over whatever the folder now holds; ``facts`` are further keys of it."""
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    )
    content = {
        "format": "almond-export/1",
        "study": "A made study",
        "plan_digest": plan_digest,
        "created": TIME,
        "almond_version": "0.1.0",
        "counts": {},
        **facts,
        "files": {name: digest_file(folder / name) for name in names},
    }
    manifest = {**content, "digest": digest_json(content)}
    text = json.dumps(manifest, sort_keys=True, indent=1, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")


def reseal(folder: Path, **facts: Any) -> None:
    """Make a changed folder whole again, so that only its content is wrong and not its digests.

    ``facts`` take the place of what the manifest said; None takes a key away.
    """
    old = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    said = {
        name: old[name] for name in ("collection", "origin", "about", "excluded_by_hand") if name in old
    } | facts
    digest = StudyPlan.from_bytes((folder / "plan.json").read_bytes()).digest
    seal(folder, digest, **{name: value for name, value in said.items() if value is not None})
