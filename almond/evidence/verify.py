"""Walking the chain from every response back to the encoder artifact, and naming the first broken link."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from almond.digest import digest_file
from almond.errors import AlmondError
from almond.evidence.links import LINKS, LinkCheck, unknowns
from almond.evidence.opened import Chain
from almond.exchange.manifest import files_in, load_manifest
from almond.progress import Progress, Silent

BROKEN = (AlmondError, OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Check:
    """One link: what it says, how many things were looked at, and what is wrong with them, worst first.

    ``checked`` is False when it could not be looked at because an earlier link is broken.
    """

    link: str
    count: int
    problems: tuple[str, ...] = ()
    checked: bool = True

    @property
    def ok(self) -> bool:
        return self.checked and not self.problems

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "problems": list(self.problems), "ok": self.ok}


def verify(folder: Path, *, bold: Path | None = None, progress: Progress | None = None) -> list[Check]:
    """Check every link of an export's chain, in order from the files to the BOLD data.

    ``bold`` is the folder that the artifacts' BOLD paths start from; with it, those files are hashed again.
    Nothing is raised for a broken export: it is what the checks say. Once files do not fit the manifest, the
    links behind it are not looked at.
    """
    progress = progress or Silent()
    folder = Path(folder)
    checks = [look("the manifest is as it was written", lambda: (1, no_problem(load_manifest(folder))))]
    names = [name for name, _ in LINKS]
    if not checks[0].ok:
        return [*checks, *(Check(name, 0, checked=False) for name in ("files have their bytes", *names))]
    chain = Chain(folder, load_manifest(folder), bold)
    checks.append(look("files have their bytes", lambda: files_link(chain, progress)))
    for number, (name, link) in enumerate(LINKS):
        progress.report(0.5 + 0.5 * number / len(LINKS), name)
        whole = checks[1].ok
        checks.append(look(name, partial(link, chain)) if whole else Check(name, 0, checked=False))
    progress.report(1.0, "the chain was walked")
    return checks


def not_known(folder: Path, checks: Sequence[Check]) -> list[str]:
    """Say in sentences what a whole chain leaves open; nothing where a link is broken."""
    if first_broken(checks) is not None:
        return []
    return unknowns(Chain(folder, load_manifest(folder)))


def first_broken(checks: Sequence[Check]) -> Check | None:
    """Return the first link with a problem, if any."""
    return next((check for check in checks if check.problems), None)


def look(name: str, link: Callable[[], LinkCheck]) -> Check:
    """Check a link; an export that cannot even be read is a broken link, not a crash."""
    try:
        count, problems = link()
    except BROKEN as error:
        return Check(name, 0, (str(error) or type(error).__name__,))
    return Check(name, count, tuple(problems))


def no_problem(_: object) -> list[str]:
    return []


def files_link(chain: Chain, progress: Progress) -> LinkCheck:
    """Check that every file has the bytes of the manifest, none is missing, none was added."""
    recorded = {str(name): str(digest) for name, digest in chain.manifest["files"].items()}
    present = set(files_in(chain.folder))
    problems = []
    for number, (name, digest) in enumerate(recorded.items()):
        progress.report(0.5 * number / len(recorded), f"hashing {len(recorded)} files")
        if name not in present:
            problems.append(f"{name}: is missing{resting(chain, name)}")
        elif (chain.folder / name).is_symlink() or digest_file(chain.folder / name) != digest:
            problems.append(f"{name}: its bytes changed{resting(chain, name)}")
    problems += [
        f"{name}: was added after the export was written" for name in sorted(present - set(recorded))
    ]
    return len(recorded), problems


def resting(chain: Chain, name: str) -> str:
    """Say how many responses rest on a file, where the tables can still tell."""
    try:
        count = chain.responses_on(name)
    except BROKEN:
        return ""
    return (
        f"; {count} response{'' if count == 1 else 's'} rest{'s' if count == 1 else ''} on it"
        if count
        else ""
    )
