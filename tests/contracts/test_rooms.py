"""The house as a test: sizes, names, words and imports, read from the tree."""

from __future__ import annotations

import ast
import functools
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
APPS = ("accounts", "jobs", "lab", "encoder", "generation", "studies", "ratings", "analysis")
PACKAGES = ("almond", *APPS, "config")

MOST_MODULES = 15
MOST_LINES = 350
LONGEST_FUNCTION = 60
MOST_POSITIONAL = 5

VAGUE = ("found", "one", "given", "chosen", "kept")
MOST_VAGUE = 600
COMMENTED = ("almond/encoding/models/solvers", "almond/encoding/multisubject", "almond/stats/mixed")
LEAST_COMMENTS = 0.02

VALIDATION = (
    "almond/encoding/config/*.py",
    "almond/design/plan.py",
    "almond/design/parts.py",
    "almond/design/consistency.py",
    "almond/guidance/recipe.py",
    "ratings/services/answers.py",
)
MOST_VALIDATION = 1600
"""Lines of code; docstrings, from which the tables of settings are written, are not counted."""

HEAVY = (
    "torch",
    "diffusers",
    "transformers",
    "nibabel",
    "statsmodels",
    "sklearn",
    "matplotlib",
    "scipy",
    "nilearn",
)

ENTRY_POINTS = {
    "almond/cli": {"configure", "run"},
    "almond/cli/exchange": {"configure", "run"},
    "almond/cli/pictures": {"configure", "run"},
    "almond/guidance/penalties": {"penalise"},
    "almond/guidance/rules": {"guide"},
    "almond/guidance/searches": {"search"},
}
"""Names that every module of a registry defines, by the folder of these modules."""

FACTORIES = ("open_", "load_", "make_", "read_", "send_to_")
"""A function that begins so may import what it opens by name; so may the functions that run a command."""

COMMANDS = ("run", "configure", "handle", "main")


@functools.cache
def modules() -> tuple[Path, ...]:
    """Every module that is ours and no migration."""
    paths = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return tuple(path for path in paths if "migrations" not in path.parts)


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_folders_hold_few_modules() -> None:
    counts = Counter(path.parent for path in modules() if path.name != "__init__.py")
    assert {name_of(folder): count for folder, count in counts.items() if count > MOST_MODULES} == {}


def test_files_are_short() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_functions_are_short() -> None:
    lengths = {
        f"{name_of(path)}:{node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in modules()
        for node in functions(path)
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_few_parameters_are_given_by_position() -> None:
    counts = {
        f"{name_of(path)}:{node.name}": len(
            [item for item in (*node.args.posonlyargs, *node.args.args) if item.arg not in ("self", "cls")]
        )
        for path in modules()
        for node in functions(path)
    }
    assert {name: count for name, count in counts.items() if count > MOST_POSITIONAL} == {}


def public_names(path: Path) -> set[str]:
    """Classes and functions that a module defines for others."""
    nodes = [node for node in tree(path).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return {node.name for node in nodes if not node.name.startswith("_")}


def test_no_public_name_of_the_library_is_defined_twice() -> None:
    places = defaultdict(set)
    for path in modules():
        if path.is_relative_to(ROOT / "almond"):
            for name in public_names(path) - ENTRY_POINTS.get(name_of(path.parent), set()):
                places[name].add(name_of(path))
    assert {name: sorted(paths) for name, paths in places.items() if len(paths) > 1} == {}


def late_imports(path: Path) -> Iterator[str]:
    """Imports inside functions that are no factories, as ``file:function: import``."""
    for node in functions(path):
        command = name_of(path).startswith("almond/cli/") or "management" in path.parts
        if node.name.startswith(FACTORIES) or (
            command and node.name in ("run", "configure", "handle", "main")
        ):
            continue
        for inner in ast.walk(node):
            if isinstance(inner, ast.Import | ast.ImportFrom):
                yield f"{name_of(path)}:{node.name}: {ast.unparse(inner)}"


def test_only_factories_import_inside_functions() -> None:
    assert [line for path in modules() for line in late_imports(path)] == []


def lines_of_code(path: Path) -> set[int]:
    """Numbers of the lines that hold more than a comment, a docstring or nothing."""
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    with tokenize.open(path) as file:
        tokens = [token for token in tokenize.generate_tokens(file.readline) if token.type not in silent]
    lines = {line for token in tokens[:-1] for line in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def test_validation_is_short() -> None:
    paths = [path for pattern in VALIDATION for path in sorted(ROOT.glob(pattern))]
    assert len(paths) > len(VALIDATION)
    assert sum(len(lines_of_code(path)) for path in paths) <= MOST_VALIDATION


def identifiers(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
                yield name
            case ast.keyword(arg=str() as name):
                yield name
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case _:
                pass


def test_names_are_nouns_of_the_field() -> None:
    counts = Counter(
        name for path in modules() if path.is_relative_to(ROOT / "almond") for name in identifiers(path)
    )
    assert sum(counts[name] for name in VAGUE) < MOST_VAGUE, {name: counts[name] for name in VAGUE}


@pytest.mark.parametrize("folder", COMMENTED)
def test_kernels_carry_the_lines_of_mathematics(folder: str) -> None:
    lines = comments = 0
    for path in sorted((ROOT / folder).rglob("*.py")):
        lines += len(path.read_text(encoding="utf-8").splitlines())
        with path.open("rb") as file:
            tokens = tokenize.tokenize(file.readline)
            comments += sum(
                token.type == tokenize.COMMENT and token.line.strip().startswith("#") for token in tokens
            )
    assert comments >= LEAST_COMMENTS * lines, f"{comments} comment lines of {lines}"


@functools.cache
def graph() -> grimp.ImportGraph:
    """All imports that are carried out, inside functions too; not those for the type checker alone."""
    return grimp.build_graph(
        *PACKAGES, include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
    )


def is_light(module: str) -> bool:
    """Whether the web process may load a module: all of the apps but their ``runs`` and commands."""
    parts = module.split(".")
    return parts[0] in (*APPS, "config") and not {"runs", "management", "migrations", "celery"} & set(parts)


def test_the_web_process_loads_nothing_heavy() -> None:
    """The list of web modules is made from the tree; imports inside functions count too."""
    imports = graph()
    light = {module for module in imports.modules if is_light(module)}
    assert len(light) > 50
    chains = {}
    for heavy in HEAVY:
        if heavy in imports.modules:
            for module in light & imports.find_downstream_modules(heavy):
                chains[heavy] = imports.find_shortest_chain(module, heavy)
    assert chains == {}


def strongly_connected(imports: grimp.ImportGraph) -> list[set[str]]:
    """Circles of modules that import each other, directly or through others."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    circles: list[set[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in imports.find_modules_directly_imported_by(module):
            if not other.startswith("almond"):
                continue
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            circle = set()
            while True:
                circle.add(stack.pop())
                if module in circle:
                    break
            if len(circle) > 1:
                circles.append(circle)

    for module in sorted(imports.modules):
        if module.startswith("almond") and module not in index:
            visit(module)
    return circles


def test_no_modules_of_the_library_import_each_other() -> None:
    assert strongly_connected(graph()) == []
