"""How layers were run, and which shortcuts were given up, in words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

TIES = 'ties in a flat part of the image'
HOOKS = 'the model registers hooks on tensors'
AS_PLAIN = 'chosen as in a plain forward'
TOO_FEW = 'too few images to gain by one'


def described_modes(
    keys: Iterable[str],
    mode: str,
    given_up: Mapping[str, str | None],
    fallbacks: Mapping[str, str],
) -> dict[str, str]:
    """A run mode with its notes, by layer key.

    Args:
        keys (iterable of str): Layers that were run in this mode.
        mode (str): Such as ``'window 48 x 48'``.
        given_up (mapping): Shortcuts, with why they were given up.
        fallbacks (mapping): By score's key, why ordinary autograd ran.
    """
    by_layer = {re.split('[:#]', k)[0]: why for k, why in fallbacks.items()}
    found = {}
    for key in keys:
        reasons = {**given_up, 'ordinary autograd': by_layer.get(key)}
        notes = [f'{name}: {why}' for name, why in reasons.items() if why]
        found[key] = mode + (f' ({"; ".join(notes)})' if notes else '')
    return found


def modes_on_one_line(run_mode: Mapping[str, str]) -> str:
    """Run modes, each with its layers, on one line."""
    layers: dict[str, list[str]] = {}
    for key, mode in run_mode.items():
        layers.setdefault(mode, []).append(key)
    return '; '.join(
        f'{", ".join(keys) if len(keys) < 6 else f"{len(keys)} layers"}: '
        f'{mode}'
        for mode, keys in layers.items()
    )
