"""mmseg's own installed configs, of every form, against plain autograd."""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.slow_reference import centre_score, images_like, slow_map

from mmerf.apis.config.build_model import build_model
from mmerf.apis.config.config_file import load_config
from mmerf.core.aggregate.batch_maps import without_finite_map
from mmerf.core.errors import ConfigError
from mmerf.core.measurement import Measurement
from mmerf.core.options import MeasurementOptions
from mmerf.engine.batches.prepare_batch import prepare_tensor

SIZE = 128
# family: its config, the layer to compare, and that layer's output here
FAMILIES = {
    'pspnet': ('pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py', 'decode_head'),
    'deeplabv3plus': (
        'deeplabv3plus_r18-d8_4xb2-80k_cityscapes-512x1024.py',
        'decode_head',
    ),
    'segformer': (
        'segformer_mit-b0_8xb2-160k_ade20k-512x512.py',
        'backbone[3]',
    ),
    'swin': (
        'swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py',
        'backbone[1]',
    ),
    'vit': (
        'vit_deit-s16_upernet_8xb2-80k_ade20k-512x512.py',
        'backbone[0]',
    ),
    'setr': (
        'setr_vit-l_naive_8xb2-160k_ade20k-512x512.py',
        'backbone[0]',
    ),
    'segmenter': (
        'segmenter_vit-s_fcn_8xb1-160k_ade20k-512x512.py',
        'decode_head',
    ),
    'danet': (
        'danet_r50-d8_4xb2-40k_cityscapes-512x1024.py',
        'decode_head[1]',
    ),
    'encnet': (
        'encnet_r50-d8_4xb2-40k_cityscapes-512x1024.py',
        'decode_head[0]',
    ),
    'bisenetv2': (
        'bisenetv2_fcn_4xb4-160k_cityscapes-1024x1024.py',
        'decode_head',
    ),
    'ocrnet': (
        'ocrnet_hr18s_4xb2-40k_cityscapes-512x1024.py',
        'decode_head.1',
    ),
    'hrnet': ('fcn_hr18s_4xb2-40k_cityscapes-512x1024.py', 'backbone[2]'),
    'unet': (
        'unet-s5-d16_fcn_4xb4-160k_cityscapes-512x1024.py',
        'backbone[4]',
    ),
    'segnext': (
        'segnext_mscan-t_1xb16-adamw-160k_ade20k-512x512.py',
        'backbone[2]',
    ),
    'dpt': ('dpt_vit-b16_8xb2-160k_ade20k-512x512.py', 'decode_head'),
    'point_rend': (
        'pointrend_r50_4xb2-80k_cityscapes-512x1024.py',
        'decode_head.0',
    ),
}
SLIMMER = {  # the same form with fewer layers
    'setr': {
        'model.backbone.num_layers': 4,
        'model.backbone.out_indices': (0, 1, 2, 3),
    },
}


def output_of(model, key, image):
    """What a layer returns, by the models' own public parts."""
    features = model.extract_feat(image)
    if key.startswith('backbone'):
        return features[int(key[9:-1])]
    heads = model.decode_head
    if isinstance(heads, torch.nn.ModuleList):
        out = heads[0].forward(features)
        if key == 'decode_head.0':
            return out[0] if isinstance(out, tuple) else out
        return heads[1].forward(features, out)
    out = heads.forward(features)
    return out[int(key[12:-1])] if '[' in key else out


@pytest.mark.parametrize('family', FAMILIES)
def test_equals_plain_autograd(family, monkeypatch):
    name, key = FAMILIES[family]
    cfg = load_config(f'mmseg::{family}/{name}', SLIMMER.get(family))
    try:
        model, _ = build_model(cfg, device='cpu', pretrained=False)
    except ConfigError as error:
        assert 'operators' in str(error) and family == 'point_rend'
        return
    torch.manual_seed(0)
    for module in model.modules():  # so that no logit is negative throughout
        for name in ('conv_seg', 'fc_seg'):
            if module._modules.get(name) is not None:
                last = module._modules[name]
                torch.nn.init.normal_(last.weight, std=0.2)
                torch.nn.init.uniform_(last.bias, 0, 1)
    images = images_like(1, SIZE, SIZE)
    requests = [key, 'backbone', 'decode_head']
    measurement = Measurement(model, MeasurementOptions(requests))
    batch = prepare_tensor(model, images, measurement.layers)
    measurement.update(batch)
    results = measurement.compute()
    assert not without_finite_map(measurement.accumulators)
    backbone = [k for k in results if k.startswith('backbone')]
    heads = [k for k in results if k.startswith('decode_head')]
    assert backbone and heads and len(results) == len(backbone) + len(heads)
    for result in results.values():
        assert np.isfinite(result.map).all() and result.map.max() > 0
        # DPT's head adds grids with aligned corners to others.
        aligned = family == 'dpt' and result.layer == 'decode_head'
        assert result.pixel_known != aligned, result.layer
    wanted = key if key in results else f'{key}[0]'
    if family == 'segnext':  # whose batch norms torch gets wrong, see there
        monkeypatch.setattr(torch.nn.functional, 'batch_norm', written_out)
    # Channels last, as it is measured: else switches near zero flip.
    expected = slow_map(
        images,
        lambda x: centre_score(output_of(model, key, x)),
        torch.channels_last,
    )
    found = results[wanted].map
    assert np.abs(found - expected).max() <= 3e-6 * expected.max()


def written_out(x, mean, variance, weight, bias, *_):
    """Batch norm in eval mode; the kernel's gradient is wrong for tokens.

    ``test_batch_norm_of_one_image_whose_gradient_comes_from_tokens`` has it.
    """
    scale = weight / (variance + 1e-5).sqrt()
    shift = bias - mean * scale
    return x * scale[None, :, None, None] + shift[None, :, None, None]


def names_in_code(tree):
    """Strings that are no docstrings, and every identifier, lower case."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in docs:
                yield node.value.lower()
        elif isinstance(node, ast.Name):
            yield node.id.lower()
        elif isinstance(node, ast.Attribute):
            yield node.attr.lower()


def test_no_file_has_a_special_case_for_any_family():
    """No string or name of the code speaks of one of mmseg's models."""
    import mmseg

    import mmerf

    folder = Path(mmseg.__path__[0]) / '.mim/configs'
    families = [p.name for p in folder.glob('[!_]*') if len(p.name) > 4]
    families += [family.replace('_', '') for family in families]
    assert len(families) > 60
    root = Path(mmerf.__file__).parent
    tools = [root.parent / 'tools' / 'erf.py']
    for path in [*root.rglob('*.py'), *tools]:
        if path.name == 'benchmark_cases.py':  # which names what it runs
            continue
        for text in names_in_code(ast.parse(path.read_text())):
            found = [family for family in families if family in text]
            assert not found, (path, text)
