"""Random chains and branches against autograd of all-positive weights."""

import torch
from helpers.theory_chains import CANVAS, Chain, fields_by_autograd, stride_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mmerf.core.layers.names import find_layers
from mmerf.core.theory.search import structural_support

LENGTH = 300  # px, of the measured image
odd = st.sampled_from([3, 5, 7])
dilation = st.integers(1, 8)
steps = st.one_of(
    st.tuples(st.just('conv'), st.integers(2, 7), st.integers(1, 4), dilation),
    st.tuples(
        st.sampled_from(['max', 'mean']), st.integers(2, 4), st.integers(1, 4)
    ),
    st.tuples(st.sampled_from(['nearest', 'bilinear']), st.integers(2, 3)),
    st.tuples(st.sampled_from(['sum', 'cat']), odd, dilation, odd, dilation),
)


@settings(max_examples=12, deadline=None)
@given(st.lists(steps, min_size=1, max_size=4), st.integers(0, 3))
def test_fields_are_those_of_positive_weights_or_bounds(chain, seed):
    """As many pixels for any unit; a bound is no larger; none is global."""
    assume(stride_of(chain) <= 24)
    torch.manual_seed(seed)
    net = Chain(chain, channels=8).eval()
    theory = structural_support(
        net,
        find_layers(net, ['steps']),
        lambda copy: lambda images, positions: copy(images),
        (LENGTH, 40),
    )
    if not theory.fields:
        assert theory.why('steps')
        return
    (found,) = theory.fields.values()
    assert found.y.kind != 'global'
    if found.phase == 'any unit':
        fields, gap = fields_by_autograd(chain, CANVAS), found.stride[0]
    else:
        fields, gap = fields_by_autograd(chain, LENGTH)[:1], 0
    for number, (first, last) in enumerate(fields):
        if found.y.kind == 'box':
            assert last - first + 1 == found.y.size
            assert first - fields[0][0] == number * gap
        else:
            assert found.y.size <= last - first + 1 and theory.reasons
