"""tools/context.py: the files, the tables, the errors of one line."""

import json

import numpy as np
import pytest
import torch

from mmerf import ERFResult
from mmerf.apis.config.build_model import build_model
from mmerf.apis.config.config_file import load_config
from mmerf.core.context.ranking import RankingResult
from mmerf.core.context.result import ContextResult


@pytest.fixture
def context():
    from context import main

    return main


SMALL = ['--num-images', '2', '--targets', 'grid=2x2']
CONV = ['--module', 'torch.nn.Conv2d', '--module-options', 'in_channels=3',
        'out_channels=2', 'kernel_size=5', 'padding=2']  # fmt: skip


def test_a_config_with_a_checkpoint(
    config, tmp_path, monkeypatch, capsys, context
):
    monkeypatch.chdir(tmp_path)
    model, _ = build_model(load_config(config))
    torch.save(model.state_dict(), 'x.pth')
    args = [str(config), 'x.pth', *SMALL, '--sides', '5', '9', '49']
    assert context([*args, '--format', 'svg']) == 0
    printed = capsys.readouterr().out
    folder = tmp_path / 'work_dirs' / 'small' / 'context' / 'x'
    result = ContextResult.load(folder / 'context.npz')
    assert result.layer == 'decode_head' and result.sides == (5, 9, 49)
    assert result.units == (4, 4) and result.provenance['checkpoint']
    assert [name[-5:] for name in result.images] == ['0.png', '2.png']
    record = json.loads((folder / 'context.json').read_text())
    assert record['context'] == json.loads(json.dumps(result.record()))
    erf = ERFResult.load(folder / 'erf.npz')
    sides = erf.statistics()['centred_square']
    assert result.erf_sides['0.5']['side'] == sides['0.5']['side']
    assert 'predicted' not in printed and 'at most 5 % of units' in printed
    assert '8 unit(s) in all: one flip is 12.5 % of them' in printed
    assert (folder / 'context.svg').is_file() and '2/2 images' in printed


def test_a_module_without_a_config(
    photos, tmp_path, monkeypatch, capsys, context
):
    monkeypatch.chdir(tmp_path)
    args = [*CONV, '--img-dir', 'photos', *SMALL, '--sides', '1', '5', '7']
    assert context([*args, '--fill', 'shuffle']) == 0
    folder = tmp_path / 'work_dirs/torch.nn.Conv2d/context/init_photos'
    result = ContextResult.load(folder / 'context.npz')
    assert (result.keep_change[:, 1:] == 0).all()
    assert (result.keep_change[:, 0] > 0).all()
    assert 'makes the logits: .' in capsys.readouterr().out


def test_attributions_are_ranked(
    photos, tmp_path, monkeypatch, capsys, context
):
    monkeypatch.chdir(tmp_path)
    args = [*CONV, '--img-dir', 'photos', *SMALL, '--out-dir', 'out']
    names = ['Luo', 'Occlusion', 'Saliency']
    assert context([*args, '--rank-attributions', *names]) == 0
    result = RankingResult.load(tmp_path / 'out' / 'ranking.npz')
    assert result.names == tuple(names)
    record = json.loads((tmp_path / 'out' / 'ranking.json').read_text())
    ranked = [row['name'] for row in record['ranking']['ranking']]
    assert sorted(ranked) == names
    printed = capsys.readouterr().out
    places = [printed.index(f'│ {name} ') for name in ranked]
    assert places == sorted(places) and '±' in printed
    assert (tmp_path / 'out' / 'ranking.png').is_file()
    # the magnitude of the gradient of a linear network is Saliency's
    assert np.allclose(*result.areas[[0, 2]])


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['--sides', '64'], 'for example 63 or 65'),
        (['--targets', 'grid=3'], 'cannot read the target'),
        (['--targets', 'class=left,right'], 'one class at a time'),
        (['--targets', 'class=up'], 'there is no class'),
        (['--layer', 'decode_heat'], 'decode_heat'),
        (['--layer', 'backbone'], 'choose one of backbone[0]'),
        (['--fill', 'other-image', '--num-images', '1'], 'there is one image'),
        (['--num-images', '0'], 'num_images'),
        (['--img-dir', 'nothing'], 'there is no folder nothing'),
        (['--rank-attributions', 'GradCAM'], 'pictures of attention'),
        (['--rank-attributions', '--sides', '3'], 'leave out --sides'),
        (['--out-dir', 'small.py'], 'is a file'),
    ],
)
def test_what_the_user_can_mend(
    config, tmp_path, monkeypatch, capsys, context, args, message
):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob('*'))
    assert context([str(config), *args]) == 1
    err = capsys.readouterr().err
    assert err.startswith('error: ') and message in err
    assert err.count('\n') == 1
    assert sorted(tmp_path.rglob('*')) == before
