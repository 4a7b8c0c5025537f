"""Maps by plain autograd: one forward, one backward pass per layer.

No code of mmerf's is used here. A reader says where a layer's (1, C, h, w) is
in what its module returns; it is written by hand, or follows from mmseg's own
rule that every feature map is (N, C, h, w).
"""

import contextlib
import copy
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional


@dataclass
class PlainMap:
    """One layer's map, and the map without the ReLU on its output."""

    shape: tuple
    map: np.ndarray
    signed: np.ndarray | None = None  # where the score is zero


@dataclass
class Reader:
    """Where a layer's output is: its module, and the way to (1, C, h, w)."""

    module: str
    to_nchw: object = field(repr=False)


def shake(model, seed=0):
    """Random values where initial ones would hide a part of the model.

    Fresh models have batch norms that do nothing, residual branches that are
    scaled by zero or 1e-6, and position embeddings of zeros.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(tensor, low, high):
        random = torch.rand(tensor.shape, generator=generator)
        tensor.copy_(low + (high - low) * random)

    def normal(tensor, std):
        tensor.copy_(std * torch.randn(tensor.shape, generator=generator))

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                if (parameter == parameter.flatten()[0]).all():
                    normal(parameter, 0.02)
            elif name.endswith('bias'):
                normal(parameter, 0.1)
            elif parameter.abs().max() < 1e-3:
                uniform(parameter, 0.1, 0.3)
            else:
                before = parameter.clone()
                uniform(parameter, 0.5, 1.5)
                parameter.mul_(before)
        for name, buffer in model.named_buffers():
            if name.endswith('running_mean'):
                normal(buffer, 0.1)
            elif name.endswith('running_var'):
                uniform(buffer, 0.5, 1.5)


def plain_maps(model, readers, run, image, dtype, hooks=False):
    """The definition's maps of one image, by autograd alone.

    Args:
        model (nn.Module): In eval mode; it stays as it is, a copy is run.
        readers (dict or callable): Reader by layer key; or a function from
            ``(module name, output)`` to a dict of (1, C, h, w) by key, with
            the modules' names in its attribute ``modules``.
        run (callable): ``run(model, image)``.
        image (Tensor): (1, C, H, W).
        dtype (torch.dtype): In which everything is computed.
        hooks (bool): Use forward hooks. Otherwise the instances' ``forward``
            is replaced: segmentors call that of their head directly.

    Returns:
        dict[str, PlainMap]: By layer key.
    """
    model = copy.deepcopy(model).to(dtype).requires_grad_(False).eval()
    leaf = image.to(dtype).requires_grad_()
    scores, shapes = {}, {}

    def keep(name, output):
        for key, nchw in found_in(readers, name, output).items():
            unit = nchw.shape[2] // 2, nchw.shape[3] // 2
            # A clone: what follows may change the output in place.
            channels = nchw[0, :, unit[0], unit[1]].clone()
            scores[key] = channels.relu().sum(), channels.sum()
            shapes[key] = tuple(nchw.shape)

    with default_dtype(dtype), written_out_batch_norm():
        for name in module_names(readers):
            watch(model.get_submodule(name), name, keep, hooks)
        run(model, leaf)
        found = {}
        for key, (score, signed) in scores.items():
            plain = PlainMap(shapes[key], gradient_map(score, leaf))
            if not score.item() > 0:
                plain.signed = gradient_map(signed, leaf)
            found[key] = plain
    return found


def found_in(readers, name, output):
    """(1, C, h, w) by layer key, of those layers that the module gives."""
    if callable(readers):
        return readers(name, output)
    return {
        key: reader.to_nchw(output)
        for key, reader in readers.items()
        if reader.module == name
    }


def module_names(readers):
    if callable(readers):
        return readers.modules
    return list(dict.fromkeys(r.module for r in readers.values()))


def watch(module, name, keep, hooks):
    """Call ``keep(name, output)`` whenever the module returns."""
    if hooks:
        module.register_forward_hook(lambda m, i, output: keep(name, output))
        return
    own = module.forward

    def forward(*args, **kwargs):
        output = own(*args, **kwargs)
        keep(name, output)
        return output

    module.forward = forward


def gradient_map(score, leaf):
    """Positive input gradient, summed over the input's channels: (H, W)."""
    if not score.requires_grad:
        return np.zeros(leaf.shape[2:])
    (gradient,) = torch.autograd.grad(
        score, leaf, retain_graph=True, allow_unused=True
    )
    if gradient is None:
        return np.zeros(leaf.shape[2:])
    return gradient[0].double().relu().sum(0).numpy()


@contextlib.contextmanager
def default_dtype(dtype):
    """What models make in their forward (bases, encodings) is of a dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def written_out_batch_norm():
    """Eval-mode batch norm as plain arithmetic.

    torch's own kernel gives wrong gradients where they come back from tokens
    (docs/facts.md); written out, there is nothing to go wrong.
    """
    own = functional.batch_norm

    def batch_norm(
        x,
        mean,
        variance,
        weight=None,
        bias=None,
        training=False,
        momentum=0.1,
        eps=1e-5,
    ):
        if training:
            return own(
                x, mean, variance, weight, bias, training, momentum, eps
            )
        scale = (variance + eps).rsqrt()
        if weight is not None:
            scale = scale * weight
        shift = -mean * scale
        if bias is not None:
            shift = shift + bias
        shape = (1, -1) + (1,) * (x.dim() - 2)
        return x * scale.view(shape) + shift.view(shape)

    functional.batch_norm = batch_norm
    try:
        yield
    finally:
        functional.batch_norm = own


def difference(found, expected):
    """Largest difference of two maps, in parts of the second's peak."""
    if found.shape != expected.shape:
        return float('inf')
    peak = expected.max()
    error = np.abs(found - expected).max()
    return float(error / peak) if peak > 0 else float(error)
