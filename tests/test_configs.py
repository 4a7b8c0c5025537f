"""The project's own configs do what they say."""

from pathlib import Path

import pytest
from mmseg.registry import HOOKS

from mmerf.apis.config.build_model import build_model
from mmerf.apis.config.config_file import load_config
from mmerf.core.errors import ConfigError
from mmerf.core.measurement import Measurement
from mmerf.engine.batches.prepare_batch import prepare_tensor

CONFIGS = Path(__file__).parents[1] / 'configs'
EXAMPLES = sorted((CONFIGS / 'examples').glob('*.py'))


def test_one_example_per_kind_of_architecture():
    assert len(EXAMPLES) == 7


@pytest.mark.parametrize('path', EXAMPLES, ids=lambda path: path.stem)
def test_examples_add_only_the_hook_and_measure(path):
    import torch

    cfg = load_config(path)
    own = path.read_text()
    base = own.split("'/.mim/configs/")[1].split("'")[0]
    plain = load_config(f'mmseg::{base}')
    added = {k for k in cfg if k not in plain or cfg[k] != plain[k]}
    assert added == {'custom_imports', 'custom_hooks'}
    (hook,) = [HOOKS.build(h) for h in cfg.custom_hooks]
    model, _ = build_model(cfg, device='cpu', pretrained=False)
    measurement = Measurement(model, hook.options)
    batch = prepare_tensor(
        model, torch.randn(1, 3, 128, 128), measurement.layers
    )
    measurement.update(batch)
    results = measurement.compute()
    assert len(results) >= len(hook.options.layers)
    assert all(r.grid for r in results.values())


@pytest.mark.parametrize('name', ['fcn_texture', 'segformer_texture'])
def test_demo_configs_have_the_hook_and_every_backend(name):
    cfg = load_config(CONFIGS / 'demo' / f'{name}.py')
    (hook,) = cfg.custom_hooks
    assert hook.type == 'ERFHook' and hook.initial
    assert [b.type for b in cfg.visualizer.vis_backends] == [
        'LocalVisBackend',
        'TensorboardVisBackend',
        'ERFVisBackend',
    ]


def test_the_study_says_which_package_it_needs():
    path = CONFIGS / 'smp' / 'unetplusplus_texture.py'
    cfg = load_config(path)
    assert cfg.model.type == 'ModuleSegmentor'
    with pytest.raises(ConfigError, match='segmentation_models_pytorch'):
        build_model(cfg, device='cpu')


@pytest.mark.parametrize(
    ('path', 'scope'),
    [
        ('mmpretrain/vit_classes.py', 'mmpretrain'),
        ('mmdet/retinanet_boxes.py', 'mmdet'),
    ],
)
def test_configs_of_siblings_load_and_name_hook_and_backend_plainly(
    path, scope
):
    """Their packages are not installed here; `siblings.py` trains them."""
    from mmengine.config import Config
    from mmengine.registry import HOOKS as ROOT_HOOKS

    cfg = Config.fromfile(CONFIGS / path)
    assert cfg.default_scope == scope
    hooks = [ROOT_HOOKS.build(hook) for hook in cfg.custom_hooks]
    assert hooks and {type(hook).__name__ for hook in hooks} == {'ERFHook'}
    backends = [backend.type for backend in cfg.visualizer.vis_backends]
    assert 'ERFVisBackend' in backends
