"""Every layer output of a model that can be measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..batch import Forward
from ..errors import LayerError
from ..following.tracer import GridTracer
from ..layers.defaults import OUTPUT, default_layers
from ..layers.names import glob_to_regex, output_key
from ..layers.output_forms import OutputContext, front_tokens, to_nchw
from ..layers.single_outputs import describe, is_empty, leaves, tensor_of
from ..state.isolation import preserved
from .intercept import intercepted


@dataclass(frozen=True)
class ListedLayer:
    """One output that can be measured.

    Attributes:
        key (str): What to write in ``layers``, such as ``'backbone[3]'``.
        kind (str): Class of the module.
        form (str): Description of the output as the module returns it.
        shape (tuple[int, int, int], optional): (C, h, w); None where the
            user has to state the grid.
        stride (tuple[float, float], optional): Input pixels from one unit to
            the next; None where its operations are not all followed.
        default (bool): Whether it is measured when no layer is named.
    """

    key: str
    kind: str
    form: str
    shape: tuple[int, int, int] | None
    stride: tuple[float, float] | None
    default: bool


def list_layers(
    model: nn.Module,
    inputs: Tensor,
    forward: Forward | None = None,
    pattern: str | None = None,
) -> list[ListedLayer]:
    """List every layer output of one forward, which runs without gradient.

    Args:
        model (nn.Module): Left as it was.
        inputs (Tensor): One input, shape (1, C, H, W).
        forward (callable, optional): ``forward(images, positions)`` runs the
            model; None calls it.
        pattern (str, optional): Glob over module names.

    Returns:
        list[ListedLayer]: The model's own output first, then in the order of
        ``model.named_modules()``; for a module that is called several times,
        the outputs of its last call.
    """
    names = {m: name or OUTPUT for name, m in model.named_modules()}
    tracer = GridTracer(inputs)
    found: dict[str, list[ListedLayer]] = {}
    front = front_tokens(model)
    try:
        default = set(default_layers(model).names)
    except LayerError:  # nothing is measured by default
        default = set()

    def on_return(module: nn.Module, output: Any) -> None:
        name = names[module]
        found[name] = [
            _listed(
                name, module, indices, leaf, tracer, front, name in default
            )
            for indices, leaf in leaves(output)
            if not is_empty(leaf)
        ]

    wanted = None if pattern is None else glob_to_regex(pattern)
    modules = [
        m for m, name in names.items() if not wanted or wanted.fullmatch(name)
    ]
    inner = [module for module in modules if module is not model]
    with preserved(model), torch.no_grad(), intercepted(inner, on_return):
        with tracer:
            run = forward or (lambda images, positions: model(images))
            output = run(inputs, [0])
            if model in modules:
                on_return(model, output)
    return [row for name in names.values() for row in found.get(name, [])]


def _listed(
    name: str,
    module: nn.Module,
    indices: tuple[int, ...],
    leaf: Any,
    tracer: GridTracer,
    front: int,
    default: bool,
) -> ListedLayer:
    tensor = tensor_of(leaf)
    found = None if tensor is None else tracer.read(tensor, 1)
    context = OutputContext(
        1, tracer.places.input_size, found[0] if found else None, front=front
    )
    try:
        nchw = to_nchw(leaf, context)
    except LayerError:
        nchw = None
    shape = stride = None
    if nchw is not None:
        shape = (int(nchw.shape[1]), int(nchw.shape[2]), int(nchw.shape[3]))
        stride = found[1].stride if found else None
    return ListedLayer(
        output_key(name, indices),
        type(module).__name__,
        describe(leaf),
        shape,
        stride,
        default and shape is not None,
    )
