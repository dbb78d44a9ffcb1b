"""What can be said of data from elsewhere: their stimuli, and a description in the place of a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from almond.design.consistency import EXTERNAL
from almond.design.parts import AnalysisPlan, Construct, PlannedStimulus
from almond.design.plan import StudyPlan
from almond.design.trials.rating import RatingBlock
from almond.digest import digest_bytes
from almond.errors import InputError
from almond.evidence.bundle import SUFFIXES, ImageSource, read_bytes
from almond.evidence.external.judgements import FACTS, Judgements
from almond.evidence.external.table_map import TableMap
from almond.pictures.files import image_files
from almond.pictures.reading import read_image
from almond.shapes import read
from almond.stimuli.lowlevel import measure
from almond.tables import COUNTED, shown_names

BLOCK = "ratings"
NOT_TOLD = "not told"


def describe_stimuli(judgements: Judgements) -> pd.DataFrame:
    """Collect what the table says of each stimulus, by its name; scene and theme are never empty.

    :raises InputError: two rows that say different things of one stimulus or of one scene's theme.
    """
    frame = judgements.frame
    facts = frame.drop_duplicates("stimulus").set_index("stimulus").sort_index()
    for name in (name for name in FACTS if name in frame):
        _require_same(judgements, "stimulus", name, facts[name])
    index = facts.index.to_series()
    scene = facts.get("scene", index)
    condition = facts["condition"] if "condition" in facts else pd.Series("", index=facts.index)
    direction = facts["direction"] if "direction" in facts else (condition != "").astype(int)
    theme = facts.get("theme", scene)
    stimuli = pd.DataFrame(
        {"base_scene": scene, "theme": theme, "intended_target": condition, "direction": direction}
    )
    stimuli["image"] = facts.get("image", index)
    _require_pairs(judgements, stimuli)
    return stimuli


def _require_same(judgements: Judgements, unit: str, name: str, first: pd.Series[Any]) -> None:
    """Refuse a unit of which a later row says something else than its first row."""
    frame = judgements.frame
    others = frame[frame[name] != frame[unit].map(first)]
    if len(others):
        row = others.iloc[0]
        said = (
            f"row {row['row']}: {name} of {unit} {row[unit]!r} is {row[name]!r}, {first[row[unit]]!r} before"
        )
        raise InputError(judgements.source, said, f"the same in all of its rows; {COUNTED}")


def _require_pairs(judgements: Judgements, stimuli: pd.DataFrame) -> None:
    """Refuse a direction without a condition, a condition without a direction, a scene in two themes."""
    wrong = stimuli[(stimuli["direction"] != 0) != (stimuli["intended_target"] != "")]
    if len(wrong):
        row = wrong.iloc[0]
        condition = row["intended_target"]
        said = f"stimulus {wrong.index[0]!r} has condition {condition!r}, direction {row['direction']}"
        raise InputError(judgements.source, said, "a direction of 1 or -1 with every condition, 0 with none")
    themes = stimuli.groupby("base_scene")["theme"].nunique()
    if (themes > 1).any():
        scene = themes.index[themes > 1][0]
        raise InputError(judgements.source, f"scene {scene!r} has several themes", "one theme for each scene")


def find_images(stimuli: pd.DataFrame, folder: Path | None) -> dict[str, Path]:
    """Find the file of every stimulus in a folder, by its name with or without suffix; none without a folder.

    :raises InputError: a stimulus without a file, two files of one name, a file that is neither PNG nor JPEG.
    """
    if folder is None:
        return {}
    files: dict[str, list[Path]] = {}
    for path in image_files(folder):
        for name in {path.name, path.stem}:
            files.setdefault(name, []).append(path)
    missing = [name for name in stimuli["image"] if name not in files]
    if missing:
        more = f"; so do {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(
            folder, f"has no file for stimulus {missing[0]!r}{more}", "a file of its name, or of image"
        )
    several = [name for name in stimuli["image"] if len(files[name]) > 1]
    if several:
        paths = shown_names([path.name for path in files[several[0]]])
        raise InputError(
            folder, f"has several files for {several[0]!r}: {paths}", "their suffix in the table"
        )
    images = {str(stimulus): files[name][0] for stimulus, name in stimuli["image"].items()}
    for path in images.values():
        if path.suffix.lower().lstrip(".").replace("jpeg", "jpg") not in SUFFIXES:
            raise InputError(
                path, f"is a {path.suffix} file", f"{' or '.join(SUFFIXES)}, as browsers showed it"
            )
    return images


def stimulus_rows(
    stimuli: pd.DataFrame, images: Mapping[str, Path]
) -> tuple[list[dict[str, Any]], dict[str, ImageSource], dict[str, tuple[int, int]]]:
    """Make the rows of stimuli.csv, with low-level features where there are images.

    :returns: the rows; digest -> suffix and bytes; stimulus -> width and height in pixels.
    """
    rows: list[dict[str, Any]] = []
    sources: dict[str, ImageSource] = {}
    sizes: dict[str, tuple[int, int]] = {}
    records = stimuli.drop(columns="image").to_dict("records")
    for name, facts in zip(map(str, stimuli.index), records, strict=True):
        row = {str(column): value for column, value in facts.items()}
        row |= {"stimulus_id": name, "image_sha256": "", "strength": 0.0}
        row |= {"prompt": "", "seed": "", "recipe_digest": ""}
        if path := images.get(name):
            data = read_bytes(path)
            pixels = read_image(data, name=str(path))
            row |= {"image_sha256": digest_bytes(data), **measure(pixels)}
            sources[row["image_sha256"]] = (path.suffix, data)
            sizes[name] = int(pixels.shape[1]), int(pixels.shape[0])
        rows.append(row)
    return rows, sources, sizes


def described_scales(frame: pd.DataFrame, table_map: TableMap) -> tuple[Construct, ...]:
    """Describe the constructs that were rated, in the order of the map, else of the alphabet."""
    used = set(frame["construct"])
    names = list(table_map.constructs) or sorted(used)
    return tuple(_construct(name, table_map) for name in names if name in used)


def rating_block(frame: pd.DataFrame, constructs: Sequence[Construct]) -> RatingBlock:
    """Describe the trials: as many as anybody rated stimuli."""
    most = int(frame.groupby("person")["stimulus"].nunique().max())
    names = tuple(construct.name for construct in constructs)
    fields = {"kind": "rating", "name": BLOCK, "trials": most, "constructs": names}
    return RatingBlock.model_validate(fields)


def planned_stimuli(
    rows: Sequence[Mapping[str, Any]], sizes: Mapping[str, tuple[int, int]]
) -> tuple[PlannedStimulus, ...]:
    """Describe the stimuli, from rows of stimuli.csv and the sizes of images that were handed over."""
    return tuple(
        PlannedStimulus(
            id=row["stimulus_id"],
            sha256=row["image_sha256"],
            base_scene=row["base_scene"],
            theme=row["theme"],
            target=row["intended_target"] or None,
            direction=int(row["direction"]),
            strength=0.0,
            width=sizes.get(row["stimulus_id"], (0, 0))[0],
            height=sizes.get(row["stimulus_id"], (0, 0))[1],
        )
        for row in rows
    )


def describe_study(source: Path, title: str, people: int, **parts: Any) -> StudyPlan:
    """Write the description that stands in a plan's place: what was judged, by how many, on which scales.

    It has no primary test: nobody deposited one.

    :param parts: constructs, blocks, stimuli and pairs of the plan.
    :raises ShapeError: what of them contradicts itself, such as a pair of one image, named after ``source``.
    """
    facts = {"format": EXTERNAL, "title": title, "seed": 0, "participants": people, **parts}
    return read(StudyPlan, {**facts, "analysis": AnalysisPlan(primary=())}, source=source)


def _construct(name: str, table_map: TableMap) -> Construct:
    scale, span = table_map.constructs.get(name), table_map.span_of(name)
    assert span is not None, "the map was read, so that every scale has its ends"
    ends = [
        f"{end:g}" + (f" ({text})" if text else "")
        for end, text in zip(span, (scale and scale.low, scale and scale.high), strict=True)
    ]
    question = (scale.question if scale else None) or f"{name} (question {NOT_TOLD})"
    return Construct(name=name, question=question, low=ends[0], high=ends[1])


def unknown_facts(table_map: TableMap) -> list[str]:
    """List what cannot be known of these data, for the verdict of ``verify`` and the report."""
    unknown = [
        "whether a plan was written before the data were seen",
        "who was asked, who was left out, and by which rule",
        "how many trials each person was to answer, and whether missing cells were planned",
    ]
    if table_map.images:
        unknown.append("whether people saw the very image files that were handed over")
    else:
        unknown.append("what people saw: no image was handed over")
    if not table_map.time:
        unknown.append("in which order a person answered (the order of the table's rows is taken), and when")
    if not table_map.response_time:
        unknown.append("how long the answers took")
    if not table_map.scene:
        each = "each pair" if table_map.choices else "each"
        unknown.append(f"which stimuli are versions of one scene: {each} is taken as its own")
    if not table_map.theme:
        unknown.append("which scenes share their content: each is taken as a theme of its own")
    return unknown
