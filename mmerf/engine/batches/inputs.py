"""Which inputs of a network with several are measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional

from ...core.batch import JoinedInputs
from ...core.errors import ConfigError
from ...core.inputs.joining import join_inputs

Rebuild = Callable[[Tensor, Sequence[int]], Any]


def measured_inputs(
    inputs: Any,
) -> tuple[Tensor, Rebuild, JoinedInputs | None]:
    """The tensor to measure, and how to make the network's input of it.

    Args:
        inputs: A Tensor (N, C, H, W), or a mapping or sequence of several
            inputs. All image-like ones are measured, each by itself; where
            they differ in size, the first of them.

    Returns:
        tuple: The Tensor; ``rebuild(images, positions)``, which gives the
        network's input for the images at these positions of the batch: the
        other inputs too, resized where the images were resized; and which
        channels belong to which input, if there are several inputs.

    Raises:
        ConfigError: If no input is image-like.
    """
    if isinstance(inputs, Tensor):
        return inputs, lambda images, positions: images, None
    is_mapping = isinstance(inputs, Mapping)
    items = dict(inputs) if is_mapping else _numbered(inputs)
    images_like = {k: v for k, v in items.items() if _is_image(v)}
    if not images_like:
        raise ConfigError(
            'the data preprocessor gives no input of shape (N, C, H, W), but '
            f'{type(inputs).__name__}; give the model a data_preprocessor '
            'that does, such as SegDataPreProcessor, or use measure_erf'
        )
    first = next(iter(images_like))
    whole = images_like[first].shape[2:]
    sizes = {(len(v), *v.shape[2:]) for v in images_like.values()}
    names = list(images_like) if len(sizes) == 1 else [first]
    measured, joined = join_inputs({k: images_like[k] for k in names})

    def rebuild(images: Tensor, positions: Sequence[int]) -> Any:
        made = joined.split(images)
        for key, value in items.items():
            if key in names:
                continue
            if not isinstance(value, Tensor):
                made[key] = value
                continue
            part = value[list(positions)]
            if _is_image(part) and part.shape[2:] == whole:
                part = _resized_like(part, images)
            made[key] = part
        made = {key: made[key] for key in items}
        return made if is_mapping else type(inputs)(made.values())

    return measured, rebuild, joined if len(items) > 1 else None


def _numbered(inputs: Sequence[Any]) -> dict[str, Any]:
    return {f'input{i}': value for i, value in enumerate(inputs)}


def _is_image(value: Any) -> bool:
    return (
        isinstance(value, Tensor)
        and value.dim() == 4
        and value.is_floating_point()
    )


def _resized_like(other: Tensor, images: Tensor) -> Tensor:
    if other.shape[2:] == images.shape[2:]:
        return other
    return functional.interpolate(other, images.shape[2:], mode='bilinear')
