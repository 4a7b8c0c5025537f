"""What a result was made with, and whether definitions agree."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...version import __version__
from ..errors import ConfigError


def versions() -> dict[str, str]:
    """Versions of mmerf, torch, NumPy and Python."""
    import torch  # late: results are read and compared without

    return {
        'mmerf': __version__,
        'torch': torch.__version__,
        'numpy': np.__version__,
        'python': platform.python_version(),
    }


def check_same_definition(
    results: Mapping[str, Any], force: bool = False
) -> None:
    """Refuse to compare results of different definitions.

    Args:
        results (mapping of str to ERFResult): By name.
        force (bool): Allow it nevertheless.

    Raises:
        ConfigError: If two definitions differ; quotes the difference.
    """
    differences = definition_differences(results)
    if differences and not force:
        raise ConfigError(
            f'{differences[0]}; if you mean to compare them, give --force (in '
            'Python, force=True)'
        )


def definition_differences(results: Mapping[str, Any]) -> list[str]:
    """Where definitions of results differ from that of the first one.

    Args:
        results (mapping of str to ERFResult): By name.

    Returns:
        list[str]: One sentence per difference, naming the first result that
        has it.
    """
    sentences: dict[tuple[str, str], str] = {}
    if not results:
        return []
    (first, one), *others = results.items()
    for name, other in others:
        for part in {**one.definition, **other.definition}:
            ours, theirs = one.definition.get(part), other.definition.get(part)
            if ours != theirs:
                sentences.setdefault(
                    (part, repr(theirs)),
                    f'{first} and {name} are not comparable: {part} is '
                    f'{ours!r} and {theirs!r}',
                )
    return list(sentences.values())
