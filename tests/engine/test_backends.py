import re
from pathlib import Path

import numpy as np
import pytest
from backends import ALWAYS, TAGS, check
from mmengine.registry import VISBACKENDS
from mmengine.visualization import (
    DVCLiveVisBackend,
    LocalVisBackend,
    MLflowVisBackend,
    TensorboardVisBackend,
)

from mmerf.engine.backends import (
    GROWTH_CHARTS,
    add_image,
    add_layout,
    may_join_metrics,
)
from mmerf.visualization import ERFVisBackend

ERF = dict(type='ERFHook', layers=['backbone[3]', 'decode_head'], num_images=2)


@pytest.mark.parametrize('name', ALWAYS)
def test_what_was_logged_reads_back(name, make_runner, tmp_path, monkeypatch):
    check(name, make_runner, tmp_path, monkeypatch)


class Refusing(MLflowVisBackend):
    """MLflow's rule: one name that it refuses, and the whole call is lost."""

    def _init_env(self):
        self.lost, self.kept, self.images = [], [], []

    def add_config(self, config, **kwargs):
        self._env_initialized = True
        self._init_env()

    def add_image(self, name, image, step=0, **kwargs):
        self.images.append(name)

    def add_scalars(self, scalar_dict, step=0, file_path=None, **kwargs):
        fits = all(re.fullmatch(r'[\w\-. :/]*', name) for name in scalar_dict)
        (self.kept if fits else self.lost).append((step, dict(scalar_dict)))

    def close(self):
        pass


@pytest.fixture
def refusing():
    VISBACKENDS.register_module(module=Refusing, force=True)
    yield 'Refusing'
    VISBACKENDS.module_dict.pop('Refusing')


def test_a_backend_that_refuses_names_loses_nothing(make_runner, refusing):
    runner = make_runner(
        [{**ERF, 'on_error': 'raise'}],
        backends=[dict(type='LocalVisBackend'), dict(type=refusing)],
        log_level='INFO',
    )
    runner.train()
    backend = runner.visualizer.get_backend(refusing)
    assert backend.lost == []
    kept = [(step, name) for step, values in backend.kept for name in values]
    for tag in TAGS:
        plain = tag.replace('[3]', '-3')
        assert [kept.count((step, plain)) for step in (2, 4)] == [1, 1]
    assert [kept.count((step, 'mIoU')) for step in (2, 4)] == [1, 1]
    assert backend.images == [
        f'erf/{layer}_{step}.png'
        for step in (2, 4)
        for layer in ('all_layers', 'backbone-3', 'decode_head', 'growth')
    ]
    log = next(iter_logs(runner))
    local = (log.parent / 'vis_data' / 'scalars.json').read_text()
    for tag in TAGS:  # the others keep the names they always have
        assert local.count(f'"{tag}"') == 2
        assert log.read_text().count(f'{tag}: ') == 2


def iter_logs(runner):
    yield from Path(runner.log_dir).glob('*.log')


def test_what_goes_along_with_a_validations_own_metrics(tmp_path):
    plain, bracket = {'erf_side_0.5/decode_head': 1.0}, dict.fromkeys(TAGS, 1)
    own = {
        kind.__name__: kind(str(tmp_path))
        for kind in (LocalVisBackend, TensorboardVisBackend, ERFVisBackend)
    }
    mlflow = {**own, 'mlflow': MLflowVisBackend(str(tmp_path))}
    assert may_join_metrics(own, plain) and may_join_metrics(own, bracket)
    assert may_join_metrics(mlflow, plain)
    assert not may_join_metrics(mlflow, bracket)
    assert not may_join_metrics({**own, 'x': Refusing(str(tmp_path))}, plain)


@pytest.mark.parametrize('layers', [ERF['layers'], ['decode_head']])
def test_a_backend_whose_scalars_fail_stops_no_other(
    layers, make_runner, refusing
):
    class Failing(Refusing):
        def add_scalars(self, scalar_dict, *args, **kwargs):
            if any(name.startswith('erf_') for name in scalar_dict):
                raise ConnectionError('the server is gone')

    VISBACKENDS.register_module(module=Failing, force=True)
    try:
        runner = make_runner(
            [{**ERF, 'layers': layers}],
            backends=[dict(type='Failing'), dict(type='ERFVisBackend')],
            log_level='INFO',
        )
        runner.train()
    finally:
        VISBACKENDS.module_dict.pop('Failing')
    log = next(iter_logs(runner))
    assert 'Failing did not take the ERF scalars' in log.read_text()
    own = (log.parent / 'vis_data/erf/scalars.json').read_text()
    assert own.count('erf_side_0.5/decode_head') == 2


def test_a_layout_that_fails_stops_no_training(make_runner, monkeypatch):
    from torch.utils.tensorboard import SummaryWriter

    def refuse(self, layout):
        raise OSError('No space left on device')

    monkeypatch.setattr(SummaryWriter, 'add_custom_scalars', refuse)
    runner = make_runner([ERF], backends=[dict(type='TensorboardVisBackend')])
    runner.train()
    assert runner.iter == 4
    log = next(iter_logs(runner)).read_text()
    assert 'TensorboardVisBackend did not take the layout' in log


def test_dvclive_gets_the_step_in_the_name(tmp_path):
    class Keeping(DVCLiveVisBackend):
        def add_image(self, name, image, step=0, **kwargs):
            kept.append(name)

    kept = []
    picture = np.zeros((2, 2, 3), np.uint8)
    add_image(Keeping(str(tmp_path)), 'backbone[3]', picture, 40)
    assert kept == ['erf/backbone[3]/40']


@pytest.mark.parametrize(
    'layer', ['../../../x', 'a/../../../x', '/tmp/x', '..']
)
def test_no_layer_or_class_leads_out_of_the_folder(layer, tmp_path):
    kept = []

    class Keeping(DVCLiveVisBackend):
        def add_image(self, name, image, step=0, **kwargs):
            kept.append(name)

    class Flow(MLflowVisBackend):
        add_image = Keeping.add_image

    picture = np.zeros((2, 2, 3), np.uint8)
    for number, kind in enumerate((Keeping, Flow), 1):
        add_image(kind(str(tmp_path)), layer, picture, 40)
        path = Path(kept[-1])
        assert len(kept) == number and path.parts[0] == 'erf'
        assert len(path.parts) == (3, 2)[number - 1] and '..' not in path.parts
    inside = tmp_path / 'a' / 'b' / 'c'
    local = LocalVisBackend(str(inside))
    add_image(local, layer, picture, 40)
    usual = ['backbone[1]', 'decode_head:traffic light']
    for name in usual:
        add_image(local, name, picture, 40)
    folder = inside / 'vis_image' / 'erf'
    pictures = list(tmp_path.rglob('*.png'))
    assert len(pictures) == 3 and {p.parent for p in pictures} == {folder}
    assert {folder / f'{name}_40.png' for name in usual} < set(pictures)


def test_tensorboard_lays_out_growth_by_patterns_that_match(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import (
        EventAccumulator,
    )
    from tensorboard.plugins.custom_scalar import layout_pb2

    backend = TensorboardVisBackend(str(tmp_path))
    add_layout(backend)
    backend.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    (tensor,) = events.Tensors('custom_scalars__config__')
    layout = layout_pb2.Layout()
    layout.ParseFromString(tensor.tensor_proto.string_val[0])
    (category,) = layout.category
    assert [chart.title for chart in category.chart] == list(GROWTH_CHARTS)
    for chart in category.chart:
        (pattern,) = chart.multiline.tag
        of_layers = {tag.split('/')[0] for tag in TAGS}
        assert len([t for t in of_layers if re.search(pattern, t)]) == 1
        assert not any(re.search(pattern, tag) for tag in TAGS)
