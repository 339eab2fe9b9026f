# Two commands do everything: `make book` and `make test`. `make help` lists the rest.
PY ?= python3
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu
# A wheelhouse named by pip's own variables is enough; else CPU torch from PyTorch's index.
# `make env PIPARGS=` takes PyTorch's default build, with CUDA.
PIPARGS ?= $(if $(PIP_FIND_LINKS)$(PIP_NO_INDEX),,--extra-index-url $(TORCH_CPU_INDEX))
BIN = .venv/bin
EXTRAS = certify fast data plot widgets save book test peers cluster
export OMP_NUM_THREADS ?= 1

.PHONY: help env book epub pdf zip downloads serve test lint long bench gpu races budget refresh lock clean

help:  ## List the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

env: .venv/.stamp  ## Create .venv from the lock (CPU torch, no CUDA package)

.venv/.stamp: requirements.lock pyproject.toml
	$(PY) -c "import sys; assert (3, 11) <= sys.version_info < (3, 14), f'Python 3.11 to 3.13 is needed, PY is {sys.version.split()[0]}; call make PY=python3.12'"
	$(PY) -m venv .venv
	$(BIN)/python -m pip install -q $(PIPARGS) -r requirements.lock
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	touch $@

.venv-nvrtc/.stamp: tests/nvrtc.lock
	$(PY) -m venv .venv-nvrtc
	.venv-nvrtc/bin/python -m pip install -q -r tests/nvrtc.lock
	touch $@

book: env  ## Execute what changed and render the book to _build/html
	$(BIN)/kanbook build

epub: env  ## The book as an EPUB, _build/*.epub
	$(BIN)/kanbook build --format epub

pdf: env  ## The book as a PDF, _build/*.pdf (needs XeLaTeX; skipped without)
	$(BIN)/kanbook build --format pdf

zip: env  ## The site as one file, _build/*.zip, to read without a server
	$(BIN)/kanbook build --format zip

downloads: env  ## The site with EPUB, PDF and zip to download
	$(BIN)/kanbook build --format all

serve: book  ## Render the book and serve it on http://localhost:8000
	$(BIN)/python -m http.server --directory _build/html --bind 127.0.0.1 8000

lint: env  ## Style and types
	$(BIN)/ruff check -q .
	$(BIN)/ruff format -q --check .
	@$(BIN)/oxfmt --list-different kanlib/widgets book/static tests/widgets/js || \
	  { echo "not formatted; run $(BIN)/oxfmt on the files above" >&2; exit 1; }
	$(BIN)/mypy

test: env lint .venv-nvrtc/.stamp  ## Everything CI checks
	@$(BIN)/pytest -n 2 --dist loadfile

long: env  ## The slow sweeps that CI leaves out
	$(BIN)/pytest -m long -n 2 --dist loadfile

bench: env  ## Measure against peers, side by side (PEERS="FOLDER ..." COMPILE=1 RECORD=1)
	$(BIN)/python benchmarks/run.py $(if $(PEERS),--peers $(PEERS)) \
	  $(if $(COMPILE),--compile) $(if $(RECORD),--record)

gpu:  ## Tests and benchmarks on this GPU, as a record (PY=, FLASHKAT=FOLDER, COMMIT=)
	$(PY) tests/gpu/run.py $(if $(FLASHKAT),--flashkat $(FLASHKAT)) \
	  $(if $(COMMIT),--commit $(COMMIT))

races: env  ## The kernels under ThreadSanitizer, one thread per CUDA thread
	$(BIN)/pytest -m races tests/host

budget: .venv-nvrtc/.stamp  ## Write anew what each kernel may take (read the diff)
	.venv-nvrtc/bin/python tests/host/compile_check.py > tests/host/budget.json.new
	mv tests/host/budget.json.new tests/host/budget.json

refresh: env  ## Re-execute the chapters and commit-ready their outputs
	$(BIN)/kanbook refresh

lock:  ## Resolve pyproject.toml anew into requirements.lock
	$(PY) -m venv .venv-lock && .venv-lock/bin/python -m pip install -q uv
	UV_FIND_LINKS=$(PIP_FIND_LINKS) .venv-lock/bin/uv pip compile -q pyproject.toml \
	  --universal --python-version 3.11 $(addprefix --extra ,$(EXTRAS)) --no-header --no-annotate \
	  $(if $(PIP_FIND_LINKS)$(PIP_NO_INDEX),,--torch-backend cpu) \
	  -c tests/lock_constraints.txt -o requirements.lock
	sed -i 's/+cpu//' requirements.lock
	rm -r .venv-lock

clean:  ## Remove everything that a command here made
	rm -rf _build build dist .venv .venv-nvrtc .venv-lock *.egg-info
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -r {} +
