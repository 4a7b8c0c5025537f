import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.mmseg_configs import FCN, config_of
from PIL import Image

from mmerf import ERFResult

ROOT = Path(__file__).parents[2]


def test_writes_and_prints_what_the_contract_says(config, tmp_path):
    out = tmp_path / 'out'
    done = subprocess.run(
        [sys.executable, str(ROOT / 'tools/erf.py'), str(config),
         '--layers', 'backbone[*]'.replace('[*]', ''), 'decode_head',
         '--num-images', '3', '--shares', '0.25', '0.75',
         '--out-dir', str(out), '--format', 'svg'],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 'Traceback' not in done.stderr
    layers = [*(f'backbone[{i}]' for i in range(4)), 'decode_head']
    record = json.loads((out / 'erf.json').read_text())
    assert list(record['layers']) == layers
    assert record['provenance']['config'] == str(config)
    for layer in layers:
        result = ERFResult.load(out / f'{layer}.npz')
        assert record['layers'][layer]['statistics'] == result.statistics()
        assert result.shares == (0.25, 0.75) and result.num_images == 3
        assert (out / f'{layer}.svg').is_file()
        assert layer in done.stdout
        side = result.statistics()['centred_square']['0.75']['side']
        assert f' {side} ±' in done.stdout
    assert (out / 'erf.svg').is_file()
    assert '75 % side (px)' in done.stdout and 'initial weights' in done.stdout
    assert '3/3 images' in done.stdout and '\r' not in done.stdout
    assert str(out / 'erf.json') in done.stdout


def test_default_out_dir_and_checkpoint(config, tmp_path, monkeypatch, erf):
    import torch

    from mmerf.apis.config.build_model import build_model
    from mmerf.apis.config.config_file import load_config

    monkeypatch.chdir(tmp_path)
    model, _ = build_model(load_config(config))
    torch.save({'state_dict': model.state_dict()}, 'x.pth')
    assert erf([str(config), 'x.pth', '--layers', 'backbone[0]']) == 0
    record = json.loads(Path('work_dirs/small/erf/x/erf.json').read_text())
    assert len(record['provenance']['checkpoint_sha256']) == 64
    assert record['layers']['backbone[0]']['num_images'] == 5


def test_list_layers(config, capsys, erf):
    assert erf([str(config), '--list-layers', 'backbone.layer1*']) == 0
    out = capsys.readouterr().out
    assert 'backbone.layer1' in out and 'ResLayer' in out and 'stride' in out
    assert 'layer2' not in out


def test_skipped_images_are_named(config, photos, tmp_path, capsys, erf):
    (photos / 'text.jpg').write_text('text')
    args = [str(config), '--img-dir', str(photos), '--layers', 'backbone[0]']
    assert erf([*args, '--out-dir', str(tmp_path / 'o')]) == 0
    out = capsys.readouterr().out
    assert 'text.jpg: it is not an image' in out
    record = json.loads((tmp_path / 'o' / 'erf.json').read_text())
    assert list(record['skipped'].values()) == ['it is not an image']


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['nothing.py'], 'there is no config file nothing.py'),
        (['CONFIG', 'nothing.pth'], 'there is no checkpoint nothing.pth'),
        (['CONFIG', '--layers', 'backbone.layer9'], 'nearest: backbone.layer'),
        (['CONFIG', '--layers', 'backbone[9]'], 'from -4 to 3'),
        (['CONFIG', '--img-dir', 'nothing'], 'there is no folder nothing'),
        (['CONFIG', '--device', 'cuda:7'], "device 'cuda:7'"),
        (['CONFIG', '--num-images', '0'], 'num_images'),
        (['CONFIG', '--shares', '1.5'], '(0, 1]'),
        (['CONFIG', '--cmap', 'nothing'], 'no colour map'),
        (['CONFIG', '--list-layers', 'zzz'], 'no layer'),
        (['CONFIG', '--list-layers', '--input-size', '-5', '5'], '(H, W)'),
        (['CONFIG', '--seed', '-1'], 'seed'),
        (['CONFIG', '--out-dir', 'small.py'], 'small.py is a file'),
        (['CONFIG', '--cfg-options', 'model=3'], 'no model'),
        (
            [
                'CONFIG',
                '--cfg-options',
                'val_dataloader.dataset.pipeline.9.x=1',
            ],
            'config options',
        ),
        (['CONFIG', '--num-images', 'auto', '--tolerance', '2'], 'tolerance'),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_status_one(
    config, capsys, args, message, erf, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob('*'))
    args = [str(config) if arg == 'CONFIG' else arg for arg in args]
    assert erf(args) == 1
    err = capsys.readouterr().err
    assert message in err and err.startswith('error: ')
    assert err.count('\n') == 1
    assert sorted(tmp_path.rglob('*')) == before


@pytest.mark.parametrize(
    'args', [['c.py', '--order', 'x'], ['c.py', '--input-size', '3']]
)
def test_wrong_arguments_are_status_two(args, erf, capsys):
    with pytest.raises(SystemExit) as caught:
        erf(args)
    assert caught.value.code == 2
    assert 'usage' in capsys.readouterr().err


def test_cfg_options_reach_the_model(config, capsys, erf):
    args = [str(config), '--list-layers', 'decode_head.conv_seg']
    assert erf([*args, '--cfg-options', 'model.decode_head.channels=24']) == 0
    assert '(2, ' in capsys.readouterr().out


def test_an_image_of_one_colour_is_measured(config, tmp_path, erf):
    folder = tmp_path / 'f'
    folder.mkdir()
    Image.new('RGB', (48, 32), 'red').save(folder / 'red.png')
    args = [str(config), '--img-dir', str(folder), '--out-dir', str(tmp_path)]
    assert erf([*args, '--layers', 'backbone[0]']) == 0


def test_a_folder_that_cannot_be_written_is_one_line(
    config, tmp_path, capsys, erf, monkeypatch
):
    import tempfile

    def refuse(*args, **kwargs):
        raise PermissionError(13, 'Permission denied')

    args = [str(config), '--layers', 'backbone[0]', '--num-images', '1']
    monkeypatch.setattr(tempfile, 'mkstemp', refuse)
    assert erf([*args, '--out-dir', str(tmp_path / 'o')]) == 1
    err = capsys.readouterr().err
    assert 'cannot be written to' in err and err.count('\n') == 1


def test_zero_scores_are_noted_with_what_avoids_them(
    config, tmp_path, capsys, erf
):
    """With some seeds the random head has no positive logit somewhere."""
    found = set()
    for seed in range(4):
        args = [str(config), '--layers', 'decode_head', '--no-theory']
        out = tmp_path / str(seed)
        assert erf([*args, '--seed', str(seed), '--out-dir', str(out)]) == 0
        record = json.loads((out / 'erf.json').read_text())
        zero = record['layers']['decode_head']['zero_score_images'] > 0
        noted = 'relu=False' in ' '.join(capsys.readouterr().out.split())
        assert zero == noted
        found.add(zero)
    assert True in found


def test_figures_over_the_images_and_by_distance(
    config, photos, tmp_path, erf, capsys
):
    args = [str(config), '--img-dir', str(photos), '--layers', 'backbone[0]',
            '--no-theory', '--over-image', '--out-dir']  # fmt: skip
    assert erf([*args, str(tmp_path / 'o')]) == 0
    assert 'profile.png' in capsys.readouterr().out
    with Image.open(tmp_path / 'o' / 'profile.png') as profile:
        assert profile.size[0] <= 3.5 * 150
    Image.new('RGB', (70, 31)).save(photos / 'other.png')
    assert erf([*args, str(tmp_path / 'p')]) == 1
    assert '--input-size' in capsys.readouterr().err
    assert not (tmp_path / 'p').exists()


def test_a_module_of_another_package(data_root, tmp_path, erf, capsys):
    module = dict(type='helpers.plain_nets.UNet', classes=2)
    model = dict(
        type='ModuleSegmentor',
        data_preprocessor=FCN['data_preprocessor'],
        module=module,
        decode_head=dict(num_classes=2),
    )
    path, out = tmp_path / 'unet.py', tmp_path / 'out'
    config_of(data_root, tmp_path / 'work', model=model).dump(str(path))
    run = [str(path), '--num-images', '2']
    assert (
        erf(
            [
                *run,
                '--out-dir',
                str(out),
                '--layers',
                'net.decoder',
                'decode_head',
            ]
        )
        == 0
    )
    assert ERFResult.load(out / 'net.decoder.npz').grid == (16, 24)
    assert ERFResult.load(out / 'decode_head.npz').grid == (32, 48)
    capsys.readouterr()
    assert (
        erf(
            [
                *run,
                '--cfg-options',
                'model.module.type=helpers.plain_nets.UNett',
            ]
        )
        == 1
    )
    message = capsys.readouterr().err
    assert message == 'error: helpers.plain_nets has no UNett; nearest: UNet\n'


def test_reduced_precision_and_how_layers_ran_are_noted(
    config, photos, tmp_path, erf, capsys
):
    out = tmp_path / 'o'
    args = [str(config), '--img-dir', str(photos), '--layers', 'backbone[0]']
    args += ['--no-theory', '--amp', 'bfloat16', '--out-dir', str(out)]
    assert erf(args) == 0
    output = ' '.join(capsys.readouterr().out.split())
    assert 'note: bfloat16 moved maps by up to' in output
    assert 'note: run on backbone[0]: whole image' in output
    provenance = ERFResult.load(out / 'backbone[0].npz').provenance
    assert provenance['deviation_from_float32']['images'] == 2
    assert provenance['run_on'] == 'whole image'


def test_per_image(config, tmp_path, capsys, erf):
    out = tmp_path / 'out'
    args = [str(config), '--layers', 'backbone[0]', '--num-images', '2']
    assert erf([*args, '--per-image', '--out-dir', str(out)]) == 0
    text = ' '.join(capsys.readouterr().out.split())
    assert 'one folder per image in' in text and 'images.csv' in text
    folders = sorted(path.name for path in (out / 'images').iterdir())
    assert folders == ['0_0', '1_2']


def test_without_a_module(config, tmp_path, monkeypatch, capsys, erf):
    monkeypatch.chdir(tmp_path)
    name = 'backbone.layer4.1.conv2'
    arguments = [str(config), '--layers', 'backbone[3]', '--num-images', '1']
    assert erf([*arguments, '--no-theory', '--without', name]) == 0
    assert f'measured without {name} (identity)' in capsys.readouterr().out
    folder = Path(f'work_dirs/small/erf/init_without_{name}')
    record = json.loads((folder / 'erf.json').read_text())
    (layer,) = record['layers'].values()
    assert layer['provenance']['without'] == {name: 'identity'}
    result = ERFResult.load(folder / 'backbone[3].npz')
    assert result.label == f'backbone[3] without {name}'


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['--per-image'], '--each-without does not go with --per-image'),
        (['--num-images', 'auto'], 'go with --num-images auto; leave one out'),
        (['--each-without', 'nothing.*'], "no layer matches 'nothing.*'"),
    ],
)
def test_each_without_refuses_in_one_line(
    config, tmp_path, capsys, erf, arguments, expected
):
    given = [str(config), '--each-without', 'backbone.*', *arguments]
    assert erf([*given, '--out-dir', str(tmp_path / 'o')]) == 1
    error = capsys.readouterr().err
    assert expected in ' '.join(error.split()) and 'Traceback' not in error
    assert not (tmp_path / 'o').exists()


def test_each_without_prints_the_changes(config, tmp_path, capsys, erf):
    arguments = [str(config), '--layers', 'backbone[3]', '--num-images', '1',
                 '--no-theory', '--out-dir', str(tmp_path / 'o')]  # fmt: skip
    assert erf([*arguments, '--each-without', 'backbone.layer4.1']) == 0
    out = capsys.readouterr().out
    assert 'identity' in out and 'without_changes.csv' in out
    assert (tmp_path / 'o/01_without_backbone.layer4.1/erf.json').is_file()
