"""Targets and attributions on the command line."""

import json

import pytest

from mmerf import ERFResult


def run(erf, config, out, *args):
    args = [str(config), '--no-theory', '--out-dir', str(out), *args]
    return erf([*args, '--num-images', '2', '--layers', 'backbone[1]'])


@pytest.mark.parametrize(
    ('target', 'score', 'units'),
    [
        ('grid=2x3', 'each of 2 x 3 units', 12),
        ('sample=4', 'each of 4 units', 8),
        ('unit=1,2', 'at unit (1, 2)', 2),
        ('pixel=9,20', 'nearest pixel (9, 20)', 2),
    ],
)
def test_targets(erf, config, tmp_path, target, score, units):
    assert run(erf, config, tmp_path / 'o', '--target', target) == 0
    record = json.loads((tmp_path / 'o/erf.json').read_text())
    found = record['layers']['backbone[1]']
    assert score in found['definition']['score']
    assert found['units'] == units and found['num_images'] == 2


def test_classes_by_name_and_what_is_absent(
    erf, config, tmp_path, capsys
):  # fmt: skip
    out = tmp_path / 'o'
    options = ['--target', 'class=left,right', '--target-options']
    assert run(erf, config, out, *options, 'region=ground_truth') == 0
    record = json.loads((out / 'erf.json').read_text())
    keys = ['backbone[1]:left', 'backbone[1]:right']
    assert list(record['layers']) == keys and record['absent'] == {}
    assert ERFResult.load(out / 'backbone[1]%3Aleft.npz').num_images == 2
    printed = capsys.readouterr().out
    assert all(key in printed for key in keys)


def test_a_class_that_no_image_has_is_in_the_notes(
    erf, config, tmp_path, capsys
):
    """Random weights: some seed predicts one class everywhere."""
    for seed in range(8):
        out = tmp_path / str(seed)
        done = run(
            erf, config, out, '--target', 'ClassRegion', '--seed', str(seed)
        )
        assert done == 0
        record = json.loads((out / 'erf.json').read_text())
        printed = ' '.join(capsys.readouterr().out.split())
        for key, line in record['absent'].items():
            assert key not in record['layers'] and line in record['notes']
            assert line in printed and not list(out.glob(f'{key}*'))
        assert len(record['layers']) + len(record['absent']) == 2
        if record['absent']:
            return
    raise AssertionError('every seed predicted both classes')


def test_attribution_with_options(erf, config, tmp_path):
    out = tmp_path / 'o'
    options = ['--attribution', 'NoiseVariance', '--attribution-options']
    given = ['patch_size=16', 'std=0.2', 'draws=3']
    assert run(erf, config, out, *options, *given) == 0
    result = ERFResult.load(out / 'backbone[1].npz')
    assert 'std 0.2' in result.definition['map']
    assert '3 draws' in result.definition['map']
    assert result.map[:16, :16].min() == result.map[:16, :16].max()


def test_attention_is_drawn_and_reported_as_such(
    erf, config, tmp_path, capsys
):  # fmt: skip
    out = tmp_path / 'o'
    target = ['--target', 'CentreUnit', '--target-options', 'relu=False']
    assert run(erf, config, out, '--attribution', 'GradCAM', *target) == 0
    printed = capsys.readouterr().out
    assert 'attention' in printed and printed.count('wrote') == 2
    assert 'theory' not in printed  # it has none, and no table of dashes
    record = json.loads((out / 'erf.json').read_text())
    found = record['layers']['backbone[1]']
    assert found['kind'] == 'attention' and not found['uncertainty']
    assert (out / 'backbone[1].png').is_file()


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['--target', 'class=lft'], 'nearest: left'),
        (['--target', 'class='], 'grid=5x5'),
        (['--target', 'grid=5'], 'grid=5x5'),
        (['--target', 'grid=0x2'], 'rows'),
        (['--attribution-options', 'part=all'], 'positive'),
        (['--attribution', 'Occlusion', '--attribution-options', 'size=3'],
         'Occlusion'),
        (['--attribution', 'GradCAM', '--num-images', 'auto'], 'attention'),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(
    erf, config, tmp_path, capsys, args, message
):  # fmt: skip
    args = [str(config), '--out-dir', str(tmp_path / 'o'), *args]
    assert erf(args) == 1
    err = capsys.readouterr().err
    assert message in err and err.count('\n') == 1
    assert not (tmp_path / 'o').exists()


def test_the_labels_of_a_bare_folder_are_missed_in_one_line(
    erf, config, photos, tmp_path, capsys
):  # fmt: skip
    target = ['--target', 'class=left', '--target-options']
    options = [*target, 'region=ground_truth', '--img-dir', str(photos)]
    assert run(erf, config, tmp_path / 'o', *options) == 1
    err = capsys.readouterr().err
    assert 'no --img-dir' in err and err.count('\n') == 1
