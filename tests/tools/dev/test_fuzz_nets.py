"""What the tool counts, and when it fails."""

from collections import Counter

import fuzz_nets
import pytest
from helpers.random_nets.nets import Recipe
from helpers.random_nets.records import LayerRecord, NetRecord


def record_of(*layers):
    recipe = Recipe((40, 50), 1, (('conv', 1),), ((0, ''),))
    return NetRecord(3, recipe, list(layers), 0.1)


def test_counts_by_part_and_reason():
    counts = Counter()
    refused = LayerRecord('blocks.0', 'refused')
    refused.details.append('refused: blocks.0: no grid of 7 x 9')
    fuzz_nets.add_to(counts, record_of(LayerRecord('blocks.0'), refused))
    assert counts['nets'] == 1 and counts['layers'] == 2
    assert counts['map agrees'] == counts['map refused'] == 1
    assert counts['refused: LAYER no grid of N x N'] == 1


@pytest.mark.parametrize('map', ['wrong', 'crashed'])
def test_a_failing_net_prints_what_makes_it_again(map, capsys):
    record = record_of(LayerRecord('blocks.0', map, details=['off']))
    assert record.failed == [f'{map} map']
    fuzz_nets.show(record)
    printed = capsys.readouterr().out
    assert 'python -m helpers.random_nets 3\n' in printed
    assert 'blocks.0: conv (seed 1)' in printed and 'off' in printed


def test_what_is_refused_or_not_known_has_not_failed():
    layer = LayerRecord('blocks.0', 'refused', 'unknown', 'bound')
    assert not record_of(layer).failed
