"""Plain chains of modules, whose windows are followed."""

from torch import nn

from .block import Block, Layout
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
    """Modules one after the other; only the last window changes the grid.

    What is on the last grid can be measured, such as a convolution's output
    before its batch norm.
    """

    def __init__(self, *modules):
        super().__init__()
        self.chain = nn.Sequential(*modules)
        windows = self._windows()
        first = windows[-1] if windows else len(modules)
        inside = [f'chain.{i}' for i in range(first, len(modules))]
        self.reads = {name: Layout() for name in ('', *inside)}

    def _windows(self):
        """Numbers of the modules that are windows."""
        kinds = (*SLIDING, nn.ConvTranspose2d)
        return [
            number
            for number, module in enumerate(self.chain)
            if isinstance(module, kinds)
        ]

    def forward(self, x):
        return self.chain(x)

    def pixels(self, coords, size):
        windows = self._windows()
        for number in windows:
            module = self.chain[number]
            k, s, p, d = geometry(module)
            rule = sliding
            if isinstance(module, nn.ConvTranspose2d):
                rule = transposed
            last = number == windows[-1]
            coords = rule(
                coords, size if last else coords.shape[1:], k, s, p, d
            )
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
