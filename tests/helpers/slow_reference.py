"""Independent references: plain autograd in a loop, no code of mmerf's."""

import torch


def slow_map(images, score, layout=torch.contiguous_format):
    """Mean over images of the summed positive input gradient.

    ``score(image)`` gives one image's score, image of shape (1, 3, H, W).
    """
    total = 0
    for image in images:
        leaf = image[None].clone(memory_format=layout).requires_grad_(True)
        value = score(leaf)
        value.backward()
        gradient = leaf.grad[0].double()
        total = total + gradient.clamp(min=0).sum(0)
    return (total / len(images)).numpy()


def centre_score(output):
    """Sum of the positive channels at the middle unit of (1, C, h, w)."""
    h, w = output.shape[2], output.shape[3]
    return output[0, :, h // 2, w // 2].clamp(min=0).sum()


def hooked_score(model, module, run):
    """Score of a module's output, taken inside a plain forward hook."""

    def score(image):
        kept = []
        handle = module.register_forward_hook(
            lambda m, i, output: kept.append(centre_score(output.clone()))
        )
        run(image)
        handle.remove()
        return kept[-1]

    return score


def images_like(batch, height, width, seed=0):
    """Random normalised images."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3, height, width, generator=generator)


def float64_map(net, images, unit=None):
    """The definition by plain autograd in float64, mean over images."""
    net.double()
    try:
        leaf = images.double().requires_grad_()
        output = net(leaf)
        y, x = unit or (output.shape[2] // 2, output.shape[3] // 2)
        score = output[:, :, y, x].relu().sum()
        (gradient,) = torch.autograd.grad(score, leaf)
    finally:
        net.float()
    return gradient.relu().sum(1).mean(0).numpy()
