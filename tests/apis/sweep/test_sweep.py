import json
import re

import numpy as np
import pytest
import torch
from helpers.mmseg_configs import FCN, SEGFORMER, config_of

from mmerf import ERFResult
from mmerf.apis import run_erf
from mmerf.apis.compare.read_runs import read_run
from mmerf.apis.config.build_model import build_model
from mmerf.apis.config.checkpoint import load_checkpoint
from mmerf.apis.config.config_file import load_config
from mmerf.apis.sweep.sweep import sweep_erf
from mmerf.core.errors import CheckpointError, ConfigError

SMALL = dict(num_images=2, theory=False)


@pytest.fixture
def cfg(data_root, tmp_path):
    return config_of(data_root, tmp_path)


@pytest.fixture
def checkpoint(cfg, tmp_path):
    model, _ = build_model(load_config(cfg), seed=5)
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'x.pth')
    return tmp_path / 'x.pth'


def test_every_combination_as_a_run_of_its_own(cfg, checkpoint, tmp_path):
    vary = {
        'model.backbone.dilations': {'wide': (1, 1, 2, 4), 'flat': (1,) * 4},
        'model.backbone.strides': [(1, 2, 2, 1)],
    }
    lines = []
    sweep = sweep_erf(
        cfg,
        checkpoint,
        vary=vary,
        out_dir=tmp_path / 'o',
        layers=['backbone[3]'],
        input_size=(32, 64),
        say=lines.append,
        **SMALL,
    )
    assert list(sweep.runs) == [
        f'dilations={d}, strides=(1, 2, 2, 1)' for d in ('wide', 'flat')
    ]
    assert not sweep.gaps and len(lines) == 2
    record = json.loads((tmp_path / 'o' / 'sweep.json').read_text())[
        'variants'
    ]
    for row, entry in zip(sweep.comparison.rows(), record, strict=True):
        alone = run_erf(
            cfg,
            checkpoint,
            layers=['backbone[3]'],
            target=dict(type='Pixel', y=16, x=32),
            input_size=(32, 64),
            cfg_options=entry['options'],
            **SMALL,
        ).results['backbone[3]']
        kept = read_run(tmp_path / 'o' / entry['folder'])['backbone[3]']
        np.testing.assert_allclose(kept.map, alone.map, rtol=1e-5)
        square = alone.statistics()['centred_square']['0.5']
        assert row['run'] == entry['name']
        assert row['side_0.5'] == square['side']
        assert (row['unit_y'], row['unit_x']) == (16, 32)
    assert {path.name for path in sweep.files} == {
        'sweep.png', 'sweep.md', 'sweep.csv', 'sweep.tex',
        'sweep.areas.tex', 'sweep.json',
    }  # fmt: skip


def test_units_sit_at_one_pixel_whatever_the_stride(cfg, tmp_path):
    """The middle unit of a stride of 16 would sit at (16, 32) of 32 x 48."""
    vary = {'model.backbone.strides': [(1, 2, 2, 1), (1, 1, 1, 1)]}
    sweep = sweep_erf(
        cfg,
        vary=vary,
        out_dir=tmp_path / 'o',
        layers=['backbone[3]'],
        input_size=(32, 56),
        **SMALL,
    )
    rows = sweep.comparison.rows()
    assert [row['unit_y'] for row in rows] == [16, 16]
    assert [row['unit_x'] for row in rows] == [32, 28]  # nearest to 28
    assert any('the units sit at' in note for note in sweep.notes)


def test_windows_of_slide_mode_are_measured_in_their_middle(cfg, tmp_path):
    slide = dict(mode='slide', crop_size=(32, 32), stride=(16, 16))
    sweep = sweep_erf(
        cfg,
        vary={'model.test_cfg': [slide, dict(slide, stride=(32, 16))]},
        out_dir=tmp_path / 'o',
        layers=['backbone[0]'],
        **SMALL,
    )
    for row in sweep.comparison.rows():
        assert (row['map_h'], row['map_w']) == (32, 32)
        assert (row['unit_y'], row['unit_x']) == (16, 16)
    with pytest.raises(ConfigError, match='num_images'):
        sweep_erf(cfg, vary={'model.backbone.depth': [18]},
                  out_dir=tmp_path, num_images='auto')  # fmt: skip


def test_other_definitions_stop_a_sweep_as_soon_as_they_show(cfg, tmp_path):
    slide = dict(mode='slide', crop_size=(32, 32), stride=(16, 16))
    arguments = dict(
        vary={
            'model': {
                'whole': {},
                'gap': dict(backbone=dict(depth=19)),
                'slide': dict(test_cfg=slide),
                'last': dict(test_cfg=slide),
            }
        },
        layers=['backbone[0]'],
        **dict(SMALL, num_images=1),
    )
    lines = []
    with pytest.raises(ConfigError, match='--force') as caught:
        sweep_erf(cfg, out_dir=tmp_path / 'o', say=lines.append, **arguments)
    start = 'model=whole: backbone[0] and model=slide: backbone[0] are'
    assert str(caught.value).startswith(f'{start} not comparable: input is')
    assert lines[-1] == '3/4: model=slide'
    assert len(list((tmp_path / 'o').glob('*/erf.json'))) == 2
    sweep = sweep_erf(cfg, out_dir=tmp_path / 'p', force=True, **arguments)
    assert list(sweep.gaps) == ['model=gap'] and len(sweep.runs) == 3


def test_units_lie_inside_the_smallest_size_that_varies(cfg, tmp_path):
    steps = cfg.val_dataloader.dataset.pipeline
    steps.insert(1, dict(type='Resize', scale=(96, 96), keep_ratio=False))
    vary = {
        'val_dataloader.dataset.pipeline.1.scale': [(96, 96), (40, 32), 'x'],
        'model.backbone.strides': [(1, 1, 1, 1)],
    }
    sweep = sweep_erf(
        cfg,
        vary=vary,
        out_dir=tmp_path / 'o',
        layers=['backbone[0]'],
        **SMALL,
    )
    (gap,) = sweep.gaps
    assert gap.startswith('scale=x')
    assert [
        (row['map_h'], row['map_w'], row['unit_y'], row['unit_x'])
        for row in sweep.comparison.rows()
        if row['run'] != gap
    ] == [(96, 96, 16, 20), (32, 40, 16, 20)]


def test_what_cannot_be_built_is_a_named_gap(cfg, checkpoint, tmp_path):
    sweep = sweep_erf(
        cfg,
        checkpoint,
        vary={'model.backbone.depth': [18, 19, 34]},
        out_dir=tmp_path / 'o',
        layers=['backbone[0]'],
        **SMALL,
    )
    assert list(sweep.runs) == ['depth=18', 'depth=34']
    assert 'invalid depth 19' in sweep.gaps['depth=19']
    rows = {row['run']: row for row in sweep.comparison.rows()}
    assert list(rows) == ['depth=18', 'depth=19', 'depth=34']
    assert 'invalid depth 19' in rows['depth=19']['note']
    assert 'invalid depth 19' in (tmp_path / 'o' / 'sweep.md').read_text()
    (missing,) = (note for note in sweep.notes if 'missing' in note)
    assert missing.startswith('depth=34: ') and 'layer1.2.conv1' in missing
    record = json.loads((tmp_path / 'o' / 'sweep.json').read_text())[
        'variants'
    ]
    assert [entry['folder'] is None for entry in record] == [
        False,
        True,
        False,
    ]


def test_maps_that_an_earlier_combination_has_too_are_named(cfg, tmp_path):
    """A misspelt last key is no error: it may be one that has a default."""
    sweep = sweep_erf(
        cfg,
        vary={
            'model.backbone.dilations': [(1, 1, 2, 4), (1, 1, 1, 1)],
            'model.test_cfg.mdoe': ['whole', 'slide'],
        },
        out_dir=tmp_path / 'o',
        layers=['backbone[2]', 'backbone[3]'],
        **SMALL,
    )
    record = json.loads((tmp_path / 'o' / 'sweep.json').read_text())[
        'variants'
    ]
    notes = {
        entry['name']: [n for n in entry['notes'] if 'identical' in n]
        for entry in record
    }
    for dilations in ('(1, 1, 2, 4)', '(1, 1, 1, 1)'):
        first = f'dilations={dilations}, mdoe=whole'
        second = f'dilations={dilations}, mdoe=slide'
        assert notes[first] == []
        (note,) = notes[second]
        assert f'identical to that of {first}:' in note
        assert f'{second}: {note}' in sweep.notes
    report = tmp_path / 'o' / record[1]['folder'] / 'erf.json'
    assert (
        notes[record[1]['name']][0] in json.loads(report.read_text())['notes']
    )


def test_maps_that_are_zero_are_not_called_identical(cfg, tmp_path):
    sweep = sweep_erf(
        cfg,
        vary={'model.backbone.dilations': [(1, 1, 2, 4), (1, 1, 1, 1)]},
        out_dir=tmp_path / 'o',
        layers=['backbone[3]'],
        target={
            'type': 'Function',
            'function': lambda output, context: output.sum((1, 2, 3)) * 0,
            'y': 3,
            'x': 3,
        },
        **SMALL,
    )
    maps = [run.results['backbone[3]'].map for run in sweep.runs.values()]
    assert len(maps) == 2 and not np.any(maps)
    assert not any('identical' in note for note in sweep.notes)


def test_a_key_adds_to_what_is_set_inside_it(cfg, tmp_path):
    sweep = sweep_erf(
        cfg,
        vary={
            'model.backbone.dilations': [(1, 1, 1, 1), (1, 1, 2, 4)],
            'model.backbone': [dict(contract_dilation=True)],
        },
        out_dir=tmp_path / 'o',
        layers=['backbone[3]'],
        **SMALL,
    )
    assert not any('identical' in note for note in sweep.notes)
    one, other = (run.results['backbone[3]'] for run in sweep.runs.values())
    assert not np.allclose(one.map, other.map)


def test_a_forward_that_fails_is_reported_once_for_all_images(cfg, tmp_path):
    sweep = sweep_erf(
        cfg,
        vary={'model.decode_head.in_channels': [64, 65]},
        out_dir=tmp_path / 'o',
        layers='decode_head',
        **dict(SMALL, num_images=5),
    )
    gap = sweep.gaps['in_channels=65']
    assert '0.png and 4 more: the model does not run on its 32 x 48' in gap
    assert gap.endswith('to have 65 channels, but got 64 channels instead')
    for suffix in ('md', 'tex', 'csv'):
        text = (tmp_path / 'o' / f'sweep.{suffix}').read_text()
        assert text.count('could be measured:') == 1
        assert text.count('does not run on') == (suffix == 'csv')


def test_weights_of_another_shape_stay_initial_and_are_named(
    cfg, checkpoint, tmp_path
):
    cfg.model.decode_head.channels = 12
    model, loaded = build_model(cfg, checkpoint, seed=9, partial=True)
    fresh, _ = build_model(cfg, seed=9)
    kept = torch.load(checkpoint)['state_dict']
    own, initial = model.state_dict(), fresh.state_dict()
    assert 'decode_head.convs.0.conv.weight' in loaded['reshaped']
    assert not loaded['missing'] and not loaded['unexpected']
    for key, value in own.items():
        source = initial if key in loaded['reshaped'] else kept
        assert torch.equal(value, source[key]), key
    with pytest.raises(CheckpointError, match='does not fit'):
        build_model(cfg, checkpoint)
    sweep = sweep_erf(
        cfg,
        checkpoint,
        vary={'model.decode_head.channels': [8, 12]},
        out_dir=tmp_path / 'o',
        layers='decode_head',
        **SMALL,
    )
    (note,) = (note for note in sweep.notes if 'reshaped' in note)
    assert note.startswith('channels=12: ')


def test_a_checkpoint_without_one_fitting_weight_is_refused(tmp_path):
    torch.save({'state_dict': {'weight': torch.zeros(3)}}, tmp_path / 'y.pth')
    with pytest.raises(CheckpointError, match='none of the model'):
        load_checkpoint(
            torch.nn.Linear(2, 2), tmp_path / 'y.pth', partial=True
        )


def test_a_whole_part_can_vary(cfg, tmp_path):
    """Dictionaries are values: here a norm, and a model."""
    other = dict(SEGFORMER, _delete_=True)
    sweep = sweep_erf(
        cfg,
        vary={'model': {'fcn': {}, 'segformer': other}},
        out_dir=tmp_path / 'o',
        layers=['backbone[1]'],
        **SMALL,
    )
    assert list(sweep.runs) == ['model=fcn', 'model=segformer']
    maps = [run.results['backbone[1]'].map for run in sweep.runs.values()]
    assert not np.allclose(*maps)
    norms = sweep_erf(
        cfg,
        vary={'model.backbone.norm_cfg': [dict(type='BN'),
              dict(type='GN', num_groups=2, _delete_=True)]},
        out_dir=tmp_path / 'p',
        layers=['backbone[1]'],
        **SMALL,
    )  # fmt: skip
    assert len(norms.runs) == 2
    folders = [p for p in (tmp_path / 'p').iterdir() if p.is_dir()]
    assert all(re.fullmatch(r'[\w.=-]+', p.name) for p in folders)
    assert all(ERFResult.load(p / 'backbone[1].npz') for p in folders)


def test_a_title_is_checked_before_anything_is_measured(cfg, tmp_path):
    lines = []
    with pytest.raises(ConfigError, match='no formula'):
        sweep_erf(
            cfg,
            vary={'model.backbone.depth': [18]},
            out_dir=tmp_path / 'o',
            title=r'$\nothing$',
            say=lines.append,
            **SMALL,
        )
    assert not lines and not (tmp_path / 'o').exists()


def test_again_over_its_own_files_and_no_others(cfg, tmp_path):
    out = tmp_path / 'o'

    def again():
        return sweep_erf(
            cfg,
            vary={'model.backbone.depth': [18, 19]},
            out_dir=out,
            layers=['backbone[0]'],
            **SMALL,
        )

    assert len(again().files) == len(again().files) == 6
    (out / 'sweep.md').write_text('# Sweeping floors')
    before = {path: path.stat().st_mtime_ns for path in out.rglob('*')}
    with pytest.raises(ConfigError, match='choose another --out-dir'):
        again()
    after = {path: path.stat().st_mtime_ns for path in out.rglob('*')}
    assert after == before


@pytest.mark.parametrize(
    ('vary', 'message'),
    [
        ({'model.bakbone.depth': [18]}, 'nearest: backbone'),
        ({'model.backbone.depth': [17, 19]}, 'no combination'),
    ],
)
def test_nothing_to_show_is_one_line(cfg, tmp_path, vary, message):
    with pytest.raises(ConfigError, match=message) as caught:
        sweep_erf(cfg, vary=vary, out_dir=tmp_path / 'o', **SMALL)
    assert '\n' not in str(caught.value)
    assert not (tmp_path / 'o').exists()
    assert FCN['backbone']['depth'] == 18  # the caller's config is untouched
