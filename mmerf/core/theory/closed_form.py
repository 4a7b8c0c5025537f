"""The theoretical receptive field of plain chains, in closed form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import ConfigError


def theoretical_field(
    chain: Iterable[Sequence[int]],
) -> tuple[int, int, float]:
    """Closed form for a plain chain of convolutions and poolings.

    Args:
        chain (iterable): For each operation, in order,
            ``(kernel, stride, dilation, padding)``, in units of its own
            input; the last two may be left out (1 and 0).

    Returns:
        tuple[int, int, float]: The field's side (px), the stride (px) and
        the input pixel of unit 0.

    Raises:
        ConfigError: If an entry is not of that form.

    Source: r_l = r_{l-1} + (k_l - 1) d_l times the product of the earlier
    strides; Araujo, Norris, Sim 2019, Computing receptive fields of
    convolutional neural networks.

    Example:
        >>> theoretical_field([(7, 2, 1, 3), (3, 2, 1, 1)])
        (11, 4, 0.0)
    """
    side, jump, offset = 1, 1, 0.0
    for entry in chain:
        if not 2 <= len(entry) <= 4:
            raise ConfigError(
                f'{tuple(entry)!r} is not (kernel, stride, dilation, padding)'
            )
        kernel, stride, dilation, padding = (*entry, *(1, 0)[len(entry) - 2 :])
        if min(kernel, stride, dilation) < 1 or padding < 0:
            raise ConfigError(
                f'{tuple(entry)!r}: kernel, stride and dilation are >= 1, '
                'padding is >= 0'
            )
        side += (kernel - 1) * dilation * jump
        offset += ((kernel - 1) * dilation / 2 - padding) * jump
        jump *= stride
    return side, jump, offset
