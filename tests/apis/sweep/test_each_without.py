import csv
import json

import numpy as np
import pytest
from helpers.mmseg_configs import config_of
from rich.console import Console

from mmerf.apis import run_erf
from mmerf.apis.compare.read_runs import read_run
from mmerf.apis.sweep import erf_each_without
from mmerf.apis.sweep.changes import WHOLE_MODEL, changes_of
from mmerf.apis.sweep.tables import changes_tables
from mmerf.core.errors import ConfigError, LayerError

SMALL = dict(num_images=2, theory=False, layers=['backbone[3]'])
BLOCK = 'backbone.layer3.0'


@pytest.fixture
def cfg(data_root, tmp_path):
    cfg = config_of(data_root, tmp_path)
    cfg.model.backbone.zero_init_residual = False
    return cfg


def test_each_module_as_a_run_of_its_own(cfg, tmp_path):
    each = ['backbone.layer4.1.c*2', BLOCK]
    with pytest.raises(LayerError, match='nearest: backbone'):
        erf_each_without(cfg, each='backbone.layr', out_dir=tmp_path)
    found = erf_each_without(cfg, each=each, out_dir=tmp_path / 'o', **SMALL)
    names = ['backbone.layer4.1.conv2']
    assert list(found.runs) == [WHOLE_MODEL, *(f'without {n}' for n in names)]
    (gap,) = found.gaps.values()
    assert gap.endswith(f'; state {BLOCK}=zero') and 'its first input' in gap
    base_run = found.runs[WHOLE_MODEL]
    base = base_run.results['backbone[3]']
    record = json.loads((tmp_path / 'o' / 'without.json').read_text())[
        'variants'
    ]
    rows = changes_of(found)
    for row, entry in zip(rows[:2], record, strict=False):
        without = entry['options'].get('without')
        run = run_erf(cfg, without=without, **SMALL) if without else base_run
        alone = run.results['backbone[3]']
        kept = read_run(tmp_path / 'o' / entry['folder'])['backbone[3]']
        np.testing.assert_allclose(kept.map, alone.map, rtol=1e-6)
        assert kept.provenance.get('without') == alone.provenance.get(
            'without'
        )
        square = alone.statistics()['centred_square']['0.5']['side']
        before = base.statistics()['centred_square']['0.5']['side']
        assert row['side_0.5'] == square
        assert row['side_0.5_change'] == square - before
        assert row['total_change'] == pytest.approx(
            alone.map.sum() / base.map.sum() - 1
        )
        apart = alone.map / alone.map.sum() - base.map / base.map.sum()
        assert row['elsewhere'] == pytest.approx(np.abs(apart).sum() / 2)
    assert [row['way'] for row in rows] == ['', 'identity', '']
    assert 0 < rows[1]['elsewhere'] < 1 and rows[0]['elsewhere'] == 0
    assert [path.name for path in found.files] == [
        'without.png', 'without.md', 'without.csv', 'without.tex',
        'without.areas.tex', 'without.json', 'without_changes.csv',
    ]  # fmt: skip
    with found.files[-1].open() as file:
        written = list(csv.DictReader(file))
    assert [row['without'] for row in written] == ['', *names, BLOCK]
    assert float(written[1]['total_change']) == rows[1]['total_change']
    assert written[-1]['note'] == gap
    console = Console(width=160, record=True)
    for table in changes_tables(found):
        console.print(table)
    text = console.export_text()
    assert f'({rows[1]["total_change"] * 100:+.1f}' not in text
    assert f'{rows[1]["total_change"] * 100:+.1f} %' in text
    assert BLOCK not in text and names[0] in text


def test_what_cannot_be_done_is_refused_before_anything_is_measured(
    cfg, tmp_path
):
    (tmp_path / 'without_changes.csv').write_text('mine\n')
    with pytest.raises(ConfigError, match='is no table of this command'):
        erf_each_without(cfg, each=BLOCK, out_dir=tmp_path)
    with pytest.raises(ConfigError, match='num_images'):
        erf_each_without(
            cfg, each=BLOCK, out_dir=tmp_path / 'o', num_images='auto'
        )
    assert not (tmp_path / 'o').exists()


def test_the_whole_model_has_to_be_measured(cfg, tmp_path):
    with pytest.raises(LayerError, match='no layer matches'):
        erf_each_without(
            cfg, each=BLOCK, out_dir=tmp_path / 'o', layers=['backbon']
        )
