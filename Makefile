# make demo   the main job on a fresh machine: model file -> trained MET -> posterior -> one report
# make test   the whole fast suite
# make figures   every measured figure again, into tests/benchmarks/RESULTS.md (several hours)
# make gpu-check   laws and nets on the first GPU against the CPU, with the speeds of both, into out/gpu.json
# make lint   ruff and, on the installed wheel, mypy --strict

PYTHON ?= python3.11
DEVICE ?= cuda
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test test-slow figures gpu-check lint types clean

demo: .venv/runtime
	$(BIN)/python examples/demo.py

test: .venv/tools
	$(BIN)/python -m pytest -q --durations=10

test-slow: .venv/tools
	$(BIN)/python -m pytest -q -m slow

figures: .venv/tools
	$(BIN)/python tests/benchmarks/results.py

gpu-check: .venv/tools
	mkdir -p out
	$(BIN)/python tests/benchmarks/gpu_check.py --device $(DEVICE) --output out/gpu.json

lint: .venv/tools types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# type checkers do not follow import hooks: check the wheel as users get it, from an empty folder
types: .venv/tools
	rm -rf build && mkdir -p build/types/empty
	$(PIP) wheel -q --no-deps --no-build-isolation -w build/types .
	$(BIN)/python -m zipfile -e build/types/kinetix_cme-*.whl build/types/site
	cd build/types/empty && MYPYPATH=../site ../../../.venv/bin/mypy --config-file ../../../pyproject.toml -p kinetix

.venv/bin/python:
	$(PYTHON) -m venv .venv

# torch first, alone: the pinned CPU build; a bare torch would bring a CUDA build of gigabytes
.venv/runtime: constraints.txt pyproject.toml setup.py | .venv/bin/python
	$(PIP) install -q -c constraints.txt setuptools wheel
	$(PIP) install -q -c constraints.txt torch
	$(PIP) install -q -c constraints.txt --no-build-isolation -e .
	touch $@

.venv/tools: .venv/runtime
	$(PIP) install -q -c constraints.txt --no-build-isolation -e '.[dev]'
	touch $@

clean:
	rm -rf .venv build out *.egg-info .pytest_cache .mypy_cache .ruff_cache
