"""Options that all measuring tools have."""

import pytest

from mmerf.apis.terminal.cli_options import add_measurement_options
from mmerf.apis.terminal.tool_parser import ToolParser


@pytest.fixture
def parser():
    parser = ToolParser('', '', [])
    add_measurement_options(parser)
    return parser


@pytest.mark.parametrize('text', ['a=dict(type=BN,b=1)', 'a', 'a=[1,(2]'])
def test_pairs_that_cannot_be_read_are_a_usage_error(text, parser, capsys):
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(['config.py', '--cfg-options', text])
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert '--cfg-options: not KEY=VALUE' in message
    assert 'Traceback' not in message


def test_pairs_are_mmengines(parser):
    args = parser.parse_args(
        ['config.py', '--cfg-options', 'a.b=[1,(2,x)]', 'c=true', 'd=1e-3']
    )
    assert args.cfg_options == {'a.b': [1, (2, 'x')], 'c': True, 'd': 1e-3}
