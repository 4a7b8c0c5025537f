"""tools/tiles.py: the files, the table, the errors of one line."""

import json

import pytest
import torch

from mmerf import ERFResult
from mmerf.__main__ import main as mmerf
from mmerf.apis.config.build_model import build_model
from mmerf.apis.config.config_file import load_config
from mmerf.core.tiling.result import TilingResult


@pytest.fixture
def tiles():
    from tiles import main

    return main


CONV = ['--module', 'torch.nn.Conv2d', '--module-options', 'in_channels=3',
        'out_channels=3', 'kernel_size=5', 'padding=2']  # fmt: skip


def test_a_config_with_a_checkpoint(
    config, tmp_path, monkeypatch, capsys, tiles
):
    monkeypatch.chdir(tmp_path)
    model, _ = build_model(load_config(config))
    torch.save(model.state_dict(), 'x.pth')
    args = [str(config), 'x.pth', '--num-images', '2', '--windows', '16', '24']
    assert tiles([*args, '--format', 'svg', '--within', '50']) == 0
    printed = ' '.join(capsys.readouterr().out.split())
    folder = tmp_path / 'work_dirs' / 'small' / 'tiles' / 'x'
    result = TilingResult.load(folder / 'tiles.npz')
    assert result.provenance['checkpoint'] == 'x.pth'
    assert [(t.window, t.stride) for t in result.tilings] == [
        (16, 16), (16, 12), (16, 8), (24, 24), (24, 18), (24, 12),
    ]  # fmt: skip
    record = json.loads((folder / 'tiles.json').read_text())
    assert record['tiles'] == result.record(0.5)
    erf = ERFResult.load(folder / 'erf.npz')
    side = erf.statistics()['centred_square']['0.99']['side']
    assert result.sides['0.99'] == side
    assert result.bounds == ('0.99',)  # the square reaches the border
    assert f'99 % in ≥ {side} px' in printed
    assert 'recommended: window 16, stride 16: ' in printed
    whole, first = (100 * share for share in result.miou()[:2])
    assert f'mIoU: {first:.1f} % there, {whole:.1f} % on whole' in printed
    assert 'mIoU (%)' in printed and '2/2 images' in printed
    assert (folder / 'tiles.svg').is_file()


def test_a_module_without_a_config(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    args = [*CONV, '--img-dir', 'photos', '--windows', '16', '--strides', '16']
    assert mmerf(['tiles', *args]) == 0
    folder = tmp_path / 'work_dirs/torch.nn.Conv2d/tiles/init_photos'
    result = TilingResult.load(folder / 'tiles.npz')
    assert result.sides == {'0.5': 5, '0.99': 5}
    assert result.differs[..., 0].any() and result.miou() is None
    printed = capsys.readouterr().out
    assert 'recommended: window 16, stride 16' in printed
    assert 'mIoU' not in printed and (folder / 'tiles.png').is_file()


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['--windows', '48'], 'no image is longer than 48 px'),
        (['--windows', '16', '--strides', '17'], 'larger than window 16'),
        (['--windows', '16', '--overlaps', '1'], 'in [0, 1)'),
        (['--windows', '0'], 'a window is a whole number of pixels'),
        (['--windows', '16', '--threshold', '0.5'], 'the model gives 2'),
        (['--within', '100'], 'within is a share'),
        (['--layer', 'decode_heat'], 'decode_heat'),
        (['--target', 'grid=3'], 'cannot read the target'),
        (['--img-dir', 'nothing'], 'there is no folder nothing'),
        (['--out-dir', 'small.py'], 'is a file'),
    ],
)
def test_what_the_user_can_mend(
    config, tmp_path, monkeypatch, capsys, tiles, args, message
):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob('*'))
    assert tiles([str(config), '--num-images', '1', *args]) == 1
    err = capsys.readouterr().err
    assert err.startswith('error: ') and message in err
    assert err.count('\n') == 1
    assert sorted(tmp_path.rglob('*')) == before
