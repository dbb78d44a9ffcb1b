"""The pages' files as a server has them: scripts joined, hashed, compressed, kept by browsers for a year."""

from __future__ import annotations

import gzip
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brotli
import pytest

from almond.errors import InputError
from config.scripts import join_script, without_word_list
from tests.site.test_server import served

MODULES = {
    "js/a.js": 'import { b, c as d } from "./b.js";\n// words\nexport default b(d);\n',
    "js/b.js": (
        'import {\n  e,\n} from "/static/js/part/e.js";\nexport async function b() {}\nexport const c = e;\n'
        "const text = `\n// not a comment\n`;\n"
    ),
    "js/part/e.js": "export class e {}\nexport default 3;\n",
}
JOINED = """const _js_part_e = (() => {
class e {}
const _default = 3;
return { e, default: _default };
})();
const _js_b = (() => {
const { e } = _js_part_e;
async function b() {}
const c = e;
const text = `
// not a comment
`;
return { b, c };
})();
const { b, c: d } = _js_b;
export default b(d);
"""


def test_modules_are_joined_each_once_and_in_order() -> None:
    assert join_script("js/a.js", MODULES) == JOINED


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ('import { x } from "./gone.js";\n', "js/z.js: imports ./gone.js"),
        ('import { x } from "./z.js";\n', "js/z.js: imports itself through nothing else"),
        ('import x from "./b.js";\n', "js/z.js: has 'import x from"),
        ('import * as x from "./b.js";\n', "js/z.js: has 'import \\* as x"),
        ("export { x };\n", "js/z.js: has 'export { x };'"),
        ("export let x = 1;\n", "js/z.js: has 'export let x"),
    ],
)
def test_what_cannot_be_joined_is_named(source: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        join_script("js/z.js", {**MODULES, "js/z.js": source})


def test_jspsych_comes_without_its_list_of_words(collected_files: Path) -> None:
    assert without_word_list("j.js", 'var a=["ability","able","zoo"],b=a;') == "var a=[],b=a;"
    with pytest.raises(InputError, match=r"j\.js: has 0 lists of words"):
        without_word_list("j.js", "var a=[];")
    assert b'"abroad"' not in (collected_files / "vendor" / "jspsych.js").read_bytes()


def test_every_script_of_ours_is_hashed_joined_and_compressed(collected_files: Path) -> None:
    names = json.loads((collected_files / "staticfiles.json").read_text())["paths"]
    for name in ("js/study.js", "js/trials/rating.js", "js/trials/choice.js", "css/participant.css"):
        path = collected_files / names[name]
        assert names[name] != name
        whole = path.read_bytes()
        assert b"\nimport " not in whole
        assert gzip.decompress(path.with_name(path.name + ".gz").read_bytes()) == whole
        assert brotli.decompress(path.with_name(path.name + ".br").read_bytes()) == whole
    assert b"class Outbox" in (collected_files / names["js/study.js"]).read_bytes()


@pytest.fixture
def address(tmp_path: Path, collected_files: Path) -> Iterator[str]:
    with served(tmp_path, collected_files) as here:
        yield here


def headers(address: str, *, accepted: str) -> Any:
    request = urllib.request.Request(address, headers={"Accept-Encoding": accepted})
    with urllib.request.urlopen(request, timeout=10) as reply:
        return reply.headers


@pytest.mark.django_db(transaction=True)
def test_browsers_may_keep_them_for_a_year(address: str, collected_files: Path) -> None:
    names = json.loads((collected_files / "staticfiles.json").read_text())["paths"]
    script = f"{address}/static/{names['js/study.js']}"
    assert headers(script, accepted="gzip")["Content-Encoding"] == "gzip"
    kept = headers(script, accepted="gzip, deflate, br, zstd")
    assert kept["Content-Encoding"] == "br"
    assert kept["Vary"] == "Accept-Encoding"
    seconds = int(kept["Cache-Control"].split("max-age=")[1].split(",")[0])
    assert seconds >= 365 * 24 * 60 * 60
    assert "immutable" in kept["Cache-Control"]
