"""Published definitions of effective receptive fields, by name.

Each is an ``InputGradient`` with its options set, including whether outputs
pass a ReLU before they are summed. Other choices of a publication (image size,
images, the picture's scale) are left to the user.
"""

from __future__ import annotations

from .input_gradient import InputGradient


class RepLKNet(InputGradient):
    """Positive gradient of the positive outputs of the middle unit.

    Source: Ding et al. 2022, arXiv:2203.06717, appendix B;
    ``erf/visualize_erf.py`` of DingXiaoH/RepLKNet-pytorch, whose images are
    1024 x 1024.

    Example:
        >>> RepLKNet().definition
        'sum over input channels of relu(d score / d input)'
    """

    def __init__(self) -> None:
        super().__init__('positive', 'sum', relu=True)


class VMamba(InputGradient):
    """The same definition as RepLKNet's.

    Source: Liu et al. 2024, arXiv:2401.10166; ``analyze/utils.py`` of
    MzeroMiko/VMamba, which draws images at random and shows (x / max)^0.2.
    """

    def __init__(self) -> None:
        super().__init__('positive', 'sum', relu=True)


class MambaIR(InputGradient):
    """Positive gradient of the middle unit's outputs, without ReLU.

    Source: Guo et al. 2024, arXiv:2402.15648; ``analysis/erf.py`` of
    csguoh/MambaIR, which sums outputs of either sign.
    """

    def __init__(self) -> None:
        super().__init__('positive', 'sum', relu=False)


class Luo(InputGradient):
    """Magnitude of the gradient for a signal of 1 at the middle unit.

    A signal of 1 in every channel of the unit and 0 elsewhere, propagated
    back, is the gradient of the outputs' plain sum. The paper looks at its
    expectation over inputs and random weights; here each image's gradient is
    replaced by its absolute value before the mean, so that the signs of
    different images do not cancel.

    Source: Luo et al. 2016, arXiv:1701.04128, sections 2 and 3.
    """

    def __init__(self) -> None:
        super().__init__('absolute', 'sum', relu=False)
