# make erf    the main job: data, training with the hook, figures and tables
# make test   everything that has to pass
# make smp    the study of decoder interpolation; make backends: vis backends
# Each sets up .venv by itself, with the exact versions of
# requirements/pinned.txt. PYTHON names the interpreter, 3.10 to 3.12.
PYTHON ?= python3
BIN := .venv/bin
PINS := -c requirements/pinned.txt
STAMP := .venv/.ready
CONFIG := configs/demo/fcn_texture.py
WORK := work_dirs/fcn_texture
JOBS ?= 2

.PHONY: erf test lint clean smp backends

$(STAMP): setup.py requirements/*.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] \
		<= (3, 12))' || { echo 'mmerf needs Python 3.10 to 3.12; name one \
		with make PYTHON=python3.11'; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install -q --disable-pip-version-check $(PINS) \
		-r requirements/mminstall.txt -r requirements/optional.txt \
		-r requirements/tests.txt -e .
	touch $@

data/texture/.ready: $(STAMP) tools/make_demo_data.py
	$(BIN)/python tools/make_demo_data.py --root data/texture
	touch $@

erf: $(STAMP) data/texture/.ready
	$(BIN)/python "$$($(BIN)/python -c \
		'import mmseg; print(mmseg.__path__[0])')/.mim/tools/train.py" \
		$(CONFIG) --work-dir $(WORK)
	$(BIN)/python tools/erf.py $(CONFIG) $(WORK)/iter_160.pth
	$(BIN)/python tools/erf.py $(CONFIG) $(WORK)/iter_160.pth \
		--img-dir data/texture/photos --out-dir $(WORK)/erf_photos
	@echo
	@echo 'Validation set:  $(WORK)/erf/erf.png'
	@echo 'Photographs:     $(WORK)/erf_photos/erf.png'
	@echo 'The field growing over training, in TensorBoard:'
	@echo '    $(BIN)/tensorboard --logdir $(WORK)'

test: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS)

# What reaches the vis backends that are not installed by default.
backends: $(STAMP)
	tests/backends.sh

# UNet++ in the four ways to upsample; segmentation_models_pytorch goes into
# an environment of its own.
smp: $(STAMP) data/texture/.ready
	configs/smp/study.sh
	cp work_dirs/smp/compare.png docs/decoder_interpolation.png

# The demo's training in TensorBoard; needs chromium.
docs/tensorboard.png: $(STAMP)
	$(BIN)/python docs/tensorboard.py $(WORK) $@

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv .venv-smp .venv-backends data work_dirs build *.egg-info
