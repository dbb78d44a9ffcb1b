"""A report as Markdown."""

from __future__ import annotations

from almond.report.document import Section, Table


def section_lines(section: Section) -> list[str]:
    lines = [f"## {section.title}", ""]
    for text in section.paragraphs:
        lines += [text, ""]
    for name, caption in section.figures:
        lines += [f"![{caption}](figures/{name}.svg)", "", f"*{caption}*", ""]
    if section.items:
        lines += [*(f"- {item}" for item in section.items), ""]
    for table in section.tables:
        lines += [*table_lines(table), ""]
    for note in section.notes:
        lines += [note, ""]
    return lines


def table_lines(table: Table) -> list[str]:
    rule = ["---" if column in table.text else "---:" for column in range(len(table.header))]
    rows = [list(table.header), rule, *map(list, table.rows)]
    body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return [f"{table.folded}:", "", *body] if table.folded else body
