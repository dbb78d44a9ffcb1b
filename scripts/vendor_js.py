"""Copy what the participants' pages load from node_modules to static/vendor, as built by its authors.

Run after ``npm ci``; ``make setup`` does both. No bundler: the pages take these files as they are.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
VENDOR = ROOT / "static" / "vendor"

# Address below static/vendor -> file in node_modules. jspsych.css is left out: it embeds 351 KB of fonts.
FILES = {
    "jspsych.js": "jspsych/dist/index.browser.min.js",
    "plugin-html-button-response.js": "@jspsych/plugin-html-button-response/dist/index.browser.min.js",
}


def main(modules: Path = MODULES, vendor: Path = VENDOR) -> int:
    missing = [name for name in FILES.values() if not (modules / name).is_file()]
    if missing:
        print(
            f"The participants' pages lack {', '.join(missing)} in {modules}: run `npm ci` in {ROOT} first"
            " (it needs Node.js 18 or newer).",
            file=sys.stderr,
        )
        return 1
    vendor.mkdir(parents=True, exist_ok=True)
    for name, source in FILES.items():
        fresh = vendor / f".{name}.new"
        shutil.copyfile(modules / source, fresh)
        fresh.replace(vendor / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
