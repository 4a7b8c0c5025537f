"""A statistic of the table is seen in every place, and by nothing else."""

import csv
import io
import json

import pytest
from rich.console import Console

import mmerf
from mmerf.apis.compare.comparison import comparison_of
from mmerf.apis.compare.table_files import as_csv, as_latex, as_markdown
from mmerf.apis.terminal.terminal_tables import comparison_tables, more_tables
from mmerf.core.errors import ConfigError
from mmerf.core.statistics import STATISTICS, Number, add_statistics
from mmerf.engine.publish import scalars_of
from mmerf.plots import plot_growth


class Corner(mmerf.Statistic):
    """Share of the map in its first pixel."""

    name = 'corner'

    def compute(self, map_hw, center_yx, context):
        return {'share': float(map_hw[0, 0] / map_hw.sum())}

    def numbers(self, shares):
        return [Number('corner', ('share',), 'corner', '.2f', percent=True)]


@pytest.fixture
def added(monkeypatch):
    monkeypatch.setitem(STATISTICS, 'corner', Corner())


def printed(*tables):
    out = io.StringIO()
    for table in tables:
        Console(file=out, width=300).print(table)
    return out.getvalue()


def test_it_shows_everywhere(added, make_result):
    result = make_result()
    share = float(result.map[0, 0] / result.map.sum())
    percent = f'{100 * share:.2f} %'
    assert result.statistics()['corner'] == {'share': share}
    assert result.record()['statistics']['corner'] == {'share': share}
    assert percent in printed(*more_tables({'a': result}))
    comparison = comparison_of({'one': {'a': result}, 'two': {'a': result}})
    assert percent in printed(*comparison_tables(comparison))
    rows = comparison.rows()
    assert percent in as_markdown(rows)
    assert percent.replace('%', r'\%') in as_latex(rows)
    (first, _) = csv.DictReader(io.StringIO(as_csv(rows)))
    assert float(first['corner']) == share
    record = {
        'step': 0,
        'layer': 'a',
        **json.loads(json.dumps(result.record())),
    }
    _, axes = plot_growth({'run': [record]})
    assert 'corner (%)' in [ax.get_ylabel() for ax in axes[:, 0]]
    assert scalars_of({'a': result})['erf_corner/a'] == share


def test_without_it_nothing_shows(make_result):
    result = make_result()
    assert 'corner' not in result.statistics()
    assert 'erf_corner/a' not in scalars_of({'a': result})


@pytest.mark.parametrize(
    ('spec', 'message'),
    [
        (5, 'is no statistic'),
        ('collections.OrderedDict', 'is no statistic'),
        ('no_such_package.X', 'there is no package'),
        (type('Gaussian', (Corner,), {'name': 'gaussian'}), 'already'),
    ],
)
def test_what_is_no_statistic_is_refused_in_one_line(spec, message):
    before = dict(STATISTICS)
    with pytest.raises(ConfigError, match=message) as caught:
        add_statistics([spec])
    assert '\n' not in str(caught.value) and before == STATISTICS


def test_adding_one_again_changes_nothing(added):
    add_statistics([Corner, Corner()])
    assert list(STATISTICS)[-1] == 'corner'
