# Everything a person does here, by name. `make` alone lists it.

PYTHON ?= python3
PORT ?= 8000
TESTS ?= tests
PYTEST_ARGS ?=
# A part of the tests says nothing about how much of the product all of them reach.
COVERAGE := $(if $(filter tests,$(TESTS)$(PYTEST_ARGS)),--cov --cov-report=term)

BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
NODE := tests/interop/node
JAVA := tests/interop/java
PEERS := $(NODE)/node_modules/.package-lock.json $(JAVA)/target/lib $(BIN)/versitygw
COMPILE := UV_CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/uv pip compile --quiet \
	--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --upgrade
LOCKS := requirements.lock requirements-build.lock requirements-demo.lock

export PORT
.DEFAULT_GOAL := help
.PHONY: help demo install dev test test-quick check format docs bench lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/installed ## Install, migrate, seed and serve a demonstration on PORT (8000)
	@exec $(BIN)/python -m examples.demo

install: .venv/installed ## Install idp and what the demo needs into .venv

dev: .venv/installed-dev ## Serve on PORT (8000) and restart when the code changes
	@exec $(BIN)/idp dev --port $(PORT)

test: .venv/installed-dev $(PEERS) ## Run every test; TESTS=… and PYTEST_ARGS=… narrow it
	@.ci/install-system-packages
	IDP_TEST_COMPLETE=1 $(BIN)/python -m tests.helpers.services -- \
		$(BIN)/python -m pytest -n 2 $(COVERAGE) $(PYTEST_ARGS) $(TESTS)

test-quick: .venv/installed-dev ## Run the tests that need nothing but Python
	$(BIN)/python -m pytest -n 2 -m 'not browser and not interop and not faults and not slow' $(PYTEST_ARGS) $(TESTS)

check: .venv/installed-dev ## Lint, formatting, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/installed-dev ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/installed-dev ## Write the generated reference pages anew
	$(BIN)/python -m docs.generate

bench: .venv/installed-dev ## Measure; see bench/README.md
	$(BIN)/python -m bench

lock: .venv/installed-dev ## Choose dependency versions anew, within pyproject.toml
	$(COMPILE) pyproject.toml --output-file requirements.lock
	$(COMPILE) --group pyproject.toml:build --constraint requirements.lock --output-file requirements-build.lock
	$(COMPILE) pyproject.toml --group examples --constraint requirements.lock --output-file requirements-demo.lock
	$(COMPILE) pyproject.toml --group dev $(LOCKS:%=--constraint %) --output-file requirements-dev.lock

clean: ## Remove what was built; the demo's data in var/ stays
	rm -rf .venv $(NODE)/node_modules $(JAVA)/target .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache \
		.coverage .coverage.* htmlcov dist build

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "idp needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/installed: $(LOCKS) pyproject.toml | .venv/bin/python
	@echo "Installing into .venv …"
	@$(PIP) install --require-hashes --requirement requirements-build.lock --requirement requirements-demo.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/installed-dev: requirements-dev.lock .venv/installed
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@touch $@

$(NODE)/node_modules/.package-lock.json: $(NODE)/package-lock.json $(NODE)/package.json
	npm ci --prefix $(NODE) --no-audit --no-fund
	@touch $@

$(JAVA)/target/lib: $(JAVA)/pom.xml
	@rm -rf $@
	mvn --quiet --batch-mode --file $< dependency:copy-dependencies -DoutputDirectory=target/lib
	@touch $@

# An S3 server that nobody here wrote, for the tests of pictures in a bucket.
$(BIN)/versitygw: | .venv/bin/python
	GOBIN=$(abspath $(BIN)) CGO_ENABLED=0 go install github.com/versity/versitygw/cmd/versitygw@v1.8.0
