"""The reference: plain autograd in one forward, no code of mmerf's."""

import re
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn


@dataclass
class Plain:
    """One layer, measured plainly.

    Attributes:
        map (np.ndarray): (H, W), the mean over images.
        output (Tensor): (N, C, h, w).
    """

    map: object
    output: torch.Tensor


def target_unit(net, layer):
    """The unit that the target names on a layer's true grid."""
    place = net.places[layer[0]]
    h, w = place.grid
    kind, *where = net.target
    if kind == 'CentreUnit':
        return h // 2, w // 2
    if kind == 'Unit':
        y, x = where
        return (y + h if y < 0 else y, x + w if x < 0 else x)
    if place.coords is None:
        guess = [
            int((v + 0.5) * part / full)
            for v, part, full in zip(where, (h, w), net.size, strict=True)
        ]
        return min(guess[0], h - 1), min(guess[1], w - 1)
    nearest = int(distances(place.coords, where).argmin())
    return divmod(nearest, w)


def distances(coords, pixel):
    """How far each unit is from a pixel, along the worse axis, (h, w)."""
    goal = torch.tensor(pixel, dtype=torch.float64).view(2, 1, 1)
    return (coords - goal).abs().amax(0)


def plain_maps(net, units, dtype=torch.float64, nudge=None):
    """Maps of some units, each read as its layer returns.

    Args:
        net (RandomNet): Made anew for this.
        units (dict): Unit (y, x) by layer.
        dtype (torch.dtype): Of the whole run.
        nudge (int, optional): Seed of a change of the input by one rounding
            of float32.

    Returns:
        dict: Plain, by layer.
    """
    model = net.net().to(dtype)
    model.requires_grad_(False)
    for module in model.modules():
        if isinstance(module, nn.InstanceNorm2d):
            module.forward = partial(instance_norm, module)
        elif isinstance(module, nn.BatchNorm2d):
            module.forward = partial(batch_norm, module)
    images = net.images()
    if nudge is not None:
        generator = torch.Generator().manual_seed(nudge)
        noise = torch.randn(images.shape, generator=generator)
        images = images * (1 + noise.double() * 2**-24)
    leaf = images.to(dtype).requires_grad_()
    scores, outputs, handles, calls = {}, {}, [], []

    def reader(layer):
        place = net.places[layer[0]]
        layout = place.reads[layer[1]]

        def read(module, inputs, output):
            calls.append(layer)
            if '@' in layer[1] and calls.count(layer) != 1 + _call(layer[1]):
                return
            output = layout.read(_picked(output, layer[1]), place.grid)
            outputs[layer] = output.detach().clone()
            y, x = units[layer]
            scores[layer] = output[:, :, y, x].clone().relu().sum()

        return read

    for layer in units:
        name = re.split(r'[\[@]', net.key(layer))[0]
        module = model.get_submodule(name)
        handles.append(module.register_forward_hook(reader(layer)))
    model(leaf)
    for handle in handles:
        handle.remove()
    found = {}
    for layer, score in scores.items():
        leaf.grad = None  # backward, as reentrant checkpoints know no grad()
        score.backward(retain_graph=True)
        summed = leaf.grad.double().relu().sum(1).mean(0)
        found[layer] = Plain(summed.numpy(), outputs[layer])
    return found


def instance_norm(module, x):
    """An instance norm, written out.

    With torch 2.13, the gradient of its kernel, which is a batch norm's, is at
    the wrong places where the one that comes back is permuted, as from a
    layer norm after it.
    """
    spread, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
    return normed(module, x, spread, mean)


def batch_norm(module, x):
    """A batch norm in eval mode, written out for the same reason."""
    if module.running_mean is None:
        spread, mean = torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True)
    else:
        spread = module.running_var.view(-1, 1, 1)
        mean = module.running_mean.view(-1, 1, 1)
    return normed(module, x, spread, mean)


def normed(module, x, spread, mean):
    """Normalised, and scaled where the module does."""
    x = (x - mean) * (spread + module.eps).rsqrt()
    if not module.affine:
        return x
    return x * module.weight.view(-1, 1, 1) + module.bias.view(-1, 1, 1)


def _call(inner):
    """Which call of a module ``name@1`` means."""
    return int(inner.split('@')[1])


def _picked(output, inner):
    """The tensor that ``name[i]`` means, or tokens without their grid."""
    if '[' in inner:
        if isinstance(output, dict):
            output = list(output.values())
        return output[int(inner.split('[')[1][:-1])]
    return output[0] if isinstance(output, tuple) else output


def closed_form(steps):
    """(h, w) of the field of a plain chain of windows."""
    side, jump = [1, 1], [1, 1]
    for kernel, stride, dilation in steps:
        for axis in (0, 1):
            side[axis] += (kernel[axis] - 1) * dilation[axis] * jump[axis]
            jump[axis] *= stride[axis]
    return tuple(side)
