"""Captum's own methods, through the adapter, beside mmerf's."""

import builtins

import numpy as np
import pytest
import torch
from helpers.slow_reference import images_like, slow_map
from helpers.tiny_segmentor import CLASSES, scenes, trained
from torch import nn

from mmerf import measure_erf
from mmerf.core.attributions.captum import CAPTUM_METHODS, Captum
from mmerf.core.errors import ConfigError


def net():
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(3, 4, 5, padding=2), nn.Tanh())


def measure(images, **attribution):
    return measure_erf(
        net(), images, ['1'], attribution=dict(type='Captum', **attribution)
    )['1']


@pytest.fixture
def captum():
    return pytest.importorskip('captum.attr')


def test_saliency_is_the_input_gradient(captum):
    images = images_like(2, 12, 14)
    found = measure(images, method='Saliency', abs=False).map
    model = net()
    expected = slow_map(
        images, lambda x: model(x)[0, :, 6, 7].clamp(min=0).sum()
    )
    assert np.abs(found - expected).max() <= 1e-6 * expected.max()


def test_its_occlusion_is_ours(captum):
    images = images_like(2, 12, 15)
    theirs = measure(
        images,
        method='Occlusion',
        part='absolute',
        sliding_window_shapes=(3, 3, 3),
        strides=(3, 3, 3),
    )
    ours = measure_erf(
        net(), images, ['1'], attribution=dict(type='Occlusion', patch_size=3)
    )['1']
    # its value stands in every pixel of a patch and channel, ours is spread
    scaled = theirs.map / (3 * 9)
    assert np.abs(ours.map - scaled).max() <= 1e-5 * scaled.max()


def test_integrated_gradients_sum_to_the_difference_of_scores(captum):
    """With a linear net: gradient times input."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1, bias=False))
    nn.init.uniform_(model[0].weight, 0, 1)
    images = torch.rand(2, 3, 8, 9)
    attribution = dict(type='Captum', method='IntegratedGradients', n_steps=8)
    result = measure_erf(model, images, ['0'], attribution=attribution)['0']
    score = model(images)[:, :, 4, 4].sum(1).mean().item()
    assert result.map.sum() == pytest.approx(score, rel=1e-5)
    assert 'IntegratedGradients(n_steps=8)' in result.definition['map']


@pytest.mark.filterwarnings('ignore')
def test_each_image_is_scored_over_its_own_region(captum):
    images, _ = scenes(3)
    asked = dict(target='ClassRegion', classes=CLASSES)
    theirs = measure_erf(
        trained(),
        images,
        'decode_head',
        attribution=dict(type='Captum', method='Saliency', abs=False),
        **asked,
    )
    ours = measure_erf(trained(), images, 'decode_head', **asked)
    assert list(theirs) == list(ours)
    for key, result in ours.items():
        assert theirs[key].absent_images == result.absent_images
        peak = result.map.max()
        assert np.abs(theirs[key].map - result.map).max() <= 1e-5 * peak


BLOCKS = (torch.arange(64).reshape(1, 1, 8, 8) // 22).repeat(1, 3, 1, 1)
OPTIONS = {
    'GradientShap': dict(baselines=torch.zeros(2, 3, 8, 8)),
    'Occlusion': dict(sliding_window_shapes=(3, 2, 2)),
    'ShapleyValueSampling': dict(n_samples=1, feature_mask=BLOCKS),
    'ShapleyValues': dict(feature_mask=BLOCKS),
    'FeatureAblation': dict(feature_mask=BLOCKS),
    'IntegratedGradients': dict(n_steps=2),
}
NEED_SKLEARN = {'Lime', 'KernelShap'}  # not in the tests' environment


def public_classes():
    from captum import attr

    found = {name: getattr(attr, name) for name in attr.__all__}
    return sorted(k for k, v in found.items() if isinstance(v, type))


def test_every_public_class_of_captum_serves_or_is_refused_by_name(captum):
    """None gives zeros in silence, none fails in words of its own."""
    images, served = images_like(1, 8, 8), set()
    for method in public_classes():
        options = OPTIONS.get(method, {})
        try:
            result = measure(images, method=method, part='absolute', **options)
        except ConfigError as error:
            assert '\n' not in str(error)
            if method in NEED_SKLEARN:
                assert 'scikit-learn' in str(error) or 'sklearn' in str(error)
                served.add(method)
                continue
            assert f'captum.attr.{method} cannot serve: ' in str(
                error
            ) or f'no method {method!r}' in str(error)
            assert 'those that serve are IntegratedGradients' in str(error)
        else:
            assert result.map.any(), method
            served.add(method)
    assert served == set(CAPTUM_METHODS)


@pytest.mark.parametrize(
    ('method', 'reason'),
    [
        ('DeepLift', 'hooks the modules of a whole model'),
        ('GuidedBackprop', 'hooks the modules of a whole model'),
        ('LayerGradCam', r'layers are named by layers=\[...\]'),
        ('NeuronGradient', r'layers are named by layers=\[...\]'),
        ('NoiseTunnel', 'SmoothGrad of mmerf'),
        ('FeaturePermutation', 'every image is attributed alone'),
        ('GradientAttribution', "no method 'GradientAttribution'"),
    ],
)
def test_a_method_that_cannot_serve_is_refused_before_measuring(
    captum, method, reason
):
    with pytest.raises(ConfigError, match=reason):
        Captum(method)


def test_options_that_change_what_a_method_returns_are_refused(captum):
    with pytest.raises(ConfigError, match=r'leave out .*convergence_delta'):
        measure(
            images_like(1, 8, 8),
            method='IntegratedGradients',
            return_convergence_delta=True,
        )


def test_unknown_captum_methods_and_options(captum):
    images = images_like(1, 8, 8)
    with pytest.raises(ConfigError, match="no method 'Salience'"):
        measure(images, method='Salience')
    with pytest.raises(ConfigError, match='steps') as caught:
        measure(images, method='IntegratedGradients', steps=3)
    assert '\n' not in str(caught.value)


def test_without_captum_the_error_is_one_line(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split('.')[0] == 'captum':
            raise ModuleNotFoundError(name, name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', without)
    with pytest.raises(ConfigError, match='pip install captum') as caught:
        measure(images_like(1, 8, 8), method='Saliency')
    assert '\n' not in str(caught.value)
