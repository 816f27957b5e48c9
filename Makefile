PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKED := $(VENV)/.locked
STAMP := $(VENV)/.ready
LAYOUTS := $(VENV)/.layouts
CPP_FILES := $(wildcard src/prunescope/native/*.[ch]pp)
BUILD_FILES := pyproject.toml CMakeLists.txt $(wildcard cmake/*.cmake) $(CPP_FILES)
INSTALL := -m pip install --quiet --no-deps --no-build-isolation

MINUTES ?= 5
SEED ?= 0
JOBS ?= 2

.PHONY: setup demo test check explore fuzz bench-libraries format sanitize clean
.DEFAULT_GOAL := setup

setup: $(STAMP)

# Everything pinned; the stamps make later calls work without a network.
$(LOCKED): requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	touch $(LOCKED)

# The build directory stays, so that an edited kernel compiles alone.
$(STAMP): $(LOCKED) $(BUILD_FILES)
	$(BIN)/python $(INSTALL) --config-settings=build-dir='build/{wheel_tag}' --editable .
	touch $(STAMP)

# Libraries of which only tests need the layouts of files; they bring no other torch or NumPy.
$(LAYOUTS): $(LOCKED) requirements-layouts.lock
	$(BIN)/python -m pip install --quiet --no-deps --requirement requirements-layouts.lock
	touch $(LAYOUTS)

demo: setup
	@run=$$($(BIN)/prunescope run demo --out runs) && \
	report=$$($(BIN)/prunescope report $$run) && \
	echo "run     $$run" && \
	echo "report  $$report"

check: setup
	$(BIN)/ruff format --check src tests benchmarks tools
	$(BIN)/ruff check src tests benchmarks tools
	$(BIN)/clang-format --dry-run --Werror $(CPP_FILES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: check $(LAYOUTS)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal --quiet

# The property tests with examples never tried before; `make test` takes the same ones each time.
explore: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --hypothesis-profile explore --numprocesses auto --quiet \
	  $$(grep -rl "hypothesis import" tests)

# Readers against changed inputs (tests/fuzz). What goes wrong is kept in tests/fuzz/corpus, which `make test` replays.
fuzz: setup
	PYTHONPATH=tests $(BIN)/python -m fuzz --minutes $(MINUTES) --seed $(SEED) --jobs $(JOBS) $(if $(LOG),--log $(LOG))

# The libraries that `prunescope bench` compares a layer with. sparseprop asks the first `python3` on the PATH for pybind11,
# which has to be the environment's, and an isolated build has none.
bench-libraries: setup
	$(BIN)/python -m pip install --quiet --constraint requirements.lock pybind11==3.1.0 'setuptools>=70.1'
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pip install --quiet --constraint requirements.lock \
	  --no-build-isolation sparselab==0.2.2 sparseprop==0.1.14

# The kernels' tests against kernels that stop at the first access out of bounds or undefined operation. They are installed
# into build/sanitize/site, and -S keeps the editable install's import hook, which would come first, out of the way.
CXX_LIB = $(shell $(CXX) -print-file-name=$(1).so)
SITE_PACKAGES = $(shell $(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
SANITIZED = PYTHONPATH=build/sanitize/site:$(SITE_PACKAGES) OMP_NUM_THREADS=2 \
	ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	LD_PRELOAD="$(call CXX_LIB,libasan) $(call CXX_LIB,libubsan) $(call CXX_LIB,libstdc++)" $(BIN)/python -S

sanitize: setup
	rm -rf build/sanitize/site
	$(BIN)/python $(INSTALL) --target build/sanitize/site --config-settings=build-dir=build/sanitize/build \
	  --config-settings=cmake.build-type=Debug --config-settings=cmake.define.PRUNESCOPE_SANITIZE=ON .
	$(SANITIZED) -c 'from prunescope.native import kernels; f = kernels().__file__; assert "build/sanitize" in f, f; print(f)'
	$(SANITIZED) -m pytest --quiet -p no:cacheprovider tests/native

format: setup
	$(BIN)/ruff format src tests benchmarks tools
	$(BIN)/ruff check --fix src tests benchmarks tools
	$(BIN)/clang-format -i $(CPP_FILES)

clean:
	rm -rf $(VENV) build dist
