import copy
import os

import pytest
import torch
from helpers.mmseg_configs import FCN, SEGFORMER, build
from mmengine.config import Config, ConfigDict
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_from_local

from mmerf.apis.config.build_model import build_model
from mmerf.apis.config.config_file import load_config
from mmerf.apis.config.pretrained import without_fetched
from mmerf.apis.run_notes import checkpoint_notes
from mmerf.core.errors import CheckpointError

SWIN = dict(
    SEGFORMER,
    backbone=dict(
        type='SwinTransformer',
        embed_dims=8,
        depths=(1, 1, 1, 1),
        num_heads=(1, 1, 2, 2),
        window_size=4,
        mlp_ratio=2,
    ),
    decode_head=dict(SEGFORMER['decode_head'], in_channels=[8, 16, 32, 64]),
)
VIT = dict(
    FCN,
    backbone=dict(
        type='VisionTransformer',
        img_size=(32, 48),
        embed_dims=16,
        num_layers=2,
        num_heads=2,
        mlp_ratio=2,
    ),
    decode_head=dict(FCN['decode_head'], in_channels=16, in_index=0),
)
MODELS = {'fcn': FCN, 'segformer': SEGFORMER, 'swin': SWIN, 'vit': VIT}


class Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (os.mkdir, (str(self.marker),))


def config(model, pretrained=None, in_backbone=True):
    """A whole config; pretrained is an init_cfg, or a path."""
    model = copy.deepcopy(dict(model))
    if isinstance(pretrained, dict):
        model['backbone']['init_cfg'] = pretrained
    elif pretrained is not None:
        owner = model['backbone'] if in_backbone else model
        owner['pretrained'] = str(pretrained)
    return load_config(Config(dict(model=model)))


def trained(model, seed=5):
    """Weights of a backbone, none of them as after its initialisation."""
    backbone = build(model, seed).backbone
    torch.manual_seed(seed)
    return {
        key: torch.rand_like(value) if value.is_floating_point() else value
        for key, value in backbone.state_dict().items()
    }


def assert_has(backbone, weights):
    for key, value in backbone.state_dict().items():
        if not key.endswith(('batches_tracked', 'position_index')):
            assert torch.equal(value, weights[key]), key


@pytest.mark.parametrize('name', MODELS)
@pytest.mark.parametrize('form', ['init_cfg', 'pretrained', 'of the model'])
def test_a_local_file_is_loaded(name, form, tmp_path):
    """Each of these backbones converts keys by code of its own."""
    path, weights = tmp_path / 'b.pth', trained(MODELS[name])
    torch.save({'state_dict': weights, 'meta': {}}, path)
    given = dict(type='Pretrained', checkpoint=str(path))
    cfg = config(
        MODELS[name],
        given if form == 'init_cfg' else path,
        form == 'pretrained',
    )
    model, loaded = build_model(cfg, device='cpu')
    assert_has(model.backbone, weights)
    assert loaded['not_fetched'] == []
    (note,) = loaded['pretrained']
    numbers = [word for word in note.split() if word.isdigit()]
    assert (
        numbers[0] == numbers[1] and 'of backbone are those of b.pth' in note
    )
    assert note in checkpoint_notes(None, loaded)
    assert CheckpointLoader._get_checkpoint_loader('a') is load_from_local


@pytest.mark.parametrize(
    'form', ['plain', 'model', 'ddp', 'numpy', 'safetensors', 'prefix']
)
def test_forms_of_the_file(form, tmp_path):
    weights = trained(FCN)
    content = {
        'plain': weights,
        'model': {'model_state_dict': weights, 'ema': trained(FCN, 6)},
        'ddp': {'model': {f'module.{k}': v for k, v in weights.items()}},
        'numpy': {'state_dict': weights, 'x': torch.ones(2).numpy()},
        'prefix': {f'encoder.{k}': v for k, v in weights.items()},
    }
    path = tmp_path / 'b.pth'
    given = dict(type='Pretrained', checkpoint=str(path))
    if form == 'safetensors':
        from safetensors.torch import save_file

        save_file(weights, path)
    else:
        torch.save(content[form], path)
    if form == 'prefix':
        with pytest.raises(CheckpointError, match='none of the weights of'):
            build_model(config(FCN, given), device='cpu')
        given['prefix'] = 'encoder.'
    model, loaded = build_model(config(FCN, given), device='cpu')
    assert_has(model.backbone, weights)
    (note,) = loaded['pretrained']
    assert ('averaged ones lie beside them' in note) == (form == 'model')


def test_a_file_that_runs_code_is_refused_until_trusted(tmp_path):
    marker, path = tmp_path / 'the pickle ran', tmp_path / 'b.pth'
    torch.save({'state_dict': trained(FCN), 'x': Evil(marker)}, path)
    cfg = config(FCN, dict(type='Pretrained', checkpoint=str(path)))
    with pytest.raises(CheckpointError, match=r'asks for (posix|nt)\.mkdir'):
        build_model(cfg, device='cpu')
    assert not marker.exists()
    assert CheckpointLoader._get_checkpoint_loader('a') is load_from_local
    build_model(cfg, device='cpu', trust_checkpoint=True)
    assert marker.exists()


@pytest.mark.parametrize('form', ['init_cfg', 'pretrained', 'of the model'])
def test_a_file_that_is_not_there_is_an_error(form, tmp_path):
    path = tmp_path / 'no.pth'
    given = dict(type='Pretrained', checkpoint=str(path))
    cfg = config(FCN, given if form == 'init_cfg' else path, form[0] == 'p')
    where = {
        'init_cfg': 'model.backbone.init_cfg',
        'pretrained': 'model.backbone.pretrained',
        'of the model': 'model.pretrained',
    }[form]
    with pytest.raises(CheckpointError) as caught:
        build_model(cfg, device='cpu')
    assert str(caught.value) == (
        f'there is no file {path}, whose weights the config loads ({where}); '
        'give its path, a checkpoint of the whole model, or '
        f'{where}=None for random weights'
    )
    cfg = load_config(cfg, {where: None})
    build_model(cfg, device='cpu')


def test_what_fits_in_part_is_said(tmp_path):
    weights = trained(FCN)
    del weights['layer1.0.conv1.weight']
    weights['layer1.0.conv2.weight'] = torch.rand(3)
    weights['fc.weight'] = torch.rand(3)
    torch.save(weights, tmp_path / 'b.pth')
    given = dict(type='Pretrained', checkpoint=str(tmp_path / 'b.pth'))
    model, loaded = build_model(config(FCN, given), device='cpu')
    (note,) = loaded['pretrained']
    total = sum(
        not key.endswith('batches_tracked')
        for key in model.backbone.state_dict()
    )
    assert note == (
        f'{total - 2} of {total} weights of backbone are those of b.pth, not '
        'backbone.layer1.0.conv1.weight, backbone.layer1.0.conv2.weight; '
        f'2 of its {total} are not used as they are'
    )


def test_a_whole_checkpoint_needs_no_pretrained_file(tmp_path):
    source = build(FCN, seed=3)
    torch.save({'state_dict': source.state_dict()}, tmp_path / 'x.pth')
    cfg = config(FCN, tmp_path / 'no.pth')
    model, loaded = build_model(cfg, tmp_path / 'x.pth', device='cpu')
    for key, value in source.state_dict().items():
        assert torch.equal(model.state_dict()[key], value)
    assert checkpoint_notes('x.pth', loaded) == []


def test_a_partial_checkpoint_stands_on_pretrained_weights(tmp_path):
    weights, head = trained(FCN), build(FCN, seed=3).decode_head.state_dict()
    torch.save(weights, tmp_path / 'b.pth')
    torch.save(
        {f'decode_head.{k}': v for k, v in head.items()}, tmp_path / 'x.pth'
    )
    cfg = config(FCN, tmp_path / 'b.pth')
    model, loaded = build_model(
        cfg, tmp_path / 'x.pth', device='cpu', partial=True
    )
    assert_has(model.backbone, weights)
    assert_has(model.decode_head, head)
    notes = checkpoint_notes('x.pth', loaded)
    assert any('keep initial values' in note for note in notes)
    assert any('are those of b.pth' in note for note in notes)


def test_a_backbones_own_file_as_checkpoint(tmp_path):
    """It fills the backbone; the head gets the config's initial values."""
    weights = trained(FCN)
    torch.save(weights | {'fc.bias': torch.ones(3)}, tmp_path / 'r18.pth')
    model, loaded = build_model(config(FCN), tmp_path / 'r18.pth', seed=1)
    assert_has(model.backbone, weights)
    # of mmseg's own initialisation: normal of standard deviation 0.01
    assert model.decode_head.conv_seg.weight.std() < 0.03
    assert (model.decode_head.conv_seg.bias == 0).all()
    kept = len([
        k for k in model.decode_head.state_dict() if 'tracked' not in k
    ])  # fmt: skip
    assert checkpoint_notes('r18.pth', loaded) == [
        "the keys of r18.pth were read with 'backbone.' in front",
        f'filled backbone ({len(weights)} weights) of r18.pth',
        f'decode_head ({kept} weights) keep random values',
        f'{kept} weight(s) missing in the checkpoint, first '
        + ', '.join(loaded['missing'][:5]),
        '1 weight(s) unexpected in the checkpoint, first fc.bias',
    ]


def test_nothing_is_fetched_and_the_notes_say_what():
    cfg = ConfigDict(
        pretrained='open-mmlab://resnet50',
        backbone=dict(
            init_cfg=dict(type='Pretrained', checkpoint='https://x'),
            stages=[dict(init_cfg=dict(type='Pretrained'))],
        ),
        head=dict(init_cfg=dict(type='Normal')),
        text=dict(init_cfg=dict(type='Pretrained_Part', checkpoint='s3://y')),
        other=dict(
            type='TIMMBackbone',
            model_name='resnet18',
            init_cfg=[
                dict(type='Kaiming'),
                dict(type='Pretrained', checkpoint='http://x/y.pth'),
            ],
        ),
        neck=dict(pretrained=True),
        named=dict(pretrained='imagenet'),
    )
    model, found = without_fetched(cfg)
    assert model.pretrained is None and model.backbone.init_cfg is None
    assert model.backbone.stages[0].init_cfg is None
    assert model.text.init_cfg is None
    assert model.head.init_cfg.type == 'Normal'
    assert model.other.pretrained is False
    assert [c.type for c in model.other.init_cfg] == ['Kaiming']
    assert model.neck.pretrained is False and model.named.pretrained is None
    assert found.files == []
    assert sorted(found.not_fetched) == sorted(
        ['open-mmlab://resnet50', 'https://x', 's3://y', 'http://x/y.pth',
         'resnet18', 'model.neck.pretrained=True', 'imagenet']
    )  # fmt: skip
    notes = checkpoint_notes(None, {'not_fetched': ['open-mmlab://resnet50']})
    assert notes == [
        "no checkpoint: measured at the config's own initial weights",
        'pretrained weights are not fetched, so what they would fill is '
        'random: open-mmlab://resnet50',
    ]


def test_nor_by_the_constructor_of_a_module_of_any_package():
    net = dict(type='helpers.plain_nets.classifier', encoder_weights='image')
    model, found = without_fetched(dict(type='ModuleSegmentor', module=net))
    assert model.module['encoder_weights'] is None
    assert found.not_fetched == ['encoder_weights=image']
    net = dict(type='helpers.plain_nets.UNet', classes=2)  # by its default
    model, found = without_fetched(dict(type='ModuleSegmentor', module=net))
    assert found.not_fetched == ['encoder_weights=its default']
