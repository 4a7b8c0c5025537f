import io
import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.mmseg_configs import SEGFORMER, config_of
from helpers.slow_reference import centre_score, slow_map
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, VISBACKENDS
from mmengine.runner import Runner
from mmengine.visualization import BaseVisBackend
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,
)

from mmerf import ERFResult
from mmerf.core.attributions import ATTRIBUTIONS, Attribution
from mmerf.core.errors import ConfigError, LayerError, MeasurementError
from mmerf.core.measurement import Measurement
from mmerf.core.statistics import shown_numbers
from mmerf.core.targets import TARGETS, Target
from mmerf.core.windows import planner, unit_places

ERF = dict(type='ERFHook', layers=['backbone[3]', 'decode_head'], num_images=4)
LAYERS = ERF['layers']
CONTRACT = {'side_0.5', 'side_0.99', 'area_ratio_0.5'}
SCALARS = {n.key for _, n in shown_numbers('scalars', (0.5, 0.99))}
OVERVIEWS = {'erf/all_layers', 'erf/growth'}
PICTURES = {*OVERVIEWS, *(f'erf/{layer}' for layer in LAYERS)}
ZERO = 'erf_zero_score_images/'
TAGS = {f'erf_{name}/{layer}' for layer in LAYERS for name in SCALARS}


def test_the_scalars_of_the_contract_are_among_those_logged():
    assert CONTRACT <= SCALARS


def vis_data(runner):
    return Path(runner.log_dir) / 'vis_data'


def events(runner):
    """Scalars and images in the event files: {(tag, step): how often}."""
    folder = str(vis_data(runner))
    accumulator = EventAccumulator(
        folder, size_guidance=dict(images=0, scalars=0)
    )
    accumulator.Reload()
    found = {}
    for kind, read in (
        ('images', accumulator.Images),
        ('scalars', accumulator.Scalars),
    ):
        found[kind] = Counter(
            (tag, event.step)
            for tag in accumulator.Tags()[kind]
            if tag.startswith('erf') and not tag.startswith(ZERO)
            for event in read(tag)
        )
    return found


def json_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def scalars_json(runner):
    return Counter(
        (tag, line['step'])
        for line in json_lines(vis_data(runner) / 'scalars.json')
        for tag in line
        if tag.startswith('erf_') and not tag.startswith(ZERO)
    )


def log_text(runner):
    (path,) = Path(runner.log_dir).glob('*.log')
    return path.read_text()


def expected(steps, tags=TAGS):
    return {(tag, step): 1 for tag in tags for step in steps}


def test_each_validation_is_logged_once_everywhere(make_runner):
    runner = make_runner([{**ERF, 'initial': True}], log_level='INFO')
    runner.train()
    steps = (0, 2, 4)
    images = expected(steps, PICTURES)
    found = events(runner)
    assert found['images'] == images
    assert found['scalars'] == expected(steps)
    assert scalars_json(runner) == expected(steps)
    local = {
        str(path.relative_to(vis_data(runner) / 'vis_image'))
        for path in (vis_data(runner) / 'vis_image').rglob('*.png')
    }
    assert local == {f'{tag}_{step}.png' for tag, step in images}
    own = vis_data(runner) / 'erf'
    lines = json_lines(own / 'erf.jsonl')
    assert [(r['step'], r['layer']) for r in lines] == [
        (step, layer) for step in steps for layer in LAYERS
    ]
    values = {
        line['step']: line
        for line in json_lines(vis_data(runner) / 'scalars.json')
        if any(tag in line for tag in TAGS)
    }
    for line in lines:
        result = ERFResult.load(
            own / str(line['step']) / f'{line["layer"]}.npz'
        )
        assert result.num_images == 4
        square = result.statistics()['centred_square']
        assert line['statistics'] == result.statistics()
        side = values[line['step']][f'erf_side_0.5/{line["layer"]}']
        if square is None:  # every logit negative: a zero map, counted
            assert np.isnan(side) and line['zero_score_images'] == 4
        else:
            assert side == square['0.5']['side']
        zero = values[line['step']].get(ZERO + line['layer'])
        assert zero == (line['zero_score_images'] or None)
    log = log_text(runner)
    for tag in TAGS:
        assert log.count(f'{tag}: ') == 3
    took = (
        r'ERF of \d layer\(s\).* took \d+\.\d s \(.*: whole image'
        r'( \(ordinary autograd: few zeros to skip\))?\), '
        r'figures and files \d+\.\d s'
    )
    assert len(re.findall(took, log)) == 3


def test_interval_logs_nothing_at_unmeasured_validations(make_runner):
    runner = make_runner(
        [{**ERF, 'interval': 2}],
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=5, val_interval=1),
    )
    runner.train()
    assert events(runner)['scalars'] == expected((2, 4))
    assert scalars_json(runner) == expected((2, 4))
    assert len(json_lines(vis_data(runner) / 'erf' / 'erf.jsonl')) == 4


def test_epochs_are_the_step_where_metrics_are_logged_by_epoch(make_runner):
    runner = make_runner(
        [ERF],
        train_cfg=dict(by_epoch=True, max_epochs=2, val_interval=1),
        train_dataloader=dict(
            **{
                k: v
                for k, v in config_of('x', 'x').train_dataloader.items()
                if k not in ('sampler', 'dataset')
            },
            sampler=dict(type='DefaultSampler', shuffle=True),
            dataset=make_runner().cfg.train_dataloader.dataset,
        ),
        default_hooks=dict(logger=dict(type='LoggerHook')),
        log_processor=dict(by_epoch=True),
    )
    runner.train()
    assert events(runner)['scalars'] == expected((1, 2))
    assert {
        r['step'] for r in json_lines(vis_data(runner) / 'erf/erf.jsonl')
    } == {
        1,
        2,
    }


def test_a_loop_without_epochs_logs_at_its_iterations(make_runner):
    """Where LoggerHook goes by epoch, as mmengine's own default does."""
    runner = make_runner([ERF], default_hooks=dict(logger=dict(
        type='LoggerHook')))  # fmt: skip
    runner.train()
    lines = json_lines(vis_data(runner) / 'erf/erf.jsonl')
    assert [r['step'] for r in lines] == [2, 2, 4, 4]
    assert events(runner)['scalars'] == expected((2, 4))


def test_a_test_after_training_replaces_no_validation(make_runner):
    runner = make_runner([ERF])
    runner.train()
    kept = json_lines(vis_data(runner) / 'erf/erf.jsonl')
    picture = vis_data(runner) / 'erf/4/decode_head.png'
    pixels = picture.read_bytes()
    runner.test()
    lines = json_lines(vis_data(runner) / 'erf/erf.jsonl')
    assert lines[: len(kept)] == kept and picture.read_bytes() == pixels
    assert [(r['step'], r['layer']) for r in lines[len(kept) :]] == [
        (4, f'test:{layer}') for layer in LAYERS
    ]
    stem = picture.with_name('test%3Adecode_head')
    assert ERFResult.load(f'{stem}.npz').layer == 'test:decode_head'
    scalars = events(runner)['scalars']
    assert scalars[('erf_side_0.5/decode_head', 4)] == 1
    assert scalars[('erf_side_0.5/test:decode_head', 4)] == 1


def test_test_without_training_data_measures_at_step_zero(make_runner):
    runner = make_runner(
        [ERF],
        train_dataloader=dict(
            batch_size=1,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=True),
            dataset=dict(type='BaseSegDataset', data_root='/no/such/data'),
        ),
        log_level='INFO',
    )
    runner.test()
    assert events(runner)['scalars'] == expected((0,))
    assert scalars_json(runner) == expected((0,))
    assert isinstance(runner._train_loop, dict)
    for tag in TAGS:
        assert log_text(runner).count(f'{tag}: ') == 1


def test_validation_alone_measures_at_step_zero(make_runner):
    runner = make_runner([ERF])
    runner.val()
    assert events(runner)['scalars'] == expected((0,))


@pytest.mark.parametrize('model', [None, SEGFORMER])
def test_weights_and_logs_equal_those_without_the_hook(make_runner, model):
    hook = {**ERF, 'initial': True}
    with_hook = make_runner([hook], model=model)
    with_hook.train()
    without = make_runner([], model=model)
    without.train()
    ours, theirs = with_hook.model.state_dict(), without.model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    losses = [
        [
            line['loss']
            for line in json_lines(vis_data(runner) / 'scalars.json')
            if 'loss' in line
        ]
        for runner in (with_hook, without)
    ]
    assert losses[0] == losses[1] and len(losses[0]) == 4
    optimizers = [
        runner.optim_wrapper.state_dict() for runner in (with_hook, without)
    ]
    assert str(optimizers[0]) == str(optimizers[1])


def test_map_is_that_of_the_validation_images(make_runner):
    """The same images, read and normalised here, give the same map."""
    runner = make_runner([{**ERF, 'layers': ['backbone[3]'], 'num_images': 3}])
    runner.val()
    (line,) = json_lines(vis_data(runner) / 'erf' / 'erf.jsonl')
    folder = Path(runner.cfg.val_dataloader.dataset.data_root) / 'img_dir/val'
    images = []
    for index in (0, 1, 3):  # floor(k 5 / 3)
        array = np.asarray(Image.open(folder / f'{index}.png'))
        image = torch.from_numpy(array.copy()).permute(2, 0, 1).float()
        mean = torch.tensor([120.0, 115.0, 105.0]).view(3, 1, 1)
        images.append(
            (image - mean) / torch.tensor([58.0, 57, 57]).view(3, 1, 1)
        )
    model = runner.model.eval()
    reference = slow_map(
        torch.stack(images), lambda x: centre_score(model.backbone(x)[3])
    )
    found = ERFResult.load(vis_data(runner) / 'erf/0/backbone[3].npz').map
    assert np.abs(found - reference).max() <= 1e-6 * reference.max()
    assert line['num_images'] == 3


def test_exactly_num_images_where_the_set_holds_just_that_many(
    make_runner, monkeypatch
):
    told, own = [], Measurement.expect
    monkeypatch.setattr(
        Measurement, 'expect', lambda self, n: told.append(n) or own(self, n)
    )
    for number, counted in ((5, 5), (50, 5), (1, 1)):
        runner = make_runner([{**ERF, 'num_images': number}])
        runner.val()
        lines = json_lines(vis_data(runner) / 'erf' / 'erf.jsonl')
        assert {line['num_images'] for line in lines} == {counted}
        assert told.pop() == counted  # what a search may cost hangs on it


def test_averaged_weights_are_measured_under_ema(make_runner):
    ema = dict(type='EMAHook', momentum=0.5)
    runner = make_runner([ema, {**ERF, 'layers': ['backbone[3]']}])
    runner.train()
    ema_hook = next(h for h in runner.hooks if type(h).__name__ == 'EMAHook')
    averaged = ema_hook.ema_model.module.eval()
    raw = runner.model.eval()
    found = ERFResult.load(vis_data(runner) / 'erf/4/backbone[3].npz').map
    batches = [
        runner.model.data_preprocessor(batch, False)['inputs']
        for batch in runner.val_dataloader
    ]
    images = torch.cat(batches)[[0, 1, 2, 3]]
    maps = [
        slow_map(images, lambda x, m=model: centre_score(m.backbone(x)[3]))
        for model in (averaged, raw)
    ]
    peak = maps[0].max()
    assert np.abs(found - maps[0]).max() <= 1e-6 * peak
    assert np.abs(found - maps[1]).max() > 1e-3 * peak


def test_wrong_layer_fails_before_the_first_iteration(make_runner):
    iterations = []

    @HOOKS.register_module(name='CountIters', force=True)
    class CountIters(Hook):
        def before_train_iter(self, *args, **kwargs):
            iterations.append(1)

    runner = make_runner(
        [{**ERF, 'layers': ['backbone.layer33']}, dict(type='CountIters')]
    )
    with pytest.raises(LayerError, match=r'nearest: backbone\.layer3'):
        runner.train()
    assert not iterations


def test_index_that_does_not_exist_raises_at_the_first_measurement(
    make_runner,
):
    runner = make_runner([{**ERF, 'layers': ['backbone[7]']}])
    with pytest.raises(LayerError, match='from -4 to 3'):
        runner.train()


class Failing(Attribution):
    def __call__(self, forward, inputs, target, layers):
        raise torch.OutOfMemoryError('out of memory: tried to allocate')


def test_a_failed_measurement_warns_and_the_run_goes_on(
    make_runner, monkeypatch
):
    monkeypatch.setitem(ATTRIBUTIONS, 'Failing', Failing)
    hook = {**ERF, 'attribution': dict(type='Failing')}
    runner = make_runner([hook])
    runner.train()
    assert runner.iter == 4
    assert 'OutOfMemoryError: out of memory' in log_text(runner)
    assert not events(runner)['scalars']
    with pytest.raises(torch.OutOfMemoryError):
        make_runner([{**hook, 'on_error': 'raise'}]).train()


@VISBACKENDS.register_module(name='Broken', force=True)
class Broken(BaseVisBackend):
    experiment = None

    def _init_env(self):
        pass

    def add_image(self, name, image, step=0, **kwargs):
        raise OSError('No space left on device')


def test_one_broken_backend_does_not_keep_the_others(make_runner):
    backends = [
        dict(type='Broken'),
        dict(type='TensorboardVisBackend'),
        dict(type='ERFVisBackend'),
    ]
    runner = make_runner([ERF], backends=backends)
    runner.train()
    assert events(runner)['images'] == expected((2, 4), PICTURES)
    assert 'Broken' in log_text(runner) and 'No space left' in log_text(runner)


def test_local_backends_silent_failure_is_logged(make_runner, monkeypatch):
    import cv2

    monkeypatch.setattr(cv2, 'imwrite', lambda *args: False)
    runner = make_runner([ERF], backends=[dict(type='LocalVisBackend')])
    runner.val()
    assert 'could not be written' in log_text(runner)


def test_resuming_goes_on_and_measures_nothing_twice(make_runner):
    first = make_runner([{**ERF, 'initial': True, 'interval': 3}])
    first.train()
    checkpoint = Path(first.work_dir) / 'iter_4.pth'
    second = make_runner(
        [{**ERF, 'initial': True, 'interval': 3}],
        load_from=str(checkpoint),
        resume=True,
        train_cfg=dict(
            type='IterBasedTrainLoop', max_iters=10, val_interval=2
        ),
    )
    second.train()
    lines = json_lines(vis_data(second) / 'erf' / 'erf.jsonl')
    assert {line['step'] for line in lines} == {6}
    assert scalars_json(second) == expected((6,))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(num_images=0), 'num_images'),
        (dict(interval=0), 'interval'),
        (dict(order='random'), 'even'),
        (dict(on_error='ignore'), 'warn'),
        (dict(normalization='cube'), 'power'),
    ],
)
def test_settings_are_checked_when_the_hook_is_built(change, message):
    from mmerf.engine import ERFHook

    with pytest.raises(ConfigError, match=message):
        ERFHook(**change)


@pytest.mark.parametrize(
    'change', [dict(shares=(2,)), dict(amp='int8'), dict(target='Middle')]
)
def test_settings_of_the_measurement_fail_before_training(make_runner, change):
    with pytest.raises(ConfigError):
        make_runner([{**ERF, **change}]).train()


def test_mmsegs_own_config_with_two_lines_added(data_root, tmp_path):
    """custom_imports and custom_hooks alone turn the hook on."""
    import mmseg
    from mmengine.config import Config

    root = Path(mmseg.__path__[0]) / '.mim' / 'configs'
    small = config_of(data_root, tmp_path)
    cfg = Config.fromfile(
        root / 'pspnet/pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py'
    )
    cfg.merge_from_dict(
        dict(
            custom_imports=dict(imports=['mmerf']),
            custom_hooks=[{**ERF, 'layers': None, 'num_images': 2}],
        )
    )
    # the data that this machine has, at a size that it can train
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg[name] = small[name]
    for name in ('val_evaluator', 'test_evaluator', 'train_cfg', 'work_dir'):
        cfg[name] = small[name]
    cfg.model.pretrained = None
    cfg.model.data_preprocessor.size = (32, 48)
    cfg.model.auxiliary_head.norm_cfg = dict(type='BN')
    cfg.model.decode_head.norm_cfg = dict(type='BN')
    cfg.model.backbone.norm_cfg = dict(type='BN')
    cfg.train_cfg.max_iters, cfg.train_cfg.val_interval = 1, 1
    cfg.experiment_name = str(tmp_path)
    cfg.log_level = 'WARNING'
    runner = Runner.from_cfg(cfg)
    runner.train()
    tags = {tag for tag, _ in scalars_json(runner)}
    layers = [*(f'backbone[{i}]' for i in range(4)), 'decode_head']
    assert {f'erf_side_0.5/{layer}' for layer in layers} <= tags
    images = {p.name for p in vis_data(runner).rglob('vis_image/erf/*.png')}
    names = [*layers, 'all_layers', 'growth']
    assert images == {f'{name}_1.png' for name in names}


def free_port():
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        return server.getsockname()[1]


@pytest.mark.slow
def test_a_real_tensorboard_server_serves_images_and_scalars(make_runner):
    runner = make_runner([{**ERF, 'initial': True}])
    runner.train()
    run = str(vis_data(runner))
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, '-m', 'tensorboard.main', '--logdir', run,
         '--host', '127.0.0.1', '--port', str(port), '--load_fast', 'false'],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def get(path):
        url = f'http://127.0.0.1:{port}/data/plugin/{path}'
        return urllib.request.urlopen(url, timeout=10).read()

    try:
        tags = {}
        for _ in range(120):
            try:
                tags = json.loads(get('images/tags'))
                if tags.get('.'):
                    break
            except OSError:
                pass
            time.sleep(0.5)
        assert set(tags['.']) == PICTURES
        images = json.loads(
            get('images/images?tag=erf/decode_head&run=.&sample=0')
        )
        assert [image['step'] for image in images] == [0, 2, 4]
        png = get('images/individualImage?' + images[0]['query'])
        width, height = Image.open(io.BytesIO(png)).size
        assert 300 < width < 800 and 300 < height < 800
        scalars = json.loads(get('scalars/tags'))['.']
        assert set(scalars) >= TAGS
        points = json.loads(
            get('scalars/scalars?tag=erf_side_0.5/decode_head&run=.')
        )
        assert [point[1] for point in points] == [0, 2, 4]
        runs = json.loads(get('scalars/tags'))
        assert set(runs) == {'.', *(f'erf_layers/{la}' for la in LAYERS)}
        for layer in LAYERS:
            own = f'erf_layers/{layer}'
            assert set(runs[own]) >= {f'erf_{name}' for name in CONTRACT}
            query = f'scalars/scalars?tag=erf_side_0.5&run={own}'
            assert [p[1] for p in json.loads(get(query))] == [0, 2, 4]
    finally:
        server.terminate()
        server.wait(timeout=20)


class SometimesNaN(Target):
    """Its score of a batch's second image is not finite."""

    def unit(self, grid):
        return 0, 0

    def __call__(self, output, context):
        score = output[:, :, 0, 0].sum(1)
        return score * torch.tensor([1.0, float('nan')])[: len(score)]


def test_non_finite_maps_are_named_in_the_log(make_runner, monkeypatch):
    monkeypatch.setitem(TARGETS, 'Sometimes', SometimesNaN)
    hook = {**ERF, 'target': dict(type='Sometimes')}
    runner = make_runner([hook])
    runner.val()
    log = log_text(runner)
    assert 'backbone[3]: 2 map(s) left out' in log and '1.png' in log
    lines = json_lines(vis_data(runner) / 'erf' / 'erf.jsonl')
    assert {line['num_images'] for line in lines} == {2}
    with pytest.raises(MeasurementError, match='not finite'):
        make_runner([{**hook, 'on_error': 'raise'}]).val()


@pytest.mark.theory
def test_theoretical_fields_are_found_once_and_stored(make_runner):
    runner = make_runner(
        [{**ERF, 'layers': ['backbone[0]', 'decode_head']}], log_level='INFO'
    )
    runner.train()
    lines = json_lines(vis_data(runner) / 'erf' / 'erf.jsonl')
    first, head = lines[0], lines[1]
    assert first['theory']['y'] == first['theory']['x']
    assert first['theory']['y']['kind'] == 'box'
    assert first['statistics']['erf_size']['theory_ratio'] > 0
    assert head['theory'] == lines[3]['theory']
    assert log_text(runner).count('the theoretical fields took') == 1


def test_windows_are_searched_for_once_and_confirmed_each_time(
    make_runner, monkeypatch
):
    strips, confirmed = [], []
    reaches, unconfirmed = unit_places.reaches, planner.unconfirmed

    def read(*args):
        strips.append(args[3])
        return reaches(*args)

    def confirm(*args):
        confirmed.append(args[-2])
        return unconfirmed(*args)

    monkeypatch.setattr(unit_places, 'reaches', read)
    monkeypatch.setattr(planner, 'unconfirmed', confirm)
    hook = dict(
        type='ERFHook', layers=['backbone[0]'], num_images=2, initial=True,
        input_size=(160, 176),
    )  # fmt: skip
    runner = make_runner([hook], log_level='INFO')
    runner.train()
    assert strips == [0, 1] and confirmed == [True] * 3
    assert log_text(runner).count('(backbone[0]: window 56 x 56)') == 3
