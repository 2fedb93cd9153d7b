# What there is to do here; `make` alone prints this list.
#
#   make serve    install what is needed into .venv and serve the example apps   (PORT=8080 TLS_PORT=8443 for other ports)
#   make test     lint, types and every test; installs what it needs             (WORKERS=2, TESTS=tests/web)
#   make lint     only ruff and mypy
#   make bench    compare with other servers (downloads them)                    (ARGS="hello --quick")
#   make stress   five minutes of hostile apps                                   (ARGS=…)
#   make soak     ten minutes of a hundred apps, clients and chaos                (ARGS="--minutes 2 --seed 1")
#   make wpt      the Web Platform Tests (downloads them)                        (ARGS="url streams")
#   make docs     build the documentation site into docs/site/dist               (needs npm)
#   make docs-serve  and serve it                                                (DOCS_PORT=4321)
#   make clean    remove everything that these made in this folder

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
PYTHON := $(VENV)/bin/python
PORT ?=
TLS_PORT ?=
# One more than there are CPUs: a quarter of their time the tests wait, for a deadline, say, or for a process that ends.
WORKERS ?= $(shell echo $$(($$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) + 1)))
TESTS ?=
ARGS ?=
DOCS_PORT ?= 4321
BUILT_FROM := pyproject.toml hatch_build.py $(wildcard nano_trio/engine/*.[ch])
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Where that is set every process would compile the package anew: thousands of them in the tests, each worker of a server.
unexport PYTHONDONTWRITEBYTECODE

# Where the engine has no wheel, as on ARM, it is compiled here. Debian's and Ubuntu's Python would have its library call its
# own functions directly, which leaves no place where ours could step in (nano_trio/engine/detours.h).
ifneq (,$(findstring -Bno-symbolic,$(shell ld --help 2>/dev/null)))
export LDFLAGS := $(strip $(LDFLAGS) -Wl,-Bno-symbolic)
endif

.PHONY: help serve test lint bench stress soak wpt docs docs-serve clean install install-dev

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' $(firstword $(MAKEFILE_LIST))

# -- the environment: stamps within .venv say what was done, so that a second run is quick ----------------------------

# The newest Python that can make an environment (Debian keeps that in a package of its own). Where the PATH has several
# builds of it, the quickest: one built without profile-guided optimization, as pyenv does it, serves a tenth less.
$(VENV)/.made:
	@if ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	  builds=; without_venv=; \
	  for name in python3.15 python3.14 python3.13 python3.12 python3.11 python3 python; do \
	    for python in $$(type -aP $$name); do \
	      $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	      if $$python -c 'import venv, ensurepip' 2>/dev/null; then builds="$$builds $$python"; \
	      else without_venv=$${without_venv:-$$python}; fi; \
	    done; \
	    [ -z "$$builds" ] || break; \
	  done; \
	  if [ -z "$$builds" ] && [ -n "$$without_venv" ]; then \
	    echo "make: $$without_venv cannot make virtual environments; on Debian and Ubuntu: apt install $$(basename $$without_venv)-venv" >&2; exit 1; \
	  elif [ -z "$$builds" ]; then \
	    echo "make: nano-trio needs Python 3.11 or later; there is no python3.11, python3.12, … on the PATH" >&2; exit 1; \
	  fi; \
	  found=$$(for python in $$builds; do \
	    echo "$$($$python -c 'import timeit; print("%09.0f" % (1e9 * min(timeit.repeat("[str(i) for i in range(9999)]", number=1, repeat=30))))') $$python"; \
	  done | sort | head -n 1 | cut -d " " -f 2); \
	  echo "Making $(VENV) with $$found, $$($$found --version)"; \
	  rm -rf $(VENV); \
	  $$found -m venv $(VENV); \
	fi
	@touch $@

$(VENV)/.installed: $(BUILT_FROM) | $(VENV)/.made
	@echo "Installing nano-trio and what it needs into $(VENV)"
	@$(PYTHON) -m pip install --quiet --editable . || { \
	  echo "make: the installation failed, see above. It needs a way to a Python package index; where a package has" \
	    "no wheel for this machine, also gcc and Python's headers (apt install gcc python3-dev)." >&2; exit 1; }
	@touch $@

$(VENV)/.installed-dev: $(BUILT_FROM) | $(VENV)/.made
	@echo "Installing nano-trio with the tools of its tests into $(VENV)"
	@$(PYTHON) -m pip install --quiet --editable '.[dev]' || { \
	  echo "make: the installation failed, see above. It needs a way to a Python package index; where a package has" \
	    "no wheel for this machine, also gcc and Python's headers (apt install gcc python3-dev)." >&2; exit 1; }
	@touch $@ $(VENV)/.installed

install: $(VENV)/.installed
	@$(COMPILED)

install-dev: $(VENV)/.installed-dev
	@$(COMPILED)

# Where there was no C compiler when it was installed: perhaps there is one now. What cannot be compiled says what it is for.
COMPILED = [ "$$(uname)" != Linux ] || ls nano_trio/engine/lib*.so >/dev/null 2>&1 || $(PYTHON) hatch_build.py \
	|| echo "make: it works without, slower; with a C compiler (apt install gcc), the next make compiles them" >&2

# -- serving ----------------------------------------------------------------------------------------------------------

serve: install
	@echo "The example apps, each at its own address; Ctrl-C ends."
	@exec $(VENV)/bin/nano-trio serve --config examples/nano.toml --access-log --tls \
	  $(if $(PORT),--port $(PORT)) $(if $(TLS_PORT),--tls-port $(TLS_PORT))

# -- checks -----------------------------------------------------------------------------------------------------------

lint: install-dev
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

# The Web Platform Tests are brought before the tests start, so that no two of them do; where that fails, their test says why.
test: lint
	-@$(PYTHON) -m tests.wpt.fetch_wpt >/dev/null
	$(PYTHON) -m pytest -n $(WORKERS) $(TESTS)

bench: install-dev
	$(PYTHON) -m bench $(ARGS)

stress: install-dev
	$(PYTHON) -m tests.stress $(ARGS)

soak: install-dev
	$(PYTHON) -m tests.soak $(ARGS)

wpt: install-dev
	$(PYTHON) -m tests.wpt $(ARGS)

# -- documentation ----------------------------------------------------------------------------------------------------

docs/site/node_modules/.package-lock.json: docs/site/package-lock.json
	cd docs/site && npm ci --ignore-scripts --no-progress
	@touch $@

docs: docs/site/node_modules/.package-lock.json
	cd docs/site && npm run build

docs-serve: docs
	cd docs/site && npm run preview -- --host 127.0.0.1 --port $(DOCS_PORT)

clean:
	rm -rf docs/site/node_modules docs/site/dist docs/site/.astro
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis dist tests/.npm bench/.peers nano_trio/engine/lib*.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
