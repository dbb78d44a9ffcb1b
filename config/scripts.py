"""Joins a script of the participants' pages with the modules that it imports into one file.

A page then asks for one file instead of ten. No bundler: the modules are written so that joining them is a
matter of text. Each imported module becomes a function that is called once and returns its exports; the
script itself stays a module. What does not have one of these forms is refused:

    import { name, other as mine } from "./module.js";     (or a whole address below STATIC_URL)
    import "./module.js";
    export function name() ...    export class Name ...    export const name = ...    export default ...
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from almond.errors import InputError

IMPORT = re.compile(r'^import (?:\{([^}]*)\} from )?"([./][^"]*)";$', re.MULTILINE)
EXPORT = re.compile(
    r"^export (?:(?P<default>default)|(?P<word>(?:async )?function\*?|class|const) (?P<name>[\w$]+))",
    re.MULTILINE,
)
COMMENT = re.compile(r"^[ \t]*(?://.*|/\*\*.*\*/[ \t]*)\n", re.MULTILINE)
WORD_LIST = re.compile(r'\["ability","able",[a-z",]+\]')
LEFT_OVER = re.compile(r"^(?:import\b(?!\()|export\b).*$", re.MULTILINE)


def is_joined(source: str) -> bool:
    """True for a script that imports others."""
    return IMPORT.search(source) is not None


def join_script(name: str, sources: Mapping[str, str], *, base: str = "/static/") -> str:
    """Return the text of a script and of all modules that it needs, each once, those first that others need.

    ``sources`` has the text of every script by its name below ``base``. ``InputError`` for a module that is
    not there, for modules that need each other, and for an import or export of another form.
    """
    order: list[str] = []
    visit(name, sources, base, order, above=())
    *needed, _ = order
    parts = [wrapped(module, sources[module], base) for module in needed]
    return "".join([*parts, rewritten(name, without_comments(sources[name]), base)])


def visit(
    name: str, sources: Mapping[str, str], base: str, order: list[str], *, above: tuple[str, ...]
) -> None:
    if name in above:
        raise InputError(name, f"imports itself through {' and '.join(above[1:]) or 'nothing else'}")
    for address in (match[2] for match in IMPORT.finditer(sources[name])):
        module = resolved(name, address, base)
        if module not in sources:
            raise InputError(name, f"imports {address}", "a script below static/js")
        if module not in order:
            visit(module, sources, base, order, above=(*above, name))
    order.append(name)


def resolved(name: str, address: str, base: str) -> str:
    if address.startswith(base):
        return address.removeprefix(base)
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), address))


def variable(name: str) -> str:
    """What holds a module's exports."""
    return "_" + re.sub(r"\W", "_", name.removesuffix(".js"))


def rewritten(name: str, source: str, base: str) -> str:
    """Replace imports by what the joined modules returned."""

    def taken(match: re.Match[str]) -> str:
        names = (match[1] or "").strip().rstrip(",")
        module = variable(resolved(name, match[2], base))
        return f"const {{ {names.replace(' as ', ': ')} }} = {module};" if names else ""

    text = IMPORT.sub(taken, source)
    for line in LEFT_OVER.findall(text):
        if line.startswith("import") or EXPORT.match(line) is None:
            raise InputError(name, f"has {line!r}", "a form that config/scripts.py lists")
    return text


def wrapped(name: str, source: str, base: str) -> str:
    """Turn an imported module into a call that returns its exports."""
    text = rewritten(name, without_comments(source), base)
    exports = [match["name"] or "default: _default" for match in EXPORT.finditer(text)]
    body = EXPORT.sub(unexported, text)
    return f"const {variable(name)} = (() => {{\n{body}return {{ {', '.join(exports)} }};\n}})();\n"


def unexported(match: re.Match[str]) -> str:
    return f"{match['word']} {match['name']}" if match["word"] else "const _default ="


def without_comments(source: str) -> str:
    """Leave out lines that are a comment alone, but none within a template text."""

    def left_out(match: re.Match[str]) -> str:
        return match[0] if source.count("`", 0, match.start()) % 2 else ""

    return COMMENT.sub(left_out, source)


def without_word_list(name: str, source: str) -> str:
    """Leave out the English words that jsPsych brings for its ``randomWords``: a quarter of its compressed
    bytes, for a function that no page of ours calls. ``InputError`` where they are not as expected."""
    text, count = WORD_LIST.subn("[]", source)
    if count != 1:
        raise InputError(name, f"has {count} lists of words", "one, as jsPsych 8.3.0 has")
    return text
