"""Code of its own: custom gradients, in-place edits, compilers, hooks."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ..block import Apply, Block, Kind, nowhere


class Tutorial(torch.autograd.Function):
    """The ReLU of PyTorch's tutorial."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        g = g.clone()
        g[x < 0] = 0
        return g


class EditsGradient(torch.autograd.Function):
    """Edits its gradient in place."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        g[x < 0] = 0
        return g.mul_(0.5)


class WantsContiguous(torch.autograd.Function):
    """Relies on the usual layout, as compiled operators do."""

    @staticmethod
    def forward(ctx, x):
        assert x.is_contiguous(), 'input is not contiguous'
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        assert g.is_contiguous(), 'gradient is not contiguous'
        return g


class ReadsGradient(torch.autograd.Function):
    """Its gradient is divided by its own largest value."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return g / (g.abs().amax() + 1e-12)


class Dirty(torch.autograd.Function):
    """Changes its input in place."""

    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        ctx.save_for_backward(x > 0)
        return x.clamp_(min=0)

    @staticmethod
    def backward(ctx, g):
        (on,) = ctx.saved_tensors
        return g * on


class Smoothed(torch.autograd.Function):
    """Its gradient is averaged over 3 x 3 places."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return nn.functional.avg_pool2d(g, 3, 1, 1)


def custom(function, contiguous=False):
    """A convolution, then a custom function."""

    def make(channels, size, draw):
        def run(m, x):
            x = m.conv(x)
            return function.apply(x.contiguous() if contiguous else x)

        return Apply(run, conv=nn.Conv2d(channels, 6, 3, padding=1))

    return make


def checkpointed(reentrant):
    def make(channels, size, draw):
        inner = nn.Sequential(nn.Conv2d(channels, 6, 3, padding=1), nn.ReLU())
        return Apply(
            lambda m, x: checkpoint(m.inner, x, use_reentrant=reentrant),
            inner=inner,
        )

    return make


@torch.jit.script
def gated(x: torch.Tensor) -> torch.Tensor:
    return x * torch.sigmoid(1.7 * x)


class Scripted(nn.Module):
    """Compiled by torch.jit as a whole module."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, 6, 3, padding=1)

    def forward(self, x):
        return torch.relu(self.conv(x))


def scripted(channels, size, draw):
    inner = torch.jit.script(Scripted(channels))
    return Apply(lambda m, x: m.inner(x), inner=inner)


def scripted_function(channels, size, draw):
    conv = nn.Conv2d(channels, 6, 3, padding=1)
    return Apply(lambda m, x: gated(m.conv(x)), conv=conv)


class Compiled(Block):
    """A part that runs under torch.compile, with the eager backend."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, 6, 3, padding=1)
        self.inner = torch.compile(
            nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.GELU()),
            backend='eager',
            dynamic=True,
        )

    def forward(self, x):
        return self.inner(self.conv(x))


def in_place(channels, size, draw):
    """Edits what the convolution has returned."""

    def run(m, x):
        y = m.conv(x)
        y.add_(0.1).clamp_(min=-0.2)
        y *= 1.5
        return y

    return Apply(run, conv=nn.Conv2d(channels, 6, 3, padding=1))


def edits_its_input(channels, size, draw):
    """A copy of what came before is edited in place, then mixed."""

    def run(m, x):
        x = m.before(x)
        y = m.conv(x)
        x.mul_(0.5)
        return y + m.conv(x)

    return Apply(
        run,
        before=nn.Sequential(nn.Conv2d(channels, 6, 1), nn.Identity()),
        conv=nn.Sequential(nn.Identity(), Doubled()),
    )


class Doubled(nn.Module):
    def forward(self, x):
        return 2 * x


def index_assignment(channels, size, draw):
    """Every second row is replaced by another filter's."""

    def run(m, x):
        out = torch.empty_like(m.one(x))
        out[:, :, ::2] = m.one(x)[:, :, ::2]
        out[:, :, 1::2] = m.two(x)[:, :, 1::2]
        return out

    return Apply(
        run,
        one=nn.Conv2d(channels, 6, 3, padding=1),
        two=nn.Conv2d(channels, 6, 3, padding=1),
    )


def border_assignment(channels, size, draw):
    """The image's border is overwritten with zeros."""

    def run(m, x):
        x = m.conv(x)
        x[:, :, :2] = 0
        x[:, :, :, -2:] = 0
        return x

    return Apply(run, conv=nn.Conv2d(channels, 6, 3, padding=1))


def boolean_assignment(channels, size, draw):
    def run(m, x):
        x = m.conv(x)
        x[x > 0.5] = 0.5
        return x

    return Apply(run, conv=nn.Conv2d(channels, 6, 3, padding=1))


def tensor_hook(channels, size, draw):
    """A hook on a tensor changes the gradient."""

    def run(m, x):
        x = m.conv(x)
        if x.requires_grad:
            x.register_hook(lambda g: 2 * g.clamp(min=-0.5, max=0.5))
        return x

    return Apply(run, conv=nn.Conv2d(channels, 6, 3, padding=1))


class Hooked(Block):
    """A forward hook of its own replaces a convolution's output."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, 6, 3, padding=1)
        self.conv.register_forward_hook(lambda m, i, o: o * o.sigmoid())

    def forward(self, x):
        return self.conv(x)


def viewed(channels, size, draw):
    """Images are put beside each other by ``view``, and back."""

    def run(m, x):
        x = m.conv(x)
        n, c, h, w = x.shape
        x = x.view(n * c, h * w)
        return m.out(x.view(n, c, h, w))

    return Apply(
        run,
        conv=nn.Conv2d(channels, 6, 3, padding=1),
        out=nn.Conv2d(6, 6, 3, padding=1),
    )


def strides_read(channels, size, draw):
    """Every unit beside its right neighbour, by as_strided."""

    def run(m, x):
        x = m.conv(x)
        n, c, h, w = x.shape
        wide = nn.functional.pad(x, (0, 1)).contiguous()
        s = wide.stride()
        pairs = wide.as_strided((n, c, h, w, 2), (*s, s[3]))
        return pairs.mean(-1)

    return Apply(run, nowhere, conv=nn.Conv2d(channels, 6, 3, padding=1))


def careless_strides(channels, size, draw):
    """as_strided that takes the usual layout for granted."""

    def run(m, x):
        x = m.conv(x)
        n, c, h, w = x.shape
        return x.as_strided((n, c, h, w), (c * h * w, h * w, w, 1)) * 1.5

    return Apply(run, conv=nn.Conv2d(channels, 6, 3, padding=1))


def reversed_gradient(channels, size, draw):
    """Detached in part: the value of one filter, the gradient of another."""

    def run(m, x):
        one, two = m.one(x), m.two(x)
        return two + (one - two).detach()

    return Apply(
        run,
        one=nn.Conv2d(channels, 6, 3, padding=1),
        two=nn.Conv2d(channels, 6, 3, padding=1),
    )


def counted(channels, size, draw):
    """Counts its calls in a buffer, and reads no count."""

    def run(m, x):
        m.calls.add_(1)
        return m.conv(x).relu_()

    return Apply(
        run,
        conv=nn.Conv2d(channels, 6, 3, padding=1),
        calls=torch.zeros(()),
    )


def mapped(channels, size, draw):
    """torch.func.vmap over the images."""

    def run(m, x):
        return torch.func.vmap(lambda image: m.conv(image).relu())(x)

    return Apply(run, conv=nn.Conv2d(channels, 6, 3, padding=1))


def products(channels, size, draw):
    """einsum and an outer product of the channels."""

    def run(m, x):
        x = torch.einsum('nchw,dc->ndhw', x, m.weight)
        return torch.einsum('nahw,nbhw->nabhw', x, x).flatten(1, 2)

    return Apply(run, weight=nn.Parameter(torch.randn(3, channels)))


KINDS = [
    Kind('tutorial function', custom(Tutorial)),
    Kind('edits its gradient', custom(EditsGradient)),
    Kind('wants contiguous', custom(WantsContiguous, True)),
    Kind('reads its gradient', custom(ReadsGradient)),
    Kind('dirty function', custom(Dirty)),
    Kind('smoothed gradient', custom(Smoothed)),
    Kind('checkpoint', checkpointed(False)),
    Kind('reentrant checkpoint', checkpointed(True)),
    Kind('jit module', scripted),
    Kind('jit function', scripted_function),
    Kind('compiled', lambda c, s, d: Compiled(c)),
    Kind('in-place edits', in_place),
    Kind('edits its input', edits_its_input),
    Kind('index assignment', index_assignment),
    Kind('border assignment', border_assignment),
    Kind('boolean assignment', boolean_assignment),
    Kind('tensor hook', tensor_hook),
    Kind('forward hook', lambda c, s, d: Hooked(c)),
    Kind('view', viewed),
    Kind('as_strided', strides_read),
    Kind('careless as_strided', careless_strides),
    Kind('detached in part', reversed_gradient),
    Kind('counts its calls', counted),
    Kind('vmap', mapped),
    Kind('products', products),
]
