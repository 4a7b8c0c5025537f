"""Generated bad input: more than 2,000 cases, each one line or a success.

A case that failed is kept under .hypothesis and tried first the next time;
what was found so far stands beside its test as an example.
"""

import copy
import io
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.mmseg_configs import FCN, build, config_of
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase
from mmengine.config import Config
from PIL import Image
from torch import nn

from mmerf import ERFResult
from mmerf.apis import run_erf
from mmerf.apis.config.checkpoint import load_checkpoint
from mmerf.apis.config.config_file import load_config
from mmerf.apis.images.open_images import open_images
from mmerf.core.atomic_files import file_stem
from mmerf.core.errors import ERFError, ResultError
from mmerf.core.layers.names import find_layers
from mmerf.core.measurement import Measurement
from mmerf.engine import ERFHook
from mmerf.engine.batches.prepare_batch import prepare

KEPT = Path(__file__).parents[1] / '.hypothesis' / 'examples'
BUDGET = []  # cases of each test


def cases(number):
    """So many generated cases; their seeds are kept where one fails."""
    BUDGET.append(number)
    return settings(
        max_examples=number,
        deadline=5000,  # milliseconds: none may hang
        database=DirectoryBasedExampleDatabase(KEPT),
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


def told(error):
    """An error of mmerf's that a user can read: one line, not too long."""
    text = str(error)
    assert isinstance(error, ERFError), repr(error)
    assert text and '\n' not in text and len(text) < 1200, text


def files(folder):
    return sorted(p for p in Path(folder).rglob('*') if p.is_file())


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = st.text(max_size=40) | st.sampled_from(
    ['../../x', '/etc/x', '', '.', '..', 'a/b', 'C:\\x', 'nul\0', '\ud800',
     'é' * 900, 'x' * 5000, '~', '$HOME', 'a\nb', '\u202e']
)  # fmt: skip


@cases(200)
@given(NAMES)
def test_results_of_any_layer_name_stay_in_their_folder(name):
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / 'inner' / 'folder'
        result = ERFResult.from_map([[0.0, 1.0]], layer=name)
        path = result.save(folder / f'{file_stem(name)}.npz')
        assert files(root) == [path] and path.parent == folder
        assert ERFResult.load(path).layer == name


@pytest.fixture(scope='module')
def model():
    return build(FCN)


MODULES = ('backbone', 'backbone.layer1', 'decode_head.convs', 'backbone.*')
PARTS = st.sampled_from(
    ['[0]', '[-1]', '[99]', '@0', '@', '[', ']', '*', '**', '?', '.', '\n',
     'backbone', '[' + '1' * 5000 + ']', '@' + '9' * 5000, '٣']
)  # fmt: skip
REQUESTS = (
    st.builds(
        lambda first, rest: first + ''.join(rest),
        st.sampled_from(MODULES),
        st.lists(PARTS, max_size=4),
    )
    | st.lists(PARTS, max_size=60).map(''.join)
    | NAMES
    | PLAIN
    | st.fixed_dictionaries(
        {'name': NAMES | st.sampled_from(MODULES)},
        optional={'grid': PLAIN, 'layout': PLAIN, 'first': PLAIN},
    )
)


@cases(500)
@given(asked=st.lists(REQUESTS, max_size=3) | REQUESTS)
@example(asked='backbone[' + '1' * 5000 + ']')
@example(asked='backbone@' + '9' * 5000)
@example(asked='*' * 400 + 'x')
@example(asked='*a' * 200)
@example(asked=5)
def test_any_layer_request_is_found_or_told(asked, model):
    try:
        found = find_layers(model, asked)
    except ERFError as error:
        told(error)
    else:
        modules = {'.': model, **dict(model.named_modules())}
        assert found and all(modules[x.name] is x.module for x in found)


SETTINGS = st.dictionaries(
    st.sampled_from(
        ['layers', 'num_images', 'interval', 'order', 'target',
         'attribution', 'shares', 'input_size', 'batch_size', 'amp',
         'normalization', 'on_error']
    ),
    PLAIN | st.just('CentreUnit') | st.just({'type': 'CentreUnit', 'x': 1}),
    min_size=1,
    max_size=3,
)  # fmt: skip


@cases(400)
@given(given_settings=SETTINGS)
@example(given_settings={'normalization': []})
@example(given_settings={'target': 5})
@example(given_settings={'target': {'type': []}})
@example(given_settings={'amp': []})
@example(given_settings={'input_size': 5})
@example(given_settings={'shares': [10**400]})
def test_any_settings_of_the_hook_are_followed_or_told(given_settings, model):
    try:
        hook = ERFHook(**given_settings)
        measurement = Measurement(model, hook.options)
    except ERFError as error:
        told(error)
    else:
        assert measurement.layers
        for name, value in given_settings.items():
            followed = getattr(hook, name, getattr(hook.options, name, None))
            if name in ('shares', 'input_size') and value is not None:
                value = tuple(value)
            assert followed == value or value != value, name


def stored():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
    from mmerf import measure_erf

    torch.manual_seed(0)
    result = measure_erf(net, torch.rand(2, 3, 8, 9), ['0'], theory=True)['0']
    with tempfile.TemporaryDirectory() as folder:
        return result.save(Path(folder) / 'x.npz').read_bytes()


def encoded(image, kind):
    file = io.BytesIO()
    image.save(file, format=kind)
    return file.getvalue()


PICTURE = Image.fromarray(
    np.random.default_rng(0).integers(0, 255, (9, 12, 3), np.uint8)
)
STORED = stored()
PICTURES = [
    (suffix, encoded(PICTURE, kind))
    for suffix, kind in (
        ('png', 'PNG'), ('jpg', 'JPEG'), ('gif', 'GIF'), ('bmp', 'BMP'),
        ('tif', 'TIFF'), ('webp', 'WEBP'), ('ppm', 'PPM'),
    )
]  # fmt: skip


@st.composite
def damaged(draw, contents):
    """A file's bytes, changed, cut, doubled or followed by others."""
    content = bytearray(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        kind = draw(st.sampled_from(['byte', 'cut', 'bytes', 'repeat']))
        if kind == 'byte' and content:
            content[place] = draw(st.integers(0, 255))
        elif kind == 'cut':
            del content[place : place + draw(st.integers(1, 60))]
        elif kind == 'bytes':
            content[place:place] = draw(st.binary(max_size=8))
        else:
            content += content[place : place + 40]
    return bytes(content)


def loaded_or_told(path):
    """A file is refused in a line, or it is a result that can be used."""
    try:
        result = ERFResult.load(path)
    except ResultError as error:
        told(error)
        assert str(path) in str(error)
        return
    assert result.map.ndim == 2 and (result.map >= 0).all()
    assert np.isfinite(result.map).all()
    json.dumps(result.record())
    result.save(path)


@cases(300)
@given(content=damaged([STORED]))
def test_any_damaged_result_is_told(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / 'fuzzed.npz'
    path.write_bytes(content)
    loaded_or_told(path)


META = json.loads(str(np.load(io.BytesIO(STORED))['meta']))
CHANGES = st.dictionaries(st.sampled_from(sorted(META)), PLAIN, max_size=3)
ARRAY = st.sampled_from(
    [np.ones((8, 9)), np.ones((8, 9), np.float16), np.ones((8, 9)) * 1j,
     np.full((8, 9), np.inf), np.ones((8, 9), bool), np.ones((8, 9, 1)),
     np.zeros((8, 9)), np.full((8, 9), 1e308), np.ones((3, 3)),
     np.array('x'), np.full((8, 9), -0.0), np.full((8, 9), 5e-324)]
)  # fmt: skip


@cases(400)
@given(
    changes=CHANGES,
    arrays=st.dictionaries(
        st.sampled_from(['map', 'stderr', 'coverage']), ARRAY, max_size=2
    ),
    left_out=st.sets(st.sampled_from(sorted(META)), max_size=2),
)
@example(changes={'sizes': [None]}, arrays={}, left_out=set())
@example(changes={'layer': 5}, arrays={}, left_out=set())
@example(changes={'theory': []}, arrays={}, left_out=set())
def test_any_foreign_result_is_told(
    changes, arrays, left_out, tmp_path_factory
):
    path = tmp_path_factory.getbasetemp() / 'foreign.npz'
    meta = {k: v for k, v in META.items() if k not in left_out} | changes
    whole = dict(np.load(io.BytesIO(STORED))) | arrays
    np.savez(path, **{**whole, 'meta': np.array(json.dumps(meta))})
    loaded_or_told(path)


@pytest.fixture(scope='module')
def source_of(data_root, tmp_path_factory):
    cfg = load_config(config_of(data_root, tmp_path_factory.mktemp('work')))
    return lambda folder: open_images(cfg, folder)


@cases(300)
@given(
    content=damaged([content for _, content in PICTURES])
    | st.binary(max_size=200),
    suffix=st.sampled_from([suffix for suffix, _ in PICTURES]),
)
def test_any_image_is_loaded_or_told(content, suffix, source_of):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f'x.{suffix}').write_bytes(content)
        source = source_of(folder)
        batches = list(source.batches([0], 1))
        assert len(batches) + len(source.skipped) == 1
        for why in source.skipped.values():
            assert why and '\n' not in why and len(why) < 400
        for batch in batches:
            assert batch['inputs'][0].shape[0] == 3


def small():
    return nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))


def saved(content):
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


CHECKPOINT = saved({'state_dict': small().state_dict(), 'meta': {'epoch': 1}})


@cases(250)
@given(content=damaged([CHECKPOINT]) | st.binary(max_size=200))
def test_any_damaged_checkpoint_is_loaded_or_told(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / 'x.pth'
    path.write_bytes(content)
    model = small()
    try:
        loaded = load_checkpoint(model, path)
    except ERFError as error:
        told(error)
        assert str(path) in str(error)
    else:
        assert set(loaded['missing']) < set(model.state_dict())


TENSORS = st.sampled_from(
    [torch.zeros(2), torch.zeros(2, 1, 1, 1), torch.zeros(()),
     torch.zeros(2, dtype=torch.int64), torch.zeros(2, dtype=torch.complex64),
     torch.zeros(2).to_sparse(), torch.full((2,), float('nan'))]
)  # fmt: skip
KEYS = st.sampled_from([*small().state_dict(), 'module.0.weight', 'x', ''])


@cases(250)
@given(
    content=st.dictionaries(KEYS | st.integers(), TENSORS | PLAIN, max_size=4)
    | PLAIN,
    wrapped=st.sampled_from([None, 'state_dict', 'model', 'module']),
)
def test_any_foreign_checkpoint_is_loaded_or_told(
    content, wrapped, tmp_path_factory
):
    path = tmp_path_factory.getbasetemp() / 'y.pth'
    torch.save({wrapped: content} if wrapped else content, path)
    model = small()
    before = copy.deepcopy(model.state_dict())
    try:
        loaded = load_checkpoint(model, path)
    except ERFError as error:
        told(error)
    else:
        kept = {*loaded['missing'], *loaded['reshaped']}
        assert kept < set(before)
        for name in kept:
            assert torch.equal(model.state_dict()[name], before[name])


def places(value, path=()):
    """Paths of everything in nested dicts and lists."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*path, key)
        if isinstance(item, (dict, list)):
            yield from places(item, (*path, key))


@pytest.fixture(scope='module')
def whole(data_root, tmp_path_factory):
    """A config that can be measured, as nested dicts."""
    work_dir = tmp_path_factory.mktemp('work')
    cfg = config_of(data_root, work_dir).to_dict()
    keys = ('default_scope', 'model', 'val_dataloader', 'test_dataloader')
    return {key: cfg[key] for key in keys}


@cases(60)
@given(data=st.data())
def test_any_config_is_measured_or_told(data, whole, tmp_path_factory):
    """Parts taken out or replaced by something else."""
    cfg = copy.deepcopy(whole)
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(list(places(cfg))))
        owner = cfg
        for key in path[:-1]:
            owner = owner[key]
        if data.draw(st.booleans()):
            del owner[path[-1]]
        else:
            small_things = st.none() | st.text(max_size=3) | st.integers(-2, 2)
            owner[path[-1]] = data.draw(small_things)
    try:
        run = run_erf(Config(cfg), num_images=1, theory=False, device='cpu')
    except ERFError as error:
        told(error)
    else:
        assert run.results
        for result in run.results.values():
            assert result.num_images == 1 and (result.map >= 0).all()
            assert result.statistics()['uncertainty'] is not None


@cases(200)
@example(batch={'inputs': None})
@example(batch={'inputs': [torch.zeros(32, 48)]})
@example(
    batch={'inputs': [torch.zeros(3, 32, 48)], 'data_samples': [None, None]}
)
@given(batch=PLAIN | st.dictionaries(
    st.sampled_from(['inputs', 'data_samples', 'img']),
    PLAIN
    | st.just([torch.zeros(3, 32, 48)])
    | st.just(torch.zeros(1, 3, 32, 48))
    | st.just([torch.zeros(32, 48)])
    | st.just([np.zeros((32, 48, 3))])
    | st.just([[torch.zeros(3, 32, 48)]]),
))  # fmt: skip
def test_any_data_batch_is_prepared_or_told(batch, model):
    """What custom datasets yield."""
    try:
        found = prepare(model, batch)
    except ERFError as error:
        told(error)
    else:
        assert found.inputs.dim() == 4
        assert len(found.names) == len(found.metas) == len(found.inputs)


def test_there_are_more_than_two_thousand_cases():
    assert sum(BUDGET) >= 2000
