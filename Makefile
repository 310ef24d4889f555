# Every target builds .venv from nothing with pip; the stamp files make the second time quick.
# Another interpreter: `make test PYTHON=python3.12`.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

# Tiles run in parallel, one BLAS thread each; more threads only contend.
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint tests slow gpu-test bench gpu-bench notebooks coverage format clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: .venv/ready-test  ## the example on real data (examples/co2.py)
	$(BIN)/python examples/co2.py

test: lint tests  ## lint, then every quick test

tests: .venv/ready-test
	$(BIN)/python -m pytest

lint: .venv/ready-test  ## style, format, types, floors, file sizes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tests
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --quiet tests/test_house.py

slow: .venv/ready-test  ## tests of more than 20 s
	$(BIN)/python -m pytest -m "slow and not gpu" --timeout 1800

gpu-test: .venv/ready-gpu  ## tests that need a CUDA device; fails without one
	@$(BIN)/python -c "import sys; from dagsolve.namespace import has_device; sys.exit(None if has_device() else 'gpu-test: CuPy finds no CUDA device')"
	$(BIN)/python -m pytest -m gpu --timeout 900

bench: .venv/ready-bench  ## the measurements behind the tables of the README
	$(BIN)/python -m benchmarks

gpu-bench: .venv/ready-gpu  ## gradients on one GPU beside JAX and PyTorch where they see it
	$(BIN)/python -m benchmarks.gpu

notebooks: .venv/ready-notebooks  ## notebook 03 at full size, into build/notebooks: about ten minutes
	mkdir -p build/notebooks
	$(BIN)/papermill --cwd notebooks notebooks/03_scaling.ipynb build/notebooks/03_scaling.ipynb \
		-y '{sizes: [2048, 3072], tiles: [256, 512], rounds: 5, far_rows: 1000000, far_tile: 16384, far_workers: [1, 4, 16, 64, 256, 1024], weak_workers: [1, 4, 16, 64, 256, 1024]}'

coverage: .venv/ready-test  ## quick tests with a report of lines never reached
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

format: .venv/ready-test  ## rewrite what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## forget everything built but .venv
	rm -rf build dist *.egg-info .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf .import_linter_cache dask-worker-space dask-scratch-space
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/ready-test: pyproject.toml | .venv/bin/python
	$(PIP) --editable '.[test]'
	touch $@

.venv/ready-gpu: pyproject.toml | .venv/bin/python
	$(PIP) --editable '.[test,gpu]'
	touch $@

.venv/ready-bench: pyproject.toml | .venv/bin/python
	$(PIP) --editable '.[test,bench]'
	touch $@

.venv/ready-notebooks: pyproject.toml | .venv/bin/python
	$(PIP) --editable '.[notebooks]'
	touch $@
