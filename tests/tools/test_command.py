"""The command mmerf, and networks without a config on the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from mmerf import ERFResult
from mmerf.__main__ import TOOLS, main, tools_folder

CONV = ['--module', 'torch.nn.Conv2d', '--module-options', 'in_channels=3',
        'out_channels=2', 'kernel_size=3', 'padding=1']  # fmt: skip


@pytest.fixture
def photo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / 'photos'
    folder.mkdir()
    Image.new('RGB', (20, 16), (200, 90, 10)).save(folder / 'a.png')
    return folder


def test_the_tools_are_reached_by_name(capsys):
    assert all((tools_folder() / file).is_file() for file, _ in TOOLS.values())
    assert main(['--help']) == 0 and 'mmerf sweep' in capsys.readouterr().out
    assert main(['erff']) == 2
    assert "no tool 'erff'" in capsys.readouterr().err
    for tool in TOOLS:
        with pytest.raises(SystemExit) as caught:
            main([tool, '--help'])
        assert caught.value.code == 0
        assert f'usage: mmerf {tool}' in capsys.readouterr().out


def test_python_m_mmerf_measures_a_module(photo, tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'mmerf', 'erf', *CONV, '--layers', '.',
         '--img-dir', 'photos', '--no-theory'],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ''
    folder = tmp_path / 'work_dirs/torch.nn.Conv2d/erf/init_photos'
    record = json.loads((folder / 'erf.json').read_text())
    assert record['layers']['.']['num_images'] == 1
    assert 'ImageNet' in done.stdout and 'starts with' in done.stdout
    assert (folder / '%2E.npz').is_file()


def test_layers_of_a_module_are_listed(erf, capsys):
    assert erf([*CONV, '--list-layers']) == 0
    assert '(2, 512, 512)' in capsys.readouterr().out


def test_a_sweep_of_a_module(photo, capsys):
    assert main(
        ['sweep', *CONV, '--layers', '.', '--img-dir', 'photos',
         '--vary', 'module.kernel_size=3,5', '--no-theory',
         '--cfg-options', 'module.padding=2']
    ) == 0  # fmt: skip
    assert 'kernel_size=5' in capsys.readouterr().out
    assert Path(
        'work_dirs/torch.nn.Conv2d/sweep/init_photos/sweep.png'
    ).is_file()


def test_a_sweep_of_a_trusted_file_at_the_size_that_it_states(photo, capsys):
    torch.save(Stated(), 'a.pt')
    arguments = ['sweep', '--module', 'a.pt', '--trust-checkpoint', '--vary',
                 'normalization.mean=[0,0,0],[.5,.5,.5]', '--std', '1', '1',
                 '1', '--mean', '0', '0', '0', '--layers', '.', '--img-dir',
                 'photos', '--no-theory']  # fmt: skip
    assert main(arguments) == 0, capsys.readouterr().err
    results = sorted(Path('work_dirs/a/sweep').rglob('*.npz'))
    assert len(results) == 2
    for path in results:
        result = ERFResult.load(path)
        assert result.map.shape == (8, 8) and result.unit_pixel == (4, 4)


class Stated(nn.Module):
    pretrained_cfg = {'input_size': (3, 8, 8), 'fixed_input_size': True}

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, x):
        return self.one(x)


def test_imports_come_first_and_from_the_current_folder(
    photo, erf, config, capsys
):
    Path('own_registry.py').write_text(
        'from mmseg.registry import MODELS\n'
        'from mmseg.models import EncoderDecoder\n'
        '@MODELS.register_module()\n'
        'class OwnSegmentor(EncoderDecoder):\n'
        '    pass\n'
    )
    own = ['--cfg-options', 'model.type=OwnSegmentor']
    arguments = [str(config), '--num-images', '1', '--no-theory']
    assert erf([*arguments, *own]) == 1
    assert 'OwnSegmentor' in capsys.readouterr().err
    assert erf([*arguments, '--import', 'own_registry', *own]) == 0


def test_custom_imports_of_the_options_are_imported(
    photo, erf, config, capsys, monkeypatch
):
    monkeypatch.syspath_prepend('.')
    Path('broken_registry.py').write_text("raise RuntimeError('it is broken')")
    broken = ['--cfg-options', 'custom_imports.imports=[broken_registry]']
    assert erf([str(config), *broken]) == 1
    assert capsys.readouterr().err == (
        'error: broken_registry, which custom_imports names, could not be '
        'imported: RuntimeError: it is broken\n'
    )


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        ([], 'give a CONFIG, or a network with --module'),
        (['CONFIG', *CONV], 'stands instead of a config'),
        (['CONFIG', '--mean', '0', '0', '0'], '--mean goes with --module'),
        (['CONFIG', 'a.pth', '--checkpoint', 'b.pth'], 'two checkpoints'),
        ([*CONV, '--import', 'no_such'], 'there is no module no_such'),
        ([*CONV, '--mean', '0'], 'mean and std belong together'),
        (CONV, 'has no dataset; give images with --img-dir'),
        (
            [*CONV[:2], '--module-options', 'a=1', 'a.b=2'],
            'a is a value and has a.b too',
        ),
    ],
)
def test_options_that_do_not_fit(config, erf, capsys, arguments, expected):
    given = [str(config) if a == 'CONFIG' else a for a in arguments]
    assert erf(given) == 1
    err = capsys.readouterr().err
    assert expected in err and err.count('\n') == 1
