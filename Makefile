# Everything a newcomer needs: `make demo` and `make test`. Each target sets up its own virtual environment first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SERVE ?= 1
HOME_FOLDER ?= zhouji-data
PYTEST_WORKERS ?= 2

export BENTOML_DO_NOT_TRACK := True
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true
export TZ := UTC

.PHONY: help setup check test demo bench drill lock clean

help: ## say what each target does
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(READY): locks/development.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Zhouji needs CPython 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-compile -r locks/development.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check  # the lock is whole, so nothing was resolved
	@touch $(READY)

setup: $(READY) ## prepare .venv and nothing else

check: $(READY) ## format, lint, types, import contracts, the repo's own rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -p no:randomly tests/documentation

test: $(READY) ## all tests except the long drills
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder -m "not drill"

demo: $(READY) ## the whole chain on a generated sample; SERVE=0 stops before serving
	$(BIN)/zhouji demo --home $(HOME_FOLDER) $(if $(filter 0,$(SERVE)),--no-serve,)

bench: $(READY) ## ratios to a peer or a limit measured in the same run
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

drill: $(READY) ## the long fault and fuzz runs
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) -m drill

lock: $(READY) ## write the lock files anew (needs uv)
	uv pip compile --universal --generate-hashes --python-version 3.11 -q --no-annotate --no-header --no-emit-find-links --no-emit-index-url pyproject.toml -o locks/runtime.txt
	uv pip compile --universal --generate-hashes --python-version 3.11 -q --no-annotate --no-header --no-emit-find-links --no-emit-index-url pyproject.toml --group dev -c locks/runtime.txt -o locks/development.txt

clean: ## remove the virtual environment and caches; state in zhouji-data stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
