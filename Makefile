# Two commands: `make run` opens a working lab, `make test` runs every check and test. Both call `make setup`.
# PYTHON     the Python that makes .venv (3.11 or newer)
# PORT       where the site listens (8000, or the next free port)
# ALMOND_PIP_ARGS  further words for pip, such as another source of wheels
PYTHON ?= python3

.PHONY: setup run test

setup:
	@$(PYTHON) -m scripts.setup

run: setup
	@.venv/bin/python scripts/run.py

test: setup
	@.venv/bin/python -m scripts.run_tests
