import pytest
from helpers.branched import branched

from mmerf.core.errors import ConfigError, LayerError
from mmerf.core.switching.requests import find_switches


def found(*texts):
    return [
        (switch.name, switch.stated, switch.optional)
        for switch in find_switches(branched(), texts)
    ]


def test_names_globs_lists_and_stated_ways():
    assert found('blocks.0', 'arms.1=zero') == [
        ('blocks.0', None, False),
        ('arms.1', 'zero', False),
    ]
    arms = [f'arms.{i}' for i in range(3)]
    assert found('arms.*=identity') == [(a, 'identity', True) for a in arms]
    assert found('arms') == [(a, None, True) for a in arms]
    assert find_switches(branched(), None) == []


def test_a_stated_way_and_a_plain_name_go_before_a_glob():
    assert found('arms.*', 'arms.1=identity')[1] == ('arms.1', 'identity', 0)
    assert found('arms.1=zero', 'arms.*')[0] == ('arms.1', 'zero', False)


@pytest.mark.parametrize(
    ('texts', 'error', 'words'),
    [
        (['arm.1'], LayerError, "no layer matches 'arm.1'; nearest: arms.1"),
        (['arms.1=off'], ConfigError, 'NAME, NAME=zero or NAME=identity'),
        (['.'], ConfigError, 'the whole model'),
        (['arms.1[0]'], ConfigError, 'switched off as a whole: arms.1'),
        (['arms.1@0'], ConfigError, 'switched off as a whole: arms.1'),
        ([3], ConfigError, 'is a name, not 3'),
        (['arms.1=zero', 'arms.*=identity'], ConfigError, 'as zero and as'),
    ],
)
def test_wrong_requests_in_one_line(texts, error, words):
    with pytest.raises(error) as caught:
        find_switches(branched(), texts)
    assert words in str(caught.value) and '\n' not in str(caught.value)
