from enum import Enum

import numpy as np
import pytest
import torch
from helpers import mmseg_configs
from helpers.mmseg_configs import PREPROCESSOR, config_of
from helpers.slow_reference import (
    centre_score,
    hooked_score,
    images_like,
    slow_map,
)
from mmengine.runner import load_checkpoint
from mmseg.structures import SegDataSample

from mmerf import ERFResult, measure_erf
from mmerf.apis import erf_from_config
from mmerf.apis.model_layers import layers_from_config
from mmerf.core.errors import ConfigError
from mmerf.engine import ModuleSegmentor
from mmerf.engine.batches.prepare_batch import prepare_tensor
from mmerf.engine.segmentors.build_module import without_fetching

HEAD = dict(num_classes=2)
NETS = 'helpers.plain_nets'
UNET = dict(type=f'{NETS}.UNet', classes=2, encoder_weights=None)
BINARY = dict(
    num_classes=2,
    out_channels=1,
    threshold=0.5,
    loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True),
)


def cfg(module=UNET, head=HEAD, **changes):
    return dict(
        type='ModuleSegmentor',
        data_preprocessor=PREPROCESSOR,
        module=dict(module),
        **({} if head is None else {'decode_head': dict(head)}),
        **changes,
    )


def build(*args, **kwargs):
    return mmseg_configs.build(cfg(*args, **kwargs))


def sample(size, **meta):
    data = SegDataSample()
    data.set_metainfo(
        dict(ori_shape=size, img_shape=size, pad_shape=size, **meta)
    )
    return data


def forward_of(model, images):
    batch = prepare_tensor(model, images)
    return lambda x: batch.forward(x, range(len(x)))


def test_logits_are_the_networks_own():
    model, images = build(), images_like(2, 32, 48)
    expected = model.net(images)
    with torch.no_grad():
        torch.testing.assert_close(model(images), expected)
        (first, _) = model(
            images, [sample((32, 48)), sample((32, 48))], mode='predict'
        )
    torch.testing.assert_close(first.seg_logits.data, expected[0].detach())
    assert first.pred_sem_seg.data.shape == (1, 32, 48)


def test_default_layers_and_maps_against_plain_autograd():
    model, images = build(), images_like(2, 32, 48)
    results = measure_erf(model, images, forward=forward_of(model, images))
    assert {key.split('[')[0] for key in results} == {
        'net.encoder',
        'net.decoder',
        'decode_head',
    }
    net = model.net
    for key, score in (
        ('decode_head', lambda x: centre_score(net(x))),
        ('net.decoder', hooked_score(net, net.decoder, net)),
    ):
        np.testing.assert_allclose(
            results[key].map, slow_map(images, score), rtol=1e-5, atol=1e-9
        )
    plain = measure_erf(net, images)
    np.testing.assert_allclose(
        plain['segmentation_head'].map.sum(),
        slow_map(images, hooked_score(net, net.segmentation_head, net)).sum(),
        rtol=1e-5,
    )
    np.testing.assert_array_equal(
        plain['decoder'].map, results['net.decoder'].map
    )


def test_trains_validates_and_loads_with_the_hook(make_runner):
    hook = dict(type='ERFHook', num_images=3, on_error='raise')
    runner = make_runner([hook], model=cfg())
    before = runner.model.net.encoder.stem.weight.clone()
    metrics = []
    runner.val_evaluator.metrics[0].compute_metrics = _kept(
        runner.val_evaluator.metrics[0].compute_metrics, metrics
    )
    runner.train()
    after = runner.model.net.encoder.stem.weight
    assert not torch.equal(before, after)
    assert all(0 < m['mIoU'] <= 100 for m in metrics) and len(metrics) == 2
    found = ERFResult.load(f'{runner.log_dir}/vis_data/erf/4/decode_head.npz')
    assert found.num_images == 3 and found.map.any()
    fresh = build()
    load_checkpoint(
        fresh, f'{runner.work_dir}/iter_4.pth', map_location='cpu',
        strict=True,
    )  # fmt: skip
    torch.testing.assert_close(fresh.net.encoder.stem.weight, after)


def _kept(function, kept):
    def keeping(*args):
        kept.append(function(*args))
        return kept[-1]

    return keeping


def test_loss_is_cross_entropy_and_ignores_255():
    model = build()
    images, labels = images_like(2, 32, 48), torch.zeros(2, 32, 48).long()
    labels[:, :, 20:] = 1
    labels[:, :4] = 255
    from mmengine.structures import PixelData

    samples = [sample((32, 48)) for _ in labels]
    for data, label in zip(samples, labels, strict=True):
        data.gt_sem_seg = PixelData(data=label[None])
    losses = model(images, samples, mode='loss')
    each = torch.nn.functional.cross_entropy(
        model.net(images), labels, ignore_index=255, reduction='sum'
    )
    # mmseg divides by all pixels unless avg_non_ignore is set
    torch.testing.assert_close(losses['decode.loss_ce'], each / labels.numel())


def test_slide_mode_is_the_mean_over_windows():
    slide = dict(mode='slide', crop_size=(32, 32), stride=(32, 16))
    model = build(test_cfg=slide)
    image = images_like(1, 32, 64)
    with torch.no_grad():
        got = model.predict(image)[0].seg_logits.data
        total, count = torch.zeros(2, 32, 64), torch.zeros(64)
        for left in (0, 16, 32):
            part = slice(left, left + 32)
            total[..., part] += model.net(image[..., part])[0]
            count[part] += 1
    torch.testing.assert_close(got, total / count)


@pytest.mark.parametrize(
    ('module', 'head', 'key'),
    [
        (dict(type=f'{NETS}.Named', classes=2), {}, 'out'),
        (
            dict(type=f'{NETS}.Named', classes=2, key='logits'),
            {},
            'logits',
        ),
        (
            dict(type=f'{NETS}.Named', classes=2),
            dict(output='aux'),
            'aux',
        ),
        (dict(type=f'{NETS}.Pair', classes=2), {}, 0),
        (dict(type=f'{NETS}.Pair', classes=2), dict(output=1), 1),
        (dict(type=f'{NETS}.Pair', classes=2), dict(output=-2), 0),
        (
            dict(type=f'{NETS}.Fields', classes=2),
            dict(output='aux'),
            0,
        ),
        (dict(type=f'{NETS}.Fields', classes=2), dict(output=1), 1),
    ],
)
def test_logits_among_several_outputs(module, head, key):
    model = build(module, dict(num_classes=2, **head))
    images = images_like(1, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(model(images), model.net(images)[key])
        assert model.predict(images)[0].seg_logits.shape == (32, 48)


def test_a_network_that_gives_one_tensor_after_training():
    net = dict(type=f'{NETS}.Deep', classes=2)
    model = build(net, dict(num_classes=2, output=0))
    images = images_like(2, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(images), model.net(images))
        both = model.train().net(images)
        torch.testing.assert_close(model.decode_head(both), both[0])
        with pytest.raises(ConfigError, match='no output 0'):
            model.decode_head(both[0])


def test_auxiliary_outputs_train_and_one_logit_serves_two_classes(
    make_runner,
):
    auxiliary = dict(**BINARY, output='aux')
    model = cfg(
        dict(type=f'{NETS}.Named', classes=1),
        BINARY,
        auxiliary_head=auxiliary,
    )
    runner = make_runner(
        [dict(type='ERFHook', num_images=2, on_error='raise')], model=model
    )
    weight = runner.model.net.aux_classifier.weight
    before = weight.clone()
    runner.train()
    assert not torch.equal(before, weight)
    image = images_like(1, 32, 48)
    runner.model.eval()
    with torch.no_grad():
        (found,) = runner.model.predict(image)
    assert torch.equal(
        found.pred_sem_seg.data > 0, found.seg_logits.data > 0.5
    )


def test_features_take_one_of_mmsegs_heads(make_runner):
    head = dict(
        type='FCNHead',
        in_channels=8,
        channels=4,
        num_convs=1,
        concat_input=False,
        num_classes=2,
    )
    model = cfg(dict(type=f'{NETS}.Features'), head)
    runner = make_runner(
        [dict(type='ERFHook', num_images=2, on_error='raise')], model=model
    )
    runner.train()
    folder = f'{runner.log_dir}/vis_data/erf/4'
    for layer, grid in (
        ('net[0]', (16, 24)), ('net[1]', (8, 12)), ('decode_head', (8, 12)),
    ):  # fmt: skip
        assert ERFResult.load(f'{folder}/{layer}.npz').grid == grid


def test_a_classifier_has_layers_but_no_predictions(data_root, tmp_path):
    model = cfg(dict(type=f'{NETS}.classifier'), head=None)
    config = config_of(data_root, tmp_path / 'run', model=model)
    results = erf_from_config(config, num_images=2)
    assert list(results) == ['net.layer1', 'net.layer2']
    assert [r.grid for r in results.values()] == [(16, 24), (8, 12)]
    built = build(dict(type=f'{NETS}.classifier'), head=None)
    built.init_weights()
    with torch.no_grad():
        assert built(images_like(2, 32, 48)).shape == (2, 3)
    for mode in ('predict', 'loss'):
        with pytest.raises(ConfigError, match='give decode_head'):
            built(images_like(1, 32, 48), mode=mode)


def test_nothing_is_fetched_where_a_config_is_measured(data_root, tmp_path):
    model = cfg(dict(type=f'{NETS}.UNet', classes=2))
    with pytest.raises(ConfigError, match='no network'):
        mmseg_configs.build(model)
    config = config_of(data_root, tmp_path / 'run', model=model)
    results = erf_from_config(config, num_images=2, theory=False)
    assert results['net.decoder'].map.any()
    rows = layers_from_config(config)
    defaults = {row.key.split('[')[0] for row in rows if row.default}
    assert defaults == {'net.encoder', 'net.decoder', 'decode_head'}


class Weights(Enum):
    """As torchvision names what it would fetch."""

    DEFAULT = 'https://example.org/weights.pth'


@pytest.mark.parametrize(
    ('given', 'left'),
    [
        ('imagenet', None),
        (Weights.DEFAULT, None),
        (True, None),
        (None, None),
        ([0.0, 1.0], [0.0, 1.0]),
        (2, 2),
        (__file__, __file__),
    ],
)
def test_only_what_names_weights_elsewhere_is_left_out(given, left):
    module = dict(type=f'{NETS}.classifier', encoder_weights=given)
    assert without_fetching(module)['encoder_weights'] == left
    by_default = dict(type=f'{NETS}.UNet', classes=2)
    assert without_fetching(by_default)['encoder_weights'] is None
    assert without_fetching(
        dict(type=f'{NETS}.classifier', pretrained=True)
    ) == {
        'type': f'{NETS}.classifier',
        'pretrained': False,
    }


@pytest.mark.parametrize(
    ('module', 'head', 'message'),
    [
        (
            dict(type=f'{NETS}.Unet', classes=2),
            {},
            'plain_nets has no Unet.*UNet',
        ),
        (dict(type='trch.nn.Conv2d'), {}, 'no package trch.*write torch'),
        (dict(type='torch.nnn.Conv2d'), {}, 'torch has no nnn; nearest: nn'),
        (dict(type='UNet'), {}, "import path is written 'package.Name'"),
        (dict(type='torch.pi'), {}, 'no class or function'),
        (dict(type=f'{NETS}.not_a_module'), {}, 'gives a str'),
        (
            dict(type=f'{NETS}.UNet', clases=2),
            {},
            'has no clases; nearest: classes',
        ),
        (
            dict(type=f'{NETS}.UNet'),
            {},
            "missing.*'classes'.*it takes",
        ),
        (
            dict(type=f'{NETS}.classifier', x=1),
            {},
            'could not be built: TypeE',
        ),
        (dict(classes=2), {}, "module is dict.type='package.Name'"),
    ],
)
def test_what_cannot_be_built_says_what_would_be_right(module, head, message):
    with pytest.raises(ConfigError, match=message) as caught:
        build(module)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('module', 'head', 'message'),
    [
        (UNET, dict(num_classes=3), r'gives \(1, 2, 32, 48\).*num_classes'),
        (
            dict(type=f'{NETS}.classifier'),
            {},
            'measure inner layers only',
        ),
        (
            dict(type=f'{NETS}.Pair', classes=2),
            dict(output=5),
            'no output 5',
        ),
        (
            dict(type=f'{NETS}.Pair', classes=2),
            dict(output=-3),
            'no output -3',
        ),
        (
            dict(type=f'{NETS}.Named', classes=2),
            dict(output='x'),
            "'aux', 'out'",
        ),
    ],
)
def test_logits_that_do_not_fit(module, head, message):
    model = build(module, dict(num_classes=2) | head)
    with pytest.raises(ConfigError, match=message) as caught:
        model(images_like(1, 32, 48))
    assert '\n' not in str(caught.value)


def test_a_module_that_is_there_is_taken_as_it_is():
    net = torch.nn.Conv2d(3, 2, 1)
    model = ModuleSegmentor(net, decode_head=dict(num_classes=2))
    assert model.net is net and model.erf_layers == ['decode_head']
