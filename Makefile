# One door to every tool: what CI runs is what a person runs.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
LISTEN ?= 127.0.0.1:8080
DATA   ?= .data

# What a soak tries, and where it says so (tests/soak.py).
RESULTS := benchmarks/results
SOAK   := CONSIGNE_TEST_KILLS=200 CONSIGNE_TEST_ATTACKS=all CONSIGNE_TEST_REPORT=$(RESULTS)/$$(date +%F)-soak.jsonl

.PHONY: help run test check lint soak bench mutants lock vectors clean
.PHONY: soak-attacks soak-load soak-fuzz # the parts of soak

help:             ## this list
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/.run ## set up, and start a host at http://127.0.0.1:8080
	@echo "In another terminal, paste:  $(BIN)/consigne put README.md"
	@exec $(BIN)/consigne serve --listen $(LISTEN) --data $(DATA)

test: lint        ## set up, and run every test; lines and branches of src/consigne covered stay above 95 % each
	rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest -n 2 --dist loadgroup tests
	$(BIN)/coverage combine -q
	$(BIN)/coverage report
	$(BIN)/python -m tests.bounds
	npm --prefix web run --silent test

check: lint       ## lint, types, vectors and the fast tests: under two minutes
	$(BIN)/python -m pytest -n 2 -m "not slow" tests

lint: $(VENV)/.dev web/node_modules/.package-lock.json
	npm --prefix web run --silent lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python spec/generate.py --check

soak: soak-attacks soak-load soak-fuzz mutants ## the full counts: kills, attacks, load, fuzzing; four hours, less with -j 2

soak-attacks: $(VENV)/.dev
	$(SOAK) $(BIN)/python -m pytest -n 2 --timeout 3600 -m slow tests/e2e tests/attacks tests/server

soak-load: $(VENV)/.dev
	$(SOAK) CONSIGNE_TEST_MINUTES=15 CONSIGNE_TEST_RESULTS=$(RESULTS) $(BIN)/python -m pytest -n 2 \
	  tests/attacks/test_attack_36_load.py tests/attacks/test_attack_39_sweep.py

soak-fuzz: $(VENV)/.dev
	$(SOAK) CONSIGNE_FUZZ_MINUTES=60 $(BIN)/python -m tests.fuzz
	$(SOAK) CONSIGNE_FUZZ_EXAMPLES=50 $(BIN)/python -m pytest --timeout 3600 tests/fuzz/test_attack_40_api.py

bench: $(VENV)/.dev ## side by side with what a person would use instead
	sh benchmarks/install.sh
	$(BIN)/python -m benchmarks

# A change may make the host wait for ever: no test of these takes a minute, so a test that does has failed.
mutants: $(VENV)/.dev ## change format, policy, rights, links and downloads in one place at a time; an hour and a half of one core
	PYTEST_TIMEOUT=60 nice -n 19 $(BIN)/mutmut run --max-children 1
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.mutants > $(RESULTS)/$$(date +%F)-mutants.json

vectors: $(VENV)/.dev ## write spec/vectors again
	$(BIN)/python spec/generate.py

lock:             ## resolve the requirement files again (needs uv)
	uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command "make lock" --extra server --extra socks pyproject.toml -o requirements/run.txt
	uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command "make lock" --extra server --extra socks --group dev pyproject.toml -o requirements/dev.txt

clean:            ## remove what was built, never the data
	rm -rf $(VENV) .bench .mypy_cache .ruff_cache .pytest_cache .coverage .coverage.* mutants web/node_modules

# Stamps: each is newer than what it was made from. `pip install -e` is without
# dependencies, so that only what the lock files name, with its hash, is installed.
$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)

web/node_modules/.package-lock.json: web/package-lock.json
	npm --prefix web ci --ignore-scripts --silent
	@touch $@

$(VENV)/.run: $(VENV)/pyvenv.cfg requirements/run.txt pyproject.toml
	@test -e $(VENV)/.dev || $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/pyvenv.cfg requirements/dev.txt pyproject.toml
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@ $(VENV)/.run
