# The commands of musicssl. Needs Python 3.11 to 3.13, make, and a network the first time.
.DEFAULT_GOAL := help
PYTHON ?= python3
PY := .venv/bin/python
READY := .venv/.ready

# A virtual environment that was moved, cut short or broken counts as not set up.
ifneq ($(shell $(PY) -I -c 'import musicssl' 2>/dev/null && echo works),works)
$(shell rm -f $(READY))
endif

.PHONY: help train test test-all fuzz endurance check format docs bench clean

# Compiled files are kept, or every process of the tests compiles all of them again.
test test-all fuzz endurance: export PYTHONDONTWRITEBYTECODE =
# Each of the processes that test side by side has one thread; two or more would wait for each other.
test test-all: export OMP_NUM_THREADS ?= 1

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

train: $(READY) ## Set up, then train ATT on the embedded corpus to a table and pictures
	$(PY) train.py

test: $(READY) ## Set up, then run the tests, but for the slow ones
	$(PY) -m pytest -n auto --dist worksteal -m "not slow and not fuzz"

test-all: $(READY) ## Run these and the slow ones: real processes, kills, several ranks
	$(PY) -m pytest -n auto --dist worksteal -m "not fuzz"

fuzz: $(READY) ## Try damaged and hostile inputs, and count them; INPUTS=1000000 goes on to so many
	$(if $(INPUTS),,$(PY) -m pytest -n 0 -m fuzz)
	$(PY) -W ignore -m tests.support.fuzzing --inputs $(or $(INPUTS),20000)

endurance: $(READY) ## Kill trainings 100 times and compare with undisturbed ones; ARGS='--kills N --seed S'
	$(PY) -m tests.support.endurance $(ARGS)

check: $(READY) ## Check style, spelling and types; change nothing
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m codespell_lib
	$(PY) -m mypy

format: $(READY) ## Put the code into shape
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

docs: $(READY) ## Build the documentation site, and print where it is
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet
	@echo "The site is in build/docs; open $(CURDIR)/build/docs/index.html"

# The last of them, wanted.py, writes its table into the page of benchmarks, unless figures mean nothing.
bench: $(READY) ## Measure speed, for hours; ARGS=--small runs all of the code in minutes
	@failed=""; \
	for file in $$(grep -l __main__ benchmarks/*.py); do \
	  page=""; [ -n "$(findstring --small,$(ARGS))" ] || case $$file in */wanted.py) page="--page docs/benchmarks.md";; esac; \
	  echo "== $$file"; $(PY) $$file $(ARGS) $$page || failed="$$failed $$file"; \
	done; \
	if [ -n "$$failed" ]; then echo "error: these benchmarks failed:$$failed" >&2; exit 1; fi

clean: ## Remove the environment and everything derived; runs/ stays
	rm -rf .venv cache build *.egg-info .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "error: musicssl needs Python 3.11 to 3.13; name one with make PYTHON=python3.12"; exit 2; }
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
