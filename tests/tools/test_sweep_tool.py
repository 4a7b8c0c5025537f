import csv
import json

import pytest
import torch
from helpers.mmseg_configs import config_of

from mmerf.apis.config.build_model import build_model
from mmerf.apis.config.config_file import load_config


@pytest.fixture
def config(data_root, tmp_path):
    path = tmp_path / 'small.py'
    config_of(data_root, tmp_path / 'work').dump(str(path))
    return path


@pytest.fixture
def sweep():
    import sweep_erf

    return sweep_erf.main


def test_two_by_two_with_a_checkpoint(
    config, tmp_path, monkeypatch, capsys, sweep
):
    monkeypatch.chdir(tmp_path)
    model, _ = build_model(load_config(config))
    torch.save(model.state_dict(), 'x.pth')
    # fmt: off
    args = [str(config), 'x.pth', '--layers', 'backbone[3]', '--no-theory',
            '--num-images', '2', '--format', 'svg',
            '--vary', 'model.backbone.dilations=(1,1,2,4),(1,1,1,1)',
            '--vary', 'model.decode_head.align_corners=True,False']
    # fmt: on
    assert sweep(args) == 0
    printed = capsys.readouterr().out
    out = tmp_path / 'work_dirs' / 'small' / 'sweep' / 'x'
    rows = list(csv.DictReader((out / 'sweep.csv').open()))
    assert [row['run'] for row in rows] == [
        f'dilations={d}, align_corners={a}'
        for d in ('(1,1,2,4)', '(1,1,1,1)')
        for a in (True, False)
    ]
    sigmas = [row['sigma_x'] for row in rows]  # align_corners comes later
    assert sigmas[0] == sigmas[1] != sigmas[2] == sigmas[3]
    for entry in json.loads((out / 'sweep.json').read_text())['variants']:
        assert (out / entry['folder'] / 'erf.json').is_file()
        assert (out / entry['folder'] / 'backbone[3].svg').is_file()
    assert '4/4: ' in printed and 'sweep.svg' in printed
    assert 'initial weights' not in printed
    table = printed[printed.index('difference to the first row') :]
    for heading in ('dilations', 'align_corners', '50 % side', '99 % side'):
        assert heading in table
    sides = [int(row['side_0.99']) for row in rows]
    assert f' {sides[2]} ({sides[2] - sides[0]:+d})' in table
    assert len(table.splitlines()[2]) <= 100


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['--vary', 'model.backbone.depth'], '--vary KEY=V1,V2'),
        (['--vary', 'model.bakbone.depth=18'], 'nearest: backbone'),
        (['--vary', 'model.backbone.depth=1,2'], 'no combination'),
        (
            ['--vary', 'model.backbone.depth=18', '--img-dir', 'nothing'],
            'there is no folder nothing',
        ),
        (['--vary', 'model.backbone.depth=18', '--cmap', 'x'], 'colour map'),
        (
            ['--vary', 'model.backbone.depth=18', '--out-dir', 'small.py'],
            'is a file',
        ),
    ],
)
def test_what_the_user_can_mend(
    config, tmp_path, monkeypatch, capsys, sweep, args, message
):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob('*'))
    assert sweep([str(config), *args]) == 1
    err = capsys.readouterr().err
    assert err.startswith('error: ') and message in err
    assert err.count('\n') == 1
    assert sorted(tmp_path.rglob('*')) == before


def test_nothing_to_vary_is_a_wrong_argument(config, sweep, capsys):
    with pytest.raises(SystemExit) as caught:
        sweep([str(config)])
    assert caught.value.code == 2 and '--vary' in capsys.readouterr().err
