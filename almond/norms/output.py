"""What a validation leaves on disk: a folder that appears whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from almond.encoding.bold.nifti import Grid, write_map
from almond.errors import InputError
from almond.files import new_folder
from almond.norms.analyses import Analysed
from almond.norms.figures import draw
from almond.norms.images import LOW_LEVEL, NormedSet
from almond.norms.predictions import Predictions, VoxelEffects
from almond.norms.sections import answers, key_numbers, lead, sections
from almond.norms.voxelwise import FDR, VoxelMap, passing
from almond.report.figures_style import inline_svg, png_of, svg_of
from almond.report.markdown import section_lines
from almond.report.page import page

TITLE = "Predicted responses to images with norms"
MODE = "The norms were known before the encoders were judged on them: nothing here is confirmatory."


@dataclass(frozen=True, eq=False)
class Results:
    """Everything computed; ``data`` is what result.json holds."""

    data: dict[str, Any]
    sets: Sequence[NormedSet]
    predictions: Predictions
    analysed: Analysed
    effects: Mapping[str, VoxelEffects]
    maps: Mapping[str, Sequence[VoxelMap]]


def check_folder(out: Path) -> None:
    """``InputError`` unless ``out`` can become the folder of a validation: new, empty, or an earlier one."""
    if not out.exists():
        return
    if not out.is_dir() or (any(out.iterdir()) and not _is_ours(out)):
        raise InputError(out, "holds something else", "a new folder, or one of an earlier validation")


def _is_ours(out: Path) -> bool:
    try:
        found = json.loads((out / "result.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and str(found.get("format", "")).startswith("almond-validation/")


def write_results(results: Results, out: Path) -> None:
    """Write every file beside the final place, then move the folder there; an earlier one goes."""
    check_folder(out)
    with new_folder(out.parent) as scratch:
        fresh = scratch / "new"
        fresh.mkdir()
        _write(results, fresh)
        if out.exists():
            out.rename(scratch / "earlier")
        fresh.rename(out)


def _write(results: Results, folder: Path) -> None:
    data = results.data
    text = json.dumps(data, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    (folder / "result.json").write_text(text + "\n", encoding="utf-8")
    (folder / "tables").mkdir()
    for name, table in tables(results).items():
        table.to_csv(folder / "tables" / f"{name}.csv", index=False, lineterminator="\n")
    for name, values, region in volumes(results):
        found = results.effects[region]
        if found.grid is not None:
            path = folder / "maps" / f"{name}.nii.gz"
            write_map(path, values, found.voxels, Grid.from_json(found.grid))
    _write_pages(results, folder)


def _write_pages(results: Results, folder: Path) -> None:
    drawn = draw(results.data, results.sets, results.analysed, results.effects, results.maps)
    svgs = {name: svg_of(figure) for name, figure in drawn.items()}
    (folder / "figures").mkdir()
    for name, figure in drawn.items():
        (folder / "figures" / f"{name}.svg").write_text(svgs[name], encoding="utf-8")
        (folder / "figures" / f"{name}.png").write_bytes(png_of(figure))
    found = sections(results.data, tuple(drawn))
    captions = {name: caption for section in found for name, caption in section.figures}
    html = page(
        title=TITLE,
        mode="exploratory",
        mode_text=MODE,
        answers=answers(results.data),
        lead=lead(results.data),
        key=key_numbers(results.data),
        sections=found,
        figures={name: inline_svg(svg, escape(captions[name], quote=True)) for name, svg in svgs.items()},
    )
    (folder / "report.html").write_text(html, encoding="utf-8")
    lines = [
        f"# {TITLE}",
        "",
        *(f"**{text}**\n" for text in answers(results.data)),
        lead(results.data),
        "",
        MODE,
    ]
    for section in found:
        lines += ["", *section_lines(section)]
    (folder / "report.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def tables(results: Results) -> dict[str, pd.DataFrame]:
    """Every prediction, the images with ratings and features, coefficients, deciles: long tables."""
    return {
        "predictions": _predictions(results),
        "images": pd.concat([_images(one) for one in results.sets], ignore_index=True),
        "coefficients": _coefficients(results),
        "deciles": _deciles(results),
    }


def _predictions(results: Results) -> pd.DataFrame:
    found = results.predictions
    parts = []
    for one in results.sets:
        for region in found.regions:
            for index, subject in enumerate(found.subjects):
                part = pd.DataFrame(
                    {"set": one.name, "image": one.images, "subject": subject, "region": region}
                )
                part["prediction"] = found.own[one.name][region][index]
                part["prediction_by_others"] = found.others[one.name][region][index]
                parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _images(one: NormedSet) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "set": one.name,
            "image": one.images,
            "valence": one.valence,
            "arousal": one.arousal,
            "z_valence": one.z_valence,
            "z_arousal": one.z_arousal,
        }
    )
    for column, name in enumerate(LOW_LEVEL[: one.low_level.shape[1]]):
        table[name] = one.low_level[:, column]
    return table


def _coefficients(results: Results) -> pd.DataFrame:
    rows = [
        (region, part, name, subject, term, float(values[index, column]))
        for (region, part), result in results.analysed.regressions.items()
        for name, values in result.by_set.items()
        for index, subject in enumerate(results.predictions.subjects)
        for column, term in enumerate(result.names)
    ]
    return pd.DataFrame(rows, columns=["region", "part", "set", "subject", "term", "coefficient"])


def _deciles(results: Results) -> pd.DataFrame:
    rows = [
        (name, region, rating, subject, group + 1, float(table[index, group]))
        for (name, region, rating), table in results.analysed.decile_means.items()
        for index, subject in enumerate(results.predictions.subjects)
        for group in range(table.shape[1])
    ]
    return pd.DataFrame(rows, columns=["set", "region", "rating", "subject", "decile", "mean"])


def volumes(results: Results) -> Iterator[tuple[str, Any, str]]:
    """(file name, values (V,), region) of every map: r, t, and t where a threshold is passed."""
    alpha = results.data["settings"]["alpha"]
    for region, found in results.maps.items():
        for one in found:
            stem = f"{slug(region)}_{one.regressor}"
            yield f"{stem}_r", one.mean_r, region
            yield f"{stem}_t", one.t, region
            yield f"{stem}_t_uncorrected", passing(one.t, one.p, alpha), region
            yield f"{stem}_t_fdr", passing(one.t, one.q, FDR), region
            if one.p_images is not None:
                yield f"{stem}_t_images", passing(one.t, one.p_images, 0.05), region


def slug(name: str) -> str:
    """A region's name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", name).strip("-") or "region"
