"""The environment of the tests, set before the settings are read.

pytest-django loads the settings before any ``conftest.py``; a plugin named with ``-p`` comes still earlier.
"""

from __future__ import annotations

import gc
import os
import tempfile
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# Imports make millions of objects that stay: to look through them again and again costs a fifth of the time.
# ``conftest.py`` turns the collector on again when all tests have been found.
gc.disable()

# A lab's folder of our own, so that no test reads or writes the real one; each test process has another.
HOME = tempfile.TemporaryDirectory(prefix="almond-tests-")
os.environ["ALMOND_HOME"] = HOME.name
os.environ["HF_HUB_OFFLINE"] = "1"
# Pages are served without `collectstatic`; the folder only has to be there.
(Path(HOME.name) / "staticfiles").mkdir()
