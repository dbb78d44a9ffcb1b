"""What an evaluation leaves on disk beside its tables and maps: figures, the page, Markdown, result.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from almond.errors import InputError
from almond.files import write_atomically
from almond.group.figures import draw
from almond.group.model_summary import ModelPerformance
from almond.group.sections import answers, key_numbers, lead, sections
from almond.report.figures_style import inline_svg, png_of, svg_of
from almond.report.markdown import section_lines
from almond.report.page import page

TITLE = "Encoding models over subjects"
MODE = "No plan was frozen beforehand: every test here is exploratory."


def check_folder(out: Path) -> None:
    """``InputError`` unless ``out`` can become an evaluation's folder: new, empty, or an earlier one."""
    if not out.exists():
        return
    if not out.is_dir() or (any(out.iterdir()) and not _is_ours(out)):
        raise InputError(out, "holds something else", "a new folder, or one of an earlier evaluation")


def _is_ours(out: Path) -> bool:
    try:
        found = json.loads((out / "result.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and str(found.get("format", "")).startswith("almond-evaluation/")


def write_pages(
    data: dict[str, Any], performances: Mapping[str, ModelPerformance | None], folder: Path
) -> None:
    """Write ``result.json``, ``figures/``, ``report.html`` and ``report.md`` from the JSON values."""
    drawn = draw(data, performances)
    svgs = {name: svg_of(figure) for name, figure in drawn.items()}
    for name, figure in drawn.items():
        write_atomically(folder / "figures" / f"{name}.svg", svgs[name].encode())
        write_atomically(folder / "figures" / f"{name}.png", png_of(figure))
    found = sections(data, tuple(drawn))
    captions = {name: caption for section in found for name, caption in section.figures}
    html = page(
        title=TITLE,
        mode="exploratory",
        mode_text=MODE,
        answers=answers(data),
        lead=lead(data),
        key=key_numbers(data),
        sections=found,
        figures={name: inline_svg(svgs[name], escape(text, quote=True)) for name, text in captions.items()},
    )
    lines = [f"# {TITLE}", "", *(f"**{text}**\n" for text in answers(data)), lead(data), "", MODE]
    for section in found:
        lines += ["", *section_lines(section)]
    write_atomically(folder / "report.html", html.encode())
    write_atomically(folder / "report.md", ("\n".join(lines).rstrip() + "\n").encode())
    text = json.dumps(data, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    write_atomically(folder / "result.json", (text + "\n").encode())
