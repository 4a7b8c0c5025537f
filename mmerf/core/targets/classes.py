"""Classes by name or index, and the channel that holds a class's logit."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from torch import Tensor

from ..errors import ConfigError, TargetError
from .base import TargetContext

ClassRequest = int | str


def as_class_requests(
    classes: ClassRequest | Sequence[ClassRequest] | None,
) -> list[ClassRequest] | None:
    """Names and indices as a list; None stays None and means every class.

    Raises:
        ConfigError: If an entry is neither, or the list is empty.
    """
    if classes is None:
        return None
    one = isinstance(classes, (str, int))
    requests = [classes] if one else list(classes)  # type: ignore[arg-type]
    for request in requests:
        if not isinstance(request, (str, int)) or isinstance(request, bool):
            raise ConfigError(f'classes are names or indices, not {request!r}')
    if not requests:
        raise ConfigError('give at least one class, or None for every class')
    return requests  # type: ignore[return-value]


def resolve_classes(
    requests: Sequence[ClassRequest] | None,
    names: Sequence[str] | None,
    count: int | None = None,
) -> list[tuple[str, int]]:
    """Label and index of every requested class.

    Args:
        requests (sequence, optional): Names and indices; None for all.
        names (sequence of str, optional): The dataset's, if known.
        count (int, optional): Number of classes, used without names.

    Returns:
        list[tuple[str, int]]: Name (without names, the index as text) and
        index; no class twice.

    Raises:
        ConfigError: If there is no such class, with the nearest names.

    Example:
        >>> resolve_classes(['sky', 0], ['road', 'sky'])
        [('sky', 1), ('road', 0)]
    """
    count = len(names) if names is not None else count
    if requests is None:
        if count is None:
            raise ConfigError(
                'the number of classes is not known here; list them as '
                'classes=[0, 1, ...]'
            )
        requests = range(count)
    found = {}
    for request in requests:
        index = _class_index(request, names, count)
        label = str(index) if names is None else str(names[index]).strip()
        found[label] = index
    return list(found.items())


def _class_index(
    request: ClassRequest, names: Sequence[str] | None, count: int | None
) -> int:
    if isinstance(request, int):
        if request < 0 or (count is not None and request >= count):
            last = '' if count is None else f' to {count - 1}'
            raise ConfigError(
                f'there is no class {request}; give an index from 0{last}'
            )
        return request
    if names is None:
        raise ConfigError(
            f'the class {request!r} cannot be found: the names of the classes '
            'are not known here; give its index'
        )
    plain = [str(name).strip() for name in names]
    if request.strip() in plain:
        return plain.index(request.strip())
    near = difflib.get_close_matches(request, plain, 3, 0.4) or plain[:8]
    more = ', ...' if len(near) == 8 < len(plain) else ''
    raise ConfigError(
        f'there is no class {request!r}; nearest: {", ".join(near)}{more}'
    )


def class_logit(
    output: Tensor, index: int, context: TargetContext
) -> Tensor | None:
    """The channel of a class on a layer with one channel per class.

    The one channel of a binary head is class 1; class 0 is its negative.

    Returns:
        Tensor, optional: Shape (N, h, w); None if the layer has no logits.
    """
    if index < output.shape[1] == context.num_classes:
        return output[:, index]
    if output.shape[1] == 1 and context.num_classes == 2:
        return output[:, 0] if index == 1 else -output[:, 0]
    return None


def no_logits_error(output: Tensor, context: TargetContext) -> TargetError:
    """The error for a layer that has not one channel per class."""
    return TargetError(
        f'{context.layer} has {output.shape[1]} channels, not one for each of '
        f'the {context.num_classes} classes; choose the layer that makes the '
        'logits, such as decode_head'
    )
