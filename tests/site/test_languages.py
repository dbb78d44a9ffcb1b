"""Every word that a participant reads, in every language: of pages, refusals, scripts and trial kinds."""

from __future__ import annotations

import ast
import gettext
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.template import Engine
from django.template.base import Node, NodeList, Template, Variable
from django.templatetags.i18n import BlockTranslateNode, TranslateNode

from almond.design.trials import TRIAL_KINDS
from almond.design.trials.choice import ChoiceBlock
from almond.design.words import ENGLISH, LANGUAGES
from almond.design.words.shown import TIME_LIMIT, time_limit

ROOT = Path(settings.BASE_DIR)
TRANSLATED = [name for name in LANGUAGES.names() if name != ENGLISH]
TEMPLATES = [*(ROOT / "templates").glob("*.html"), *(ROOT / "templates" / "participant").glob("*.html")]
MODULES = [
    path
    for app in ("ratings", "studies")
    for path in (ROOT / app).rglob("*.py")
    if "utils.translation import" in path.read_text(encoding="utf-8")
]
SCRIPTS = [*(ROOT / "static" / "js").glob("*.js"), *(ROOT / "static" / "js" / "trials").rglob("*.js")]
QUOTED = r'"((?:[^"\\]|\\.)*)"'
TRANSLATE = re.compile(rf"\btranslate\(\s*{QUOTED}")
TRANSLATE_COUNT = re.compile(rf"\btranslateCount\(\s*[\w.]+,\s*{QUOTED},\s*{QUOTED}")
PLACES = re.compile(r"%\(\w+\)[sd]|\{\w+\}")
WORDS = re.compile(r"[A-Za-z]{2,}")


def nodes_of(nodes: NodeList) -> Iterator[Node]:
    for node in nodes:
        yield node
        for name in node.child_nodelists:
            yield from nodes_of(getattr(node, name, None) or NodeList())
        for _, inner in getattr(node, "conditions_nodelists", []):
            yield from nodes_of(inner)


def texts_of_templates() -> Iterator[str]:
    engine = Engine.get_default()
    for path in TEMPLATES:
        template = Template(path.read_text(encoding="utf-8"), engine=engine)
        for node in nodes_of(template.nodelist):
            if isinstance(node, TranslateNode):
                literal = node.filter_expression.var
                yield str(literal.literal if isinstance(literal, Variable) else literal)
            elif isinstance(node, BlockTranslateNode):
                yield node.render_token_list(node.singular)[0]
                if node.plural:
                    yield node.render_token_list(node.plural)[0]


def texts_of_modules() -> Iterator[str]:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                count = {"_": 1, "gettext": 1, "gettext_lazy": 1, "ngettext": 2}.get(node.func.id, 0)
                yield from (ast.literal_eval(argument) for argument in node.args[:count])


def entries(language: str) -> dict[tuple[str, ...], list[str]]:
    """Read a .po file: (msgid, or msgid and msgid_plural) -> its translations; the head apart."""
    text = (ROOT / "locale" / language / "LC_MESSAGES" / "django.po").read_text(encoding="utf-8")
    assert "#, fuzzy" not in text
    assert "#~" not in text
    read: dict[tuple[str, ...], list[str]] = {}
    for entry in text.split("\n\n"):
        parts: dict[str, str] = {}
        name = ""
        for line in entry.splitlines():
            match = re.match(r"(msg\w+(?:\[\d\])?) (.*)", line)
            name, quoted = match.groups() if match else (name, line)
            if quoted.startswith('"'):
                parts[name] = parts.get(name, "") + ast.literal_eval(quoted)
        ids = tuple(value for key, value in parts.items() if key.startswith("msgid"))
        if ids and ids[0]:
            read[ids] = [value for key, value in parts.items() if key.startswith("msgstr")]
    return read


def script_texts() -> tuple[set[str], set[str]]:
    """Return the texts of the scripts: those without a count, and the plurals of those with one."""
    single: set[str] = set()
    counted: set[str] = set()
    for path in SCRIPTS:
        source = path.read_text(encoding="utf-8")
        if path.name == "words.js":
            continue
        texts = TRANSLATE.findall(source)
        plurals = TRANSLATE_COUNT.findall(source)
        # Drawings translate too, by numbers.
        calls = (
            len(re.findall(r"\btranslate\((?![\d$-])", source)),
            len(re.findall(r"\btranslateCount\(", source)),
        )
        assert (len(texts), len(plurals)) == calls, f"{path.name}: a text that is not in quotes"
        single.update(texts)
        counted.update(other for _, other in plurals)
    return single, counted


def places(text: str) -> list[str]:
    return sorted(PLACES.findall(text))


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_word_of_the_pages_is_translated_and_no_other(language: str) -> None:
    translated = entries(language)
    used = {*texts_of_templates(), *texts_of_modules()}
    assert used == {text for ids in translated for text in ids}
    for ids, texts in translated.items():
        assert all(texts), ids
        for text in texts:
            # The singular may say "one" where the plural has the number.
            assert set(places(text)) in [set(places(one)) for one in ids], text


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_is_compiled_is_what_is_written(language: str) -> None:
    folder = ROOT / "locale" / language / "LC_MESSAGES"
    with (folder / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for ids, texts in entries(language).items():
        if len(ids) == 1:
            assert compiled.gettext(ids[0]) == texts[0]
        else:
            one, other = ids
            assert {compiled.ngettext(one, other, number) for number in range(100)} == set(texts)
    catalogue: dict[Any, str] = vars(compiled)["_catalog"]
    said = {key if isinstance(key, str) else key[0] for key in catalogue if key}
    assert said == {ids[0] for ids in entries(language)}


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_word_of_the_scripts_is_translated_and_no_other(language: str) -> None:
    catalogue = json.loads((ROOT / "locale" / language / "scripts.json").read_text(encoding="utf-8"))
    single, counted = script_texts()
    assert single | counted == set(catalogue)
    for text in single:
        assert places(catalogue[text]) == places(text)
        assert catalogue[text]
    for text in counted:
        forms = catalogue[text]
        assert forms["other"]
        assert all(set(places(form)) <= {*places(text), "{count}"} for form in forms.values())


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("kind", TRIAL_KINDS.names())
def test_every_trial_kind_speaks_every_language(kind: str, language: str) -> None:
    words = TRIAL_KINDS.load(kind).translations.get(language) or LANGUAGES.load(language).get(kind)
    assert words is not None, f"almond/design/words/{language}.py says nothing of {kind}"
    assert bool(words.keys) == bool(TRIAL_KINDS.load(kind).keys)


@pytest.mark.parametrize("language", LANGUAGES.names())
def test_every_language_says_how_long_one_has(language: str) -> None:
    block = ChoiceBlock(kind="choice", name="pairs", trials=1, deadline_s=3)
    assert "3" in time_limit(language).instructions(block)


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_words_are_of_kinds_that_are_gone(language: str) -> None:
    assert set(LANGUAGES.load(language)) <= {*TRIAL_KINDS.names(), TIME_LIMIT}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_pages_have_no_word_outside_the_catalogue(path: Path) -> None:
    """What stands between tags of a page, and what is read aloud of it, comes from the catalogue."""
    source = re.sub(
        r"\{%\s*blocktranslate.*?endblocktranslate\s*%\}", "", path.read_text(encoding="utf-8"), flags=re.S
    )
    source = re.sub(r"<(style|script).*?</\1>|\{[%{#].*?[%}#]\}", "", source, flags=re.S)
    aloud = re.findall(r'(?:aria-label|title|alt|placeholder)="([^"]*)"', source)
    between = re.sub(r"<[^>]*>", " ", source)
    assert [word for text in (between, *aloud) for word in WORDS.findall(text) if word != "Almond"] == []
