"""Models with state of several kinds at once, drawn by a generator."""

import pytest
import torch
from helpers.model_state import differing, of_process
from helpers.slow_reference import images_like
from helpers.stateful import KINDS, Stateful, described
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mmerf import measure_erf

ENDS = {
    'well': None,
    'error': RuntimeError('its own'),
    'interruption': KeyboardInterrupt('its own'),
}


class Ending(nn.Module):
    """Ends a forward with an exception, if there is one."""

    error = None

    def forward(self, x):
        if self.error is not None:
            raise self.error
        return x


models = st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(models, st.sampled_from(sorted(ENDS)), st.booleans(), st.booleans())
def test_state_of_several_kinds_is_given_back(kinds, ends, nest, training):
    torch.manual_seed(0)
    parts = [Stateful(*KINDS[kind]) for kind in kinds]
    if nest:  # one inside the other's attributes
        parts[0].held_by = [parts[-1]]
    net = nn.Sequential(*parts, Ending()).train(training)
    net[-1].error = ENDS[ends]
    before, process = described(net), of_process()
    hooks = [len(m._forward_hooks) for m in net.modules()]
    images = images_like(1, 16, 18)
    for _ in range(2):
        if ends == 'well':
            measure_erf(net, images, ['0.conv', str(len(kinds) - 1)])
        else:
            with pytest.raises((RuntimeError, KeyboardInterrupt)):
                measure_erf(net, images, [str(len(kinds))])
    assert described(net) == before
    assert differing(process, of_process()) == []
    assert hooks == [len(m._forward_hooks) for m in net.modules()]
