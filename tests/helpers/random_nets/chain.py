"""Plain chains of modules, whose windows are followed."""

from torch import nn

from .block import Block
from .pixels import pair, sliding, transposed

SLIDING = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d)


def geometry(module):
    """Kernel, stride, padding and dilation of a sliding window."""
    kernel = module.kernel_size
    return (
        pair(kernel),
        pair(module.stride or kernel),
        pair(getattr(module, 'padding', 0)),
        pair(getattr(module, 'dilation', 1)),
    )


class Chain(Block):
    """Modules one after the other; only the last window changes the grid."""

    def __init__(self, *modules):
        super().__init__()
        self.chain = nn.Sequential(*modules)

    def forward(self, x):
        return self.chain(x)

    def pixels(self, coords, size):
        windows = [
            module
            for module in self.chain
            if isinstance(module, (*SLIDING, nn.ConvTranspose2d))
        ]
        for module in self.chain:
            if module in windows:
                k, s, p, d = geometry(module)
                rule = sliding
                if isinstance(module, nn.ConvTranspose2d):
                    rule = transposed
                before = coords.shape[1:]
                after = size if module is windows[-1] else before
                coords = rule(coords, after, k, s, p, d)
        return super().pixels(coords, size)

    def steps(self):
        if any(isinstance(m, nn.ConvTranspose2d) for m in self.chain):
            return None
        found = []
        for module in self.chain:
            if isinstance(module, (nn.GroupNorm, nn.InstanceNorm2d)):
                return None
            if getattr(module, 'padding_mode', 'zeros') != 'zeros':
                return None
            if isinstance(module, SLIDING):
                k, s, _, d = geometry(module)
                found.append((k, s, d))
        return found
