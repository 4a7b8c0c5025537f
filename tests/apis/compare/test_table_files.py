import csv
from dataclasses import replace

import numpy as np

from mmerf import ERFResult
from mmerf.apis.compare.table_files import (
    as_csv,
    as_latex,
    as_markdown,
    as_text,
    table_rows,
)


def test_long_reasons_are_whole_in_csv_alone():
    runs = {'one': {'a': ERFResult.from_map([[1.0]])}, 'two': {}}
    why = 'backbone.depth=77 does not fit; ' + 'choose another depth ' * 14
    rows = table_rows(runs, ['a'], {'two': why})
    assert list(csv.DictReader(as_csv(rows).splitlines()))[1]['note'] == why
    told = as_text(rows)[2][1]
    assert len(told) <= 80 and told.endswith('...')
    assert why.startswith(told[:-3])
    assert told in as_markdown(rows)
    assert told in as_latex(rows)
    assert as_text(table_rows(runs, ['a'], {'two': 'short'}))[2][1] == 'short'


def flat(**changes):
    return replace(ERFResult.from_map(np.ones((12, 12))), **changes)


def test_a_side_that_an_image_limits_is_marked_in_every_table():
    error = {'side': {'0.99': {'stderr': 0.02}}}
    rows = table_rows({'a': {'l': flat(uncertainty=error)}}, ['l'])
    (row,) = csv.DictReader(as_csv(rows).splitlines())
    assert (row['side_0.5'], row['side_0.5_is_bound']) == ('9', 'False')
    assert (row['side_0.99'], row['side_0.99_is_bound']) == ('13', 'True')
    assert '| 9 | ≥ 13 ± 0.02 |' in as_markdown(rows)
    assert r'& 9 & $\geq$ 13 $\pm$ 0.02 &' in as_latex(rows)


def test_columns_that_hold_nothing_are_left_out_but_in_csv():
    rows = table_rows({'a': {'l': flat()}}, ['l'])
    assert 'theoretical field (px)' not in as_text(rows)[0]
    assert rows[0]['theory'] is None and ',theory,' in as_csv(rows)
    attention = table_rows({'a': {'l': flat(kind='attention')}}, ['l'])
    assert as_text(attention)[0] == ['run', 'layer', 'ERF size (px)', 'images']
