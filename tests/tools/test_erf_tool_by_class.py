"""tools/erf.py --by-class."""

import json

import pytest


def run(erf, config, out, *args):
    args = [str(config), '--no-theory', '--out-dir', str(out), *args]
    return erf([*args, '--num-images', '2', '--layers', 'backbone[1]'])


def test_by_label(erf, config, tmp_path, capsys):
    assert run(erf, config, tmp_path / 'o', '--by-class', 'label') == 0
    printed = capsys.readouterr().out
    assert 'Where context comes from (%, classes by label)' in printed
    assert 'own segment' in printed and 'by_class.csv' in printed
    record = json.loads((tmp_path / 'o/erf.json').read_text())
    found = record['by_class']['backbone[1]']
    assert found['rows'] == ['left', 'right']
    assert all(sum(row) == pytest.approx(1) for row in found['shares'])


def test_by_prediction_and_a_class_that_is_never_predicted(
    erf, config, tmp_path, capsys
):
    """Random weights: some seed predicts one class everywhere."""
    for seed in range(8):
        out = tmp_path / str(seed)
        options = ['--by-class', '--seed', str(seed)]
        assert run(erf, config, out, *options) == 0
        record = json.loads((out / 'erf.json').read_text())
        found = record['by_class']['backbone[1]']
        assert found['by_class'] == 'prediction'
        printed = ' '.join(capsys.readouterr().out.split())
        if record['absent']:
            assert len(found['rows']) == 1
            assert 'so there is no map' in printed
            return
    raise AssertionError('every seed predicted both classes')


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (['--by-class', '--target', 'unit=1,2'], 'needs a target of classes'),
        (['--by-class', '--each-without', 'x'], 'does not go with --by-class'),
    ],
)
def test_one_line_errors(erf, config, tmp_path, capsys, options, text):
    assert run(erf, config, tmp_path / 'o', *options) != 0
    captured = capsys.readouterr()
    assert text in ' '.join((captured.out + captured.err).split())
    assert not (tmp_path / 'o').exists()


def test_a_module_without_classes(erf, photos, tmp_path, capsys, monkeypatch):
    (tmp_path / 'no_classes.py').write_text(
        'from torch import nn\n'
        'class Net(nn.Sequential):\n'
        '    def __init__(self):\n'
        '        super().__init__(nn.Conv2d(3, 2, 3), nn.Flatten())\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    status = erf([
        '--module', 'no_classes.Net', '--img-dir', str(photos),
        '--layers', '0', '--by-class', '--num-images', '1', '--no-theory',
        '--out-dir', str(tmp_path / 'o'),
    ])  # fmt: skip
    assert status != 0
    captured = capsys.readouterr()
    text = ' '.join((captured.out + captured.err).split())
    assert 'predicts no class' in text and 'Traceback' not in text
    assert not (tmp_path / 'o').exists()
