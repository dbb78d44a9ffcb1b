"""Reports: one self-contained page, the same in Markdown, every number as JSON, every figure as a file."""

from __future__ import annotations

from html import escape
from pathlib import Path

from almond.analysis.analyse import AnalysisResult, analyse_export, result_bytes
from almond.analysis.figures import draw
from almond.analysis.sections import key_numbers, sections
from almond.analysis.sentences import mode_sentence, sample_sentence
from almond.errors import InputError
from almond.files import write_atomically
from almond.report.figures_style import inline_svg, png_of, svg_of
from almond.report.markdown import section_lines
from almond.report.page import page

__all__ = ["AnalysisResult", "analyse_export", "html_of", "markdown_of", "write_report"]


def write_report(result: AnalysisResult, folder: Path) -> Path:
    """Write report.html, report.md, result.json and figures/ into ``folder``; returns the page's path.

    An earlier report of ours in the folder is replaced, file by file, each whole. Raises ``InputError`` when
    the folder is a file.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(folder, "is a file", "a folder for the report")
    drawn = draw(result.data)
    svgs = {name: svg_of(figure) for name, figure in drawn.items()}
    for name, figure in drawn.items():
        write_atomically(folder / "figures" / f"{name}.svg", svgs[name].encode())
        write_atomically(folder / "figures" / f"{name}.png", png_of(figure))
    write_atomically(folder / "result.json", result_bytes(result))
    write_atomically(folder / "report.md", markdown_of(result).encode())
    write_atomically(folder / "report.html", html_of(result, svgs).encode())
    return folder / "report.html"


def html_of(result: AnalysisResult, svgs: dict[str, str]) -> str:
    """The page, with the figures inside it."""
    data = result.data
    found = sections(data)
    captions = {name: caption for section in found for name, caption in section.figures}
    inline = {name: inline_svg(svg, escape(captions[name], quote=True)) for name, svg in svgs.items()}
    return page(
        title=data["study"]["title"],
        mode=data["mode"],
        mode_text=mode_sentence(data),
        answers=result.headline,
        lead=sample_sentence(data),
        key=key_numbers(data),
        sections=found,
        figures=inline,
    )


def markdown_of(result: AnalysisResult) -> str:
    """The report as Markdown, with figures beside it."""
    data = result.data
    lines = [f"# {data['study']['title']}", "", *(f"**{text}**" + "\n" for text in result.headline)]
    lines += [sample_sentence(data), "", mode_sentence(data), ""]
    for section in sections(data):
        lines += section_lines(section)
    return "\n".join(lines).rstrip() + "\n"
