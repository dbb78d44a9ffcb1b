"""Copy what the participants' pages load from node_modules to static/vendor, as built by its authors.

Run after ``npm ci``; ``make setup`` does both. No bundler: the pages take these files as they are.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
VENDOR = ROOT / "static" / "vendor"

# Address below static/vendor -> file in node_modules. jspsych.css is left out: it embeds 351 KB of fonts.
FILES = {
    "jspsych.js": "jspsych/dist/index.browser.min.js",
}


def main(modules: Path = MODULES, vendor: Path = VENDOR) -> int:
    from almond.cli.output.frame import framed  # `make setup` reads this file before anything is installed

    return framed(lambda: copy(modules, vendor), "almond")


def copy(modules: Path, vendor: Path) -> int:
    from almond.files.writing import write_atomically

    missing = [name for name in FILES.values() if not (modules / name).is_file()]
    if missing:
        print(
            f"The participants' pages lack {', '.join(missing)} in {modules}: run `npm ci` in {ROOT} first"
            " (it needs Node.js 18 or newer).",
            file=sys.stderr,
        )
        return 1
    for name, source in FILES.items():
        write_atomically(vendor / name, (modules / source).read_bytes())
    return 0


def broken(vendor: Path = VENDOR) -> list[Path]:
    """List the files that pages load and that are missing or empty."""
    paths = [vendor / name for name in FILES]
    return [path for path in paths if not path.is_file() or path.stat().st_size == 0]


if __name__ == "__main__":
    sys.exit(main())
