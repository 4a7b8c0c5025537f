import numpy as np
import pytest
import torch
from helpers.tiny_segmentor import CLASSES, scenes, trained
from torch import nn
from torch.nn import functional

from mmerf import ERFResult, measure_erf
from mmerf.core.errors import LayerError, TargetError


def direct(model, image, module, index, mode):
    """Grad-CAM of one image by a hook that keeps its own copy."""
    kept = []

    def hook(module, inputs, output):
        kept.append(output.clone())
        return kept[0].clone()  # the next line works in place

    handle = module.register_forward_hook(hook)
    leaf = image[None].clone().requires_grad_()
    logits = model(leaf)
    handle.remove()
    mask = logits.argmax(1)[0] == index
    if not mask.any():
        return None
    score = (logits[0, index] * mask).sum() / mask.sum()
    (gradient,) = torch.autograd.grad(score, kept[0])
    cam = (gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1, True)
    cam = functional.interpolate(cam.relu(), image.shape[1:], mode=mode)
    return cam[0, 0].clamp(min=0).detach().double().numpy()


def cams(images, layers, **options):
    options = {'attribution': 'GradCAM', 'classes': CLASSES, **options}
    return measure_erf(trained(), images, layers, **options)


@pytest.mark.parametrize('mode', ['nearest', 'bilinear', 'bicubic', 'area'])
def test_equals_a_direct_computation(mode):
    """Also of a batch, and of a layer that is overwritten in place."""
    model, (images, _) = trained(), scenes(4)
    layers = ['backbone.0', 'backbone', 'decode_head']
    modules = [model.backbone[0], model.backbone[3], model.decode_head]
    results = cams(
        images,
        layers,
        attribution=dict(type='GradCAM', interpolation=mode),
        target=dict(type='ClassRegion', classes=['road', 'tree']),
        batch_size=3,
    )
    assert len(results) == 6
    for layer, module in zip(layers, modules, strict=True):
        for name in ('road', 'tree'):
            singles = [
                direct(model, i, module, CLASSES.index(name), mode)
                for i in images
            ]
            there = [s for s in singles if s is not None]
            result = results[f'{layer}:{name}']
            expected = np.mean(there, axis=0)
            peak = max(expected.max(), 1e-6)
            assert np.abs(result.map - expected).max() <= 1e-5 * peak
            assert result.num_images == len(there)
            assert result.absent_images == 4 - len(there)


def test_one_target_per_image():
    images, _ = scenes(3)
    names = ['sky', 'tree', 'road']
    targets = [dict(type='ClassRegion', classes=name) for name in names]
    results = cams(images, 'backbone', target=targets)
    assert sorted(results) == sorted(f'backbone:{n}' for n in names)
    for image, name in zip(images, names, strict=True):
        expected = direct(
            trained(), image, trained().backbone[3], CLASSES.index(name),
            'bilinear',
        )  # fmt: skip
        found = results[f'backbone:{name}'].map
        assert np.abs(found - expected).max() <= 1e-5 * expected.max()


@pytest.mark.filterwarnings('ignore')
def test_by_default_every_class_that_is_predicted():
    assert list(cams(scenes(2)[0], 'backbone')) == [
        'backbone:sky',
        'backbone:road',
        'backbone:tree',
    ]


def test_it_is_attention_and_has_no_erf_statistics(tmp_path):
    target = dict(type='ClassRegion', classes='sky')
    (result,) = cams(scenes(2)[0], 'backbone', target=target).values()
    assert result.kind == 'attention'
    statistics = result.statistics()
    assert 'attention' in statistics.pop('note')
    assert statistics and set(statistics.values()) == {None}
    assert not result.uncertainty and result.theory is None
    assert 'Grad-CAM' in result.definition['map']
    assert 'middle' in result.definition['average']
    loaded = ERFResult.load(result.save(tmp_path / 'x.npz'))
    assert loaded.kind == 'attention'
    assert loaded.statistics() == result.statistics()
    assert loaded.record()['kind'] == 'attention'


def test_layers_and_models_it_cannot_serve():
    class Aside(nn.Module):
        def __init__(self):
            super().__init__()
            self.main, self.aside = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)

        def forward(self, x):
            self.aside(x)
            return self.main(x)

    images = scenes(1)[0]
    with pytest.raises(LayerError, match='do not depend on it'):
        measure_erf(
            Aside(), images, 'aside', attribution='GradCAM',
            target=dict(type='CentreUnit', relu=False),
        )  # fmt: skip
    flat = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten())
    with pytest.raises(TargetError, match='no logits'):
        measure_erf(
            flat, images, '0', attribution='GradCAM', target='CentreUnit'
        )

    class Blocked(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 1)

        def forward(self, x):
            with torch.no_grad():
                y = self.conv(x)
            return y + x[:, :2]

    with pytest.raises(LayerError, match='no gradient'):
        measure_erf(
            Blocked(), images, 'conv', attribution='GradCAM',
            target='CentreUnit',
        )  # fmt: skip


def test_tokens_are_read_as_maps(segformer):
    """(tokens, (h, w)) on the way, against the same tokens by hand."""
    from helpers.slow_reference import images_like

    model, images = segformer, images_like(1, 64, 64)
    meta = dict(img_shape=(64, 64), pad_shape=(64, 64), ori_shape=(64, 64))
    run = lambda x: model.encode_decode(x, [meta] * len(x))  # noqa: E731
    layer = 'backbone.layers.1.1.0'
    kept = []
    block = model.backbone.layers[1][1][0]
    handle = block.register_forward_hook(
        lambda m, i, output: kept.append(output)
    )
    logits = run(images.clone().requires_grad_())
    handle.remove()
    tokens = kept[0]
    score = logits[0, :, 32, 32].sum()
    (gradient,) = torch.autograd.grad(score, tokens)
    weights = gradient[0].mean(0)
    cam = (tokens[0] * weights).sum(1).relu().view(1, 1, 8, 8)
    expected = functional.interpolate(cam, (64, 64), mode='bilinear')[0, 0]
    found = measure_erf(
        model, images, layer, forward=run, attribution='GradCAM',
        target=dict(type='CentreUnit', relu=False),
    )[layer].map  # fmt: skip
    expected = expected.detach().numpy()
    assert expected.max() > 0
    assert np.abs(found - expected).max() <= 1e-5 * expected.max()


def test_classes_keep_their_order_where_the_first_image_lacks_one():
    images, _ = scenes(4)  # a tree in every second one
    target = dict(type='ClassRegion', classes=['tree', 'road'])
    results = cams(images, ['backbone'], target=target, batch_size=1)
    assert list(results) == ['backbone:tree', 'backbone:road']
