"""Which input pixels each element of a tensor may depend on.

The spans of a tensor are tensors of its shape, with a number per element, in
pixels along one axis of the input:

0. minus the first pixel on which the element may depend,
1. the last such pixel,
2. and 3. the same for its *site*, which is one place: a sliding window counts
   with its middle tap alone, and what joins more, such as an attention
   window, sits in their middle. It is ``WHOLE`` where one operation has
   joined the whole axis, and ``UNKNOWN`` where it was not followed. A chain
   of windows that fills a strip ends somewhere on a longer one.
4. and 5. the same for pixels that do move the element in the image that is
   run (``moving``).

The latter four only where they are asked for.

Negated firsts let the largest number win in all of them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from ..aten import storage_of

Spans = list[Tensor]
NOTHING = -float('inf')  # depends on no pixel
BEYOND = 2.0**40  # may depend on the strip's end, or on what follows it
WHOLE = 2.0**40  # of a site: joins the whole axis in one operation
UNKNOWN = 2.0**39  # of a site: may join anything, without a rule
SPREAD = 1 / 4  # of a strip: places that are nearer are no whole axis


class SpanMemory:
    """Spans of every element of the storages that depend on the input.

    They are kept by storage and not by tensor, so that views and writing in
    place need no rules: a view reads and writes its base's spans.

    Args:
        count (int): Numbers of a span: 2, or 6 with sites and with pixels
            that do move an element.

    Attributes:
        beside (int): How many times as wide a strip had to be, so that every
            window in its middle has a tap on it; 0 if it is wide enough.
    """

    def __init__(self, count: int) -> None:
        self.beside, self.count = 0, count
        # The weak reference keeps the address from being used again.
        self._known: dict[int, tuple[StorageWeakRef, int, Spans]] = {}
        self._kept, self._added = 0, 0  # elements, at and since a sweep

    def tracks(self, tensor: Tensor) -> bool:
        """Whether anything of a tensor's storage depends on the input."""
        return storage_of(tensor) in self._known

    def read(self, tensor: Tensor) -> Spans:
        """A tensor's spans, each of its shape; ``NOTHING`` for constants.

        Nothing moves a tensor that is not part of autograd's graph, such as
        ``x.detach()`` or ``x.data``. The spans of a storage are shared: do
        not write to them.
        """
        spans = self._stored(tensor)
        if self.count < 6 or tensor.requires_grad:
            return spans
        return unmoved(spans)

    def _stored(self, tensor: Tensor) -> Spans:
        found = self._known.get(storage_of(tensor) or 0)
        shape = tuple(tensor.shape)
        if found is None:
            return constant(shape, self.count)
        _, width, flat = found
        if width != tensor.element_size():  # such as a complex number's parts
            return [f.max().expand(shape) for f in flat]
        place = (shape, tensor.stride(), tensor.storage_offset())
        return [f.as_strided(*place) for f in flat]

    def write(self, tensor: Tensor, spans: Spans) -> None:
        """Keep a tensor's spans.

        Raises:
            ValueError: If the tensor has no strides, such as a sparse one.
        """
        key = storage_of(tensor)
        if key is None:
            raise ValueError(f'a tensor of layout {tensor.layout}')
        width = tensor.element_size()
        if key not in self._known:
            storage = tensor.untyped_storage()
            size = storage.nbytes() // width
            whole = tensor.is_contiguous() and tensor.numel() == size
            if whole:
                flat = [_of_its_own(new, tensor.shape) for new in spans]
            else:
                flat = [filled((size,), NOTHING) for _ in range(self.count)]
            self._known[key] = (StorageWeakRef(storage), width, flat)
            self._added += size
            if whole:
                return
        _, known_width, flat = self._known[key]
        if width != known_width:
            for old, new in zip(flat, spans, strict=True):
                old.fill_(torch.maximum(old.max(), new.max()))
            return
        for old, new in zip(self._stored(tensor), spans, strict=True):
            old.copy_(new.expand(tensor.shape))

    def sweep(self) -> None:
        """Forget storages that are gone, once that may free a fifth.

        To look at each after every operation would take longer than to
        follow it.
        """
        if 4 * self._added < self._kept:
            return
        for key in [k for k, v in self._known.items() if v[0].expired()]:
            del self._known[key]
        every = self._known.values()
        self._kept, self._added = sum(s[0].numel() for *_, s in every), 0


def _of_its_own(numbers: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Numbers of a shape in memory of their own, one after the other."""
    copy = numbers.expand(shape).to(
        torch.float32, copy=True, memory_format=torch.contiguous_format
    )
    return copy.view(-1)


def constant(shape: tuple[int, ...], count: int) -> Spans:
    """Spans of what depends on no pixel."""
    return [filled((), NOTHING).expand(shape)] * count


def filled(shape: tuple[int, ...] | list[int], value: float) -> Tensor:
    """A tensor for numbers of spans, with one value everywhere."""
    return torch.full(tuple(shape), value, dtype=torch.float32, device='cpu')


def unmoved(spans: Spans) -> Spans:
    """Spans of which nothing is known to move an element."""
    nothing = filled((), NOTHING)
    return spans[:4] + [nothing.expand(n.shape) for n in spans[4:]]


def joined(parts: list[Spans], shape: tuple[int, ...]) -> Spans:
    """What depends on all of some spans, broadcast to a shape.

    Raises:
        ValueError: If there are no spans.
    """
    if not parts:
        raise ValueError('no spans to join')
    out = []
    for numbers in zip(*parts, strict=True):
        largest = numbers[0]
        for other in numbers[1:]:
            largest = torch.maximum(largest, other)
        out.append(largest.expand(shape))
    return out


def varies(spans: Spans, dim: int) -> bool:
    """Whether elements along a dimension depend on different pixels."""
    for numbers in spans[:2]:
        if not numbers.numel():
            continue
        ends = numbers.select(dim, 0), numbers.select(dim, -1)
        first, last = (
            torch.where(e == NOTHING, float('nan'), e) for e in ends
        )
        if bool(((first < last) | (first > last)).any()):
            return True  # most do that along the axis
        largest = numbers.amax(dim)
        if not bool((largest > numbers.amin(dim)).any()):
            continue
        known = numbers != NOTHING
        lowest = torch.where(known, numbers, float('inf')).amin(dim)
        if bool((largest > lowest).any()):
            return True
    return False


def is_place(last: Tensor) -> Tensor:
    """Where last numbers are those of places."""
    return (last > NOTHING) & (last < UNKNOWN / 2)


def is_whole(last: float) -> bool:
    """Whether a site's last number tells of a whole axis."""
    return last > (UNKNOWN + WHOLE) / 2


def is_unknown(last: float) -> bool:
    """Whether nothing is known of a site."""
    return UNKNOWN / 2 < last < (UNKNOWN + WHOLE) / 2


def with_sites(spans: Spans, sites: list[Tensor]) -> Spans:
    """Spans with other sites."""
    return [*spans[:2], *sites, *spans[4:]]


def marked(spans: Spans, mark: float) -> Spans:
    """Spans whose sites are all ``WHOLE`` or all ``UNKNOWN``, if any."""
    if len(spans) == 2:
        return spans
    sites = torch.full_like(spans[2], mark)
    return with_sites(spans, [sites, sites])
