import csv

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
