"""What a notebook or a prompt shows of a result."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from mmerf import ERFResult, measure_erf
from mmerf.core.results.summary import why_zero


def bell(**changes):
    y, x = np.mgrid[:31, :41]
    map_hw = np.exp(-((y - 15) ** 2 + (x - 20) ** 2) / 30)
    return replace(ERFResult.from_map(map_hw, layer='backbone[3]'), **changes)


def test_one_line_with_layer_sides_and_images():
    result = bell(num_images=20)
    sides = result.statistics()['centred_square']
    assert repr(result) == (
        f"ERFResult('backbone[3]', 50 % side (px) {sides['0.5']['side']}, "
        f'99 % side (px) {sides["0.99"]["side"]}, 20 image(s))'
    )
    error = {'side': {'0.5': {'stderr': 0.33}}}
    assert '± 0.3, 99' in repr(bell(uncertainty=error))


def test_every_result_has_a_line_and_a_table():
    strange = bell(layer='<b>a\nb\x1b[0m', shares=(0.8,))
    zero = bell(map=np.zeros((3, 3)), zero_score_images=1)
    attention = bell(kind='attention')
    for result, text in (
        (strange, '80 % side (px)'),
        (zero, 'zero everywhere'),
        (attention, 'picture of attention'),
    ):
        assert text in repr(result) and text in result._repr_html_()
        for shown in (repr(result), result._repr_html_()):
            assert '\n' not in shown and '\x1b' not in shown
    assert '<b>' not in strange._repr_html_()
    assert '1 with a zero score' in repr(zero)
    assert '(15.0, 20.0) px' in bell()._repr_html_()
    assert '(assumed)' in bell(pixel_known=False)._repr_html_()


NEGATIVE = 'no channel of the unit is positive'


@pytest.mark.parametrize(
    ('target', 'bias', 'why'),
    [
        (None, -1.0, NEGATIVE),
        (dict(type='CentreUnit', channels=[1]), -1.0,
         'no scored channel of the unit is positive'),
        (dict(type='UnitGrid', rows=2, columns=2), -1.0,
         'no channel is positive at any scored unit'),
        (dict(type='CentreUnit', relu=False), -1.0,
         'no pixel moves the score upwards'),
        (None, 1.0, 'no pixel moves the score upwards'),
        (dict(type='ClassUnit', classes=0, relu=True), -1.0,
         "the class's logit is not positive"),
        (dict(type='ClassUnit', classes=0), -1.0,
         'no pixel moves the score upwards'),
    ],
)  # fmt: skip
def test_the_reason_for_a_zero_map_is_the_target_s(target, bias, why):
    """All weights are zero: the output is its bias, whatever the image."""
    net = nn.Conv2d(3, 2, 3, padding=1)
    nn.init.zeros_(net.weight)
    nn.init.constant_(net.bias, bias)
    (result,) = measure_erf(
        net, torch.rand(1, 3, 8, 8), ['.'], target=target
    ).values()
    assert not result.map.any() and why_zero(result) == why


def test_a_map_of_anybody_s_gives_no_reason():
    assert why_zero(bell(map=np.zeros((3, 3)))) == ''
    attention = bell(map=np.zeros((3, 3)), kind='attention')
    assert why_zero(attention) == 'nothing attends to the target'
