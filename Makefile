# make setup   a virtual environment with everything, from the lock; and, as root on Debian, what the sandbox needs
# make demo    the main job on the embedded models: sweep, report, serve, ask
# make test    the test suite
# make check   everything a change must pass: style, types, layers, tests and the examples of the docs
# make clean   remove what the others made, but for runs/: its journals hold what was paid for
# make lock    compile requirements/cpu.lock anew, moving little (needs uv; UV_FIND_LINKS names a folder of torch's CPU wheel)

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
TORCH_INDEX := https://download.pytorch.org/whl/cpu
TORCH := $(shell grep '^torch==' requirements/cpu.lock)

SANDBOX := bubblewrap libseccomp2
INSTALL := DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends $(SANDBOX)

.PHONY: setup sandbox demo test check clean lock

setup: $(VENV)/.ready sandbox

# Programs that models write run in bubblewrap behind a filter of libseccomp, or not at all.
sandbox: $(VENV)/.ready
	@if command -v bwrap >/dev/null && $(BIN)/python -c 'import ctypes; ctypes.CDLL("libseccomp.so.2")' 2>/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && { $(INSTALL) || { apt-get update && $(INSTALL); }; }; then :; \
	else echo "to run programs that models write: apt-get install $(SANDBOX)"; fi

$(VENV)/.ready: requirements/cpu.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-deps $(TORCH) || $(BIN)/pip install --no-deps --extra-index-url $(TORCH_INDEX) $(TORCH)
	$(BIN)/pip install --quiet --no-deps -r requirements/cpu.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

demo: setup
	$(BIN)/python experiments/demo.py

test: setup
	$(BIN)/python -m pytest -q

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy -p ponder
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q --doctest-modules ponder/ tests

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

lock:
	uv pip compile pyproject.toml requirements/cpu.in --python-version 3.11 --no-header --no-annotate \
	    --extra ray --extra cpu --extra serve --extra data --extra math --extra json --extra search \
	    --extra diffusion --extra dev --override requirements/overrides.txt -o requirements/cpu.lock
