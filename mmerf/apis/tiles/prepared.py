"""Images of a source, prepared one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor
from torch.nn import functional

from ...core.batch import Batch
from ...core.errors import BatchError, ImageError, one_line
from ...core.layers.clips import resize_images
from ...engine.batches.prepare_batch import prepare
from ..images.source import ImageSource
from ..run_notes import skipped_reasons


def each_prepared(
    model: Any,
    source: ImageSource,
    indices: Sequence[int],
    size: tuple[int, int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Batch]:
    """Batches of one image, as a model takes them.

    Args:
        model (nn.Module): In its whole test mode.
        source (ImageSource): ``skipped`` gets what cannot be prepared.
        indices (sequence of int): Which images.
        size (tuple[int, int], optional): Resize them to this (H, W).
        progress (callable, optional): Called with (images done, images in
            all).

    Raises:
        ImageError: If no image could be prepared.
    """
    done = 0
    for loaded in source.batches(indices, 1):
        try:
            batch = prepare(model, loaded, preprocessor=source.preprocessor)
        except BatchError as error:
            path = loaded['data_samples'][0].metainfo.get('img_path')
            source.skipped[str(path or 'an image')] = one_line(error)
            continue
        yield _at_size(batch, size)
        done += 1
        if progress is not None:
            seen = min(done + len(source.skipped), len(indices))
            progress(seen, len(indices))
    if not done:
        raise ImageError(
            f'none of the {len(indices)} image(s) of {source.where} could be '
            f'used: {skipped_reasons(source.skipped)}'
        )


def _at_size(batch: Batch, size: tuple[int, int] | None) -> Batch:
    """A batch at another size, its labels and padding with it."""
    before = tuple(batch.inputs.shape[-2:])
    if size is None or size == before or batch.inputs.dim() != 4:
        return batch

    def labels() -> Tensor | None:
        found = batch.labels()
        if found is None:
            return None
        own = found[:, None].double()
        made = functional.interpolate(own, size, mode='nearest-exact')
        return made[:, 0].long()

    x, y = size[1] / before[1], size[0] / before[0]
    metas = [dict(meta) for meta in batch.metas or ()]
    for meta in metas:
        padding = meta.get('padding_size') or (0, 0, 0, 0)
        meta['padding_size'] = [
            -int(-pixels * scale // 1)  # whole pixels that hold any of it
            for pixels, scale in zip(padding, (x, x, y, y), strict=True)
        ]
    return replace(
        batch,
        inputs=resize_images(batch.inputs, size),
        metas=metas or None,
        labels=labels,
    )
