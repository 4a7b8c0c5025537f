"""Images that come one by one: several in a pass, or each alone."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from mmerf import measure_each, measure_erf
from mmerf.core.gradient import worth
from mmerf.core.running import memory
from mmerf.core.shortcuts import budget


class Net(nn.Module):
    """Convolutions; ``between`` changes what lies between two of them."""

    def __init__(self, between=lambda x: x):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 8, 5, padding=2)
        self.last = nn.Conv2d(8, 4, 5, padding=2)
        self.between, self.sizes = between, []

    def forward(self, x):
        SIZES.append(len(x))
        return self.last(torch.tanh(self.between(self.first(x))))


KERNELS = torch.rand(2, 8, 1, 3, 3, generator=torch.Generator()).unbind()
SIZES = []  # of batches that were run
LAYOUTS = set()  # whether features were in the plain one


@pytest.fixture(autouse=True)
def no_sizes():
    SIZES.clear()
    LAYOUTS.clear()


@pytest.fixture(autouse=True, params=['every shortcut', 'as few'])
def _regime(request, monkeypatch, _every_shortcut):
    """With every shortcut, and with those that repay for so few images."""
    if request.param == 'as few':
        monkeypatch.setattr(budget, 'ENOUGH', 20 * 256 * 256)
        monkeypatch.setattr(worth, 'LARGE_GRADIENT', 2**19)
        monkeypatch.setattr(worth, 'LARGE_SHARE', 0.04)


def images(count, side=40):
    made = torch.rand(
        count, 3, side, side, generator=torch.Generator().manual_seed(1)
    )
    return list(made.split(1))


def plain_map(model, given, layer):
    """The mean map of the middle unit, by a plain loop."""
    total = 0
    for image in given:
        leaf = image.clone().requires_grad_()
        with torch.random.fork_rng():
            output = model(leaf)
        middle = output[:, :, output.shape[2] // 2, output.shape[3] // 2]
        (gradient,) = torch.autograd.grad(middle.relu().sum(), leaf)
        total = total + gradient.relu().sum((0, 1)).double()
    return (total / len(given)).numpy()


def assert_right(found, model, given):
    expected = plain_map(model, given, 'last')
    off = np.abs(found.map - expected).max()
    assert off <= 1e-5 * expected.max()
    assert found.num_images == len(given)


@pytest.mark.parametrize('count', [6, 10, 17])
def test_images_share_passes(count):
    given = images(count)
    found = measure_erf(Net(), given, ['last'])['last']
    assert SIZES[0] == 1  # alone, and once more beside the first of the others
    assert (
        sum(SIZES[1:]) <= count + 1
    )  # and beside a last pass that is smaller
    assert max(SIZES[1:]) - min(SIZES[1:]) <= 1 < max(SIZES)
    assert_right(found, Net(), given)


def test_a_few_are_run_one_by_one():
    measure_erf(Net(), images(5), ['last'])
    assert set(SIZES) == {1}


def test_one_image_in_a_pass_if_the_user_says_so():
    measure_erf(Net(), images(9), ['last'], batch_size=1)
    assert set(SIZES) == {1}


def test_no_more_in_a_pass_than_the_user_says():
    given = images(10)
    found = measure_erf(Net(), given, ['last'], batch_size=3)['last']
    assert max(SIZES) == 3
    assert_right(found, Net(), given)


def test_images_in_windows_share_passes():
    given = images(40, 200)
    found = measure_erf(Net(), given, ['last'])['last']
    assert found.provenance['run_on'].startswith('window')
    assert SIZES.count(8) >= 4
    assert_right(found, Net(), given)


def test_several_inputs_share_passes():
    class Pair(Net):
        def forward(self, rgb, depth):
            return super().forward(torch.cat([rgb, depth], 1))

    given = [{'rgb': x[:, :2], 'depth': x[:, 2:]} for x in images(9)]
    found = measure_erf(Pair(), given, ['last'])
    assert max(SIZES) > 1
    expected = measure_erf(Pair(), given, ['last'], batch_size=1)
    for key, result in expected.items():
        np.testing.assert_allclose(found[key].map, result.map, 1e-4, 1e-7)


def test_each_image_keeps_its_own_map_and_name():
    given = images(11)
    found = measure_each(Net(), given, ['last'])
    assert max(SIZES) > 1
    for number, (result, image) in enumerate(zip(found, given, strict=True)):
        assert_right(result['last'], Net(), [image])
        assert result['last'].provenance['image'] == f'image {number}'


def test_images_of_other_sizes_are_run_in_their_turn():
    given = images(8)
    given[3:3] = images(1, 30)
    found = measure_each(Net(), given, ['last'])
    assert max(SIZES) > 1
    shapes = [result['last'].map.shape for result in found]
    assert shapes == [(40, 40)] * 3 + [(30, 30)] + [(40, 40)] * 5


def test_an_image_that_is_not_finite_is_left_out_alone():
    given = images(10)
    given[6] = given[6] * float('nan')
    with pytest.warns(UserWarning, match='not finite: image 6'):
        found = measure_each(Net(), given, ['last'])
    assert max(SIZES) > 1 and len(found) == 10


def test_a_generator_may_set_the_model_before_it_yields():
    """Such as a prompt: to read on would give it to the wrong image."""
    model, given = Net(), images(8)

    def stream():
        for number, image in enumerate(given):
            model.between = partial(torch.mul, 1 + number)
            yield image

    found = measure_erf(model, stream(), ['last'])['last']
    assert set(SIZES) == {1}
    every = [
        plain_map(Net(partial(torch.mul, 1 + n)), [image], 'last')
        for n, image in enumerate(given)
    ]
    np.testing.assert_allclose(found.map, np.mean(every, 0), 1e-4, 1e-7)


def test_a_data_set_may_set_the_model_likewise():
    model, given = Net(), images(8)

    class Setting(Dataset):
        def __len__(self):
            return len(given)

        def __getitem__(self, number):
            model.between = partial(torch.mul, 1 + number)
            return given[number][0]

    measure_erf(model, DataLoader(Setting(), batch_size=1), ['last'])
    assert set(SIZES) == {1}


def test_flat_images_are_run_alone():
    """Rounding decides which of equal values a maximum takes."""

    def pooled(x):
        return functional.interpolate(
            functional.max_pool2d(x, 2), scale_factor=2
        )

    given = images(10)
    given[4] = torch.full_like(given[4], 0.5)
    found = measure_erf(Net(pooled), given, ['last'])['last']
    assert max(SIZES) > 1
    expected = measure_erf(Net(pooled), given, ['last'], batch_size=1)['last']
    assert np.abs(found.map - expected.map).max() <= 1e-5 * found.map.max()


class OfTheBatch(torch.autograd.Function):
    """Its gradient is divided by the largest of the batch."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient / (1 + gradient.abs().max())


def only_one(x):
    assert len(x) == 1, 'one image at a time'
    return x


def hooked(x):
    x = x * 1.0
    if x.requires_grad:
        x.register_hook(lambda g: g / (1 + g.abs().max()))
    return x


def hooked_node(x):
    """Hooks of nodes are seen by nothing but the maps."""

    def hook(gradients, _):
        return tuple(
            None if each is None else each / (1e-6 + each.norm())
            for each in gradients
        )

    x = x * 1.0
    if x.requires_grad:
        x.grad_fn.register_hook(hook)
    return x


def carried(x):
    """Each image gets something of the one before it."""
    rows = [x[:1]]
    for row in x[1:]:
        rows.append(row[None] + rows[-1].mean())
    return torch.cat(rows)


def of_chunks(x):
    chunks = [c - 0.5 * c.mean(0, keepdim=True) for c in x.split(3)]
    return torch.cat(chunks)


def minibatch_std(x):
    groups = 4 if len(x) % 4 == 0 else 1
    std = x.unflatten(0, (groups, -1)).std(0, unbiased=False).mean()
    return x + std


def gain_of_gradient(x):
    gain = x.numel() ** -0.5
    return gain * x + (x - gain * x).detach()


def experts_with_room(x):
    """Of the tokens of a batch, an expert takes the first hundred."""
    tokens = x.permute(0, 2, 3, 1).flatten(0, 2)
    taken = (tokens[:, :1] > 0.4).cumsum(0) < 100
    tokens = torch.where(taken, tokens, 0.1 * tokens)
    return tokens.view(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2)


def tokens_first_and_back_wrongly(x):
    tokens = x.flatten(2).permute(2, 0, 1).flatten(0, 1)
    return tokens.view(len(x), -1, x.shape[1]).mT.reshape(x.shape)


def by_number(x):
    return x * torch.arange(1, 1 + len(x)).view(-1, 1, 1, 1)


def by_number_of_numpy(x):
    number = torch.from_numpy(np.arange(1, 1 + len(x)))
    return x * number.view(-1, 1, 1, 1)


def by_number_of_list(x):
    number = torch.tensor([float(len(x) - i) for i in range(len(x))])
    return x * number.view(-1, 1, 1, 1)


def other_weights_for_some(x):
    """Of 22 images, the last pass is of seven, those before are of eight."""
    return x * (2 if len(x) == 7 else 1)


def other_kernel_for_some(x):
    """The same operations: outputs alone show it."""
    kernel = KERNELS[len(x) == 7]
    return functional.conv2d(x, kernel, padding=1, groups=8)


def other_slice_for_some(x):
    start = 1 if len(x) == 7 else 0
    padded = functional.pad(x, (0, 0, 0, 0, 0, 1))
    return padded[:, start : start + x.shape[1]]


def other_constant_for_some(x):
    return x * torch.full((len(x), 1, 1, 1), 2.0 if len(x) == 7 else 1.0)


def gain_of_few_percent(x):
    gain = torch.full((len(x), 1, 1, 1), 1 + 0.0025 * len(x))
    return gain * x + (x - gain * x).detach()


def turns_shuffled(x):
    """Channels first: a pixel shuffle takes images for channels."""
    count = len(x)
    turns = x[:, :4].abs().permute(1, 0, 2, 3).reshape(4 * count, 40, 40)
    mixed = functional.pixel_shuffle(turns, 2).view(4, -1, 20, 80)
    mixed = mixed.permute(1, 0, 2, 3).reshape(count, 1, 80, 80)
    return x * (1 + functional.avg_pool2d(mixed, 2))


def added_to_tokens(x):
    """As many tokens as images: six of each, of 11 images."""
    first = x[:, :6, :8, :8].mean(3)
    rows = x[:, 0, :8, 0]
    if len(x) != 6:
        rows = rows[:1].expand(6, -1)
    added = torch.baddbmm(rows, first, torch.eye(8).expand(len(x), 8, 8))
    return x + added.mean((1, 2))[:, None, None, None]


def values_of_a_batch(x):
    if len(x) > 1 and x.detach().numpy().max() > 20:
        return x * x
    return x


def held_in_a_buffer(x):
    held = torch.zeros(16, 1, 1, 1)
    bright = x.abs().mean((1, 2, 3), keepdim=True) - 3
    held[: len(x)] = torch.relu(bright)
    return x * (1 + held.sum(0, keepdim=True))


def rows_of_others(x):
    rows = x.abs().reshape(2 * len(x), 4, 40, 40).mean((2, 3))
    taken = torch.gather(rows, 1, torch.zeros(len(x), 4, dtype=torch.long))
    return x + taken[:, :1, None, None]


def equal_in_a_batch(x):
    nothing = torch.zeros_like(x)
    bright = torch.relu(x.detach() - 20)
    if len(x) > 1 and not torch.equal(bright, nothing):
        return x * x
    return x


def gain_of_a_number(x):
    gain = 1 + 0.003 * torch.full((len(x), 1, 1, 1), len(x))
    return gain * x + (x - gain * x).detach()


OF_SEVEN = {
    other_weights_for_some, other_slice_for_some, other_constant_for_some,
    other_kernel_for_some,
}  # fmt: skip
MIXING = {
    'mean': (lambda x: x - 0.5 * x.mean(0, keepdim=True), 'mean may mix'),
    'first': (lambda x: x + x[:1].mean(), 'slice may mix'),
    'last': (lambda x: x + x[-1:].detach().relu(), 'slice may mix'),
    'mean, gradient alone': (
        lambda x: x + x.mean(0) - x.mean(0).detach(), 'mean may mix'
    ),
    'batch norm': (
        lambda x: functional.batch_norm(x, None, None, training=True),
        'statistics of the batch',
    ),
    'branch on values': (
        lambda x: x * 3 if x.max() > 5 else x, 'values decide'
    ),
    'noise': (lambda x: x + torch.rand_like(x), 'rand_like may mix'),
    'noise of each': (
        lambda x: x + torch.rand(len(x), 1, 1, 1), 'makes other numbers'
    ),
    'branch on size': (
        lambda x: x if len(x) == 1 else x * 2, 'other outputs'
    ),
    'largest': (lambda x: x / x.detach().abs().amax(), 'amax may mix'),
    'largest, from 6 on': (
        lambda x: x / x.abs().amax().clamp(min=6), 'amax may mix'
    ),
    'any': (
        lambda x: torch.where((x.abs() > 6).any(), x * x, x), 'any may mix'
    ),
    'sorted': (lambda x: x.sort(0)[0], 'sort may mix'),
    'turned': (lambda x: x.flip(0), 'flip may mix'),
    'rolled': (lambda x: x + x.roll(1, 0), 'roll may mix'),
    'every second': (lambda x: torch.cat([x[::2], x[1::2]]), 'slice may mix'),
    'one image at a time': (only_one, 'one image at a time'),
    'hook': (hooked, 'hooks'),
    'hook of a node': (hooked_node, 'another map'),
    'function': (OfTheBatch.apply, 'backward code of its own'),
    'carried': (carried, 'may mix'),
    'chunks': (of_chunks, 'may mix'),
    'minibatch std': (minibatch_std, 'may mix'),
    'gain of gradient': (gain_of_gradient, 'mul may mix'),
    'experts': (experts_with_room, 'may mix'),
    'tokens': (tokens_first_and_back_wrongly, 'view may mix'),
    'by number': (by_number, 'makes other numbers'),
    'by number, of a list': (by_number_of_list, 'lift_fresh makes other'),
    'other numbers': (other_weights_for_some, 'may mix'),
    'other kernel': (other_kernel_for_some, 'other outputs'),
    'other slice': (other_slice_for_some, 'slice may mix'),
    'other constant': (other_constant_for_some, 'full makes other'),
    'a few percent': (gain_of_few_percent, 'full makes other'),
    'shuffled': (turns_shuffled, 'pixel_shuffle may mix'),
    'added': (added_to_tokens, 'a batch runs'),
    'held in a buffer': (held_in_a_buffer, 'may mix'),
    'rows of others': (rows_of_others, 'gather may mix'),
    'equal in a batch': (equal_in_a_batch, 'equal may mix'),
    'gain of a number': (gain_of_a_number, 'full makes other'),
    'values of a batch': (values_of_a_batch, 'values decide'),
    'by number, from outside': (by_number_of_numpy, 'other numbers'),
}  # fmt: skip


@pytest.mark.parametrize('kind', MIXING)
def test_a_model_that_mixes_images_is_run_on_each_alone(kind):
    between, why = MIXING[kind]
    given = images(22 if between in OF_SEVEN else 11)
    found = measure_erf(Net(between), given, ['last'])['last']
    way = found.provenance['run_on'].partition('one image in a pass: ')[2]
    assert why in way
    alone = measure_erf(Net(between), given, ['last'], batch_size=1)['last']
    np.testing.assert_allclose(found.map, alone.map, 1e-5, 1e-9)
    assert found.num_images == len(given)


def tokens_first(x):
    """As torch's attention has them; a product of rows keeps them apart."""
    tokens = x.flatten(2).permute(2, 0, 1).contiguous()
    length, count, channels = tokens.shape
    rows = tokens.view(length * count, channels) @ torch.eye(channels)
    tokens = rows.view(length, count, channels)
    return tokens.permute(1, 2, 0).reshape(x.shape)


def residual_of_tokens(x):
    tokens = x.flatten(2).permute(2, 0, 1)
    tokens = tokens + functional.linear(tokens, torch.eye(x.shape[1]))
    return tokens.permute(1, 2, 0).reshape(x.shape)


def windows(x):
    """Cut into windows, as Swin does, with a mask of its own for each."""
    count, channels, height, width = x.shape
    cut = x.view(count, channels, height // 8, 8, width // 8, 8)
    cut = cut.permute(0, 2, 4, 3, 5, 1).reshape(-1, 64, channels)
    scores = (cut @ cut.mT).view(count, -1, 64, 64)
    mask = torch.arange(scores.shape[1]).view(-1, 1, 1) / 10
    cut = (scores + mask).view(-1, 64, 64).softmax(-1) @ cut
    cut = cut.view(count, height // 8, width // 8, 8, 8, channels)
    return cut.permute(0, 5, 1, 3, 2, 4).reshape(x.shape)


def positions(x):
    table = torch.rand(x.shape[1:], generator=torch.Generator())
    token = torch.ones(1, x.shape[1], 1).expand(len(x), -1, -1)
    tokens = torch.cat(
        [token, (x + table.expand(len(x), -1, -1, -1)).flatten(2)], 2
    )
    return tokens[:, :, 1:].view(x.shape)


def attention(x):
    tokens = functional.avg_pool2d(x, 4).flatten(2).mT[:, None]
    mixed = functional.scaled_dot_product_attention(tokens, tokens, tokens)
    return x + mixed[:, 0].mT.mean(2)[..., None, None]


def norms(x):
    x = functional.group_norm(x, 2)
    last = functional.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2])
    return last.permute(0, 3, 1, 2)


def written(x):
    made = x.new_zeros(len(x), x.shape[1], *x.shape[2:])
    made[:, ::2], made[:, 1::2] = x[:, ::2] * 2, x[:, 1::2]
    return made


APART = {
    'tokens first': tokens_first,
    'windows': windows,
    'einsum': lambda x: torch.einsum('nchw,dc->ndhw', x, torch.eye(8)),
    'residual of tokens': residual_of_tokens,
    'positions': positions,
    'attention': attention,
    'norms': norms,
    'written': written,
    'squeeze and excitation': lambda x: x * x.mean((2, 3), True).sigmoid(),
    'padding': lambda x: functional.pad(x, (1, 1, 1, 1))[..., 1:-1, 1:-1],
    'stack': lambda x: torch.stack([x, x * 2], 1).sum(1),
}


@pytest.mark.parametrize('kind', APART)
def test_operations_that_keep_images_apart(kind):
    given = images(9)
    found = measure_erf(Net(APART[kind]), given, ['last'])['last']
    assert 'one image in a pass' not in found.provenance['run_on']
    assert max(SIZES) > 2
    assert_right(found, Net(APART[kind]), given)


def test_pairs_are_compared_with_three():
    def squeezed(x):
        means = x.abs().mean((2, 3)).squeeze()  # (C,) alone, else (N, C)
        return x * (1 + means.amax())

    given = images(9)
    found = measure_erf(Net(squeezed), given, ['last'], batch_size=2)['last']
    assert 'amax may mix' in found.provenance['run_on']
    alone = measure_erf(Net(squeezed), given, ['last'], batch_size=1)['last']
    np.testing.assert_allclose(found.map, alone.map, 1e-5, 1e-9)


def test_a_tensor_that_is_written_to_first():
    def written(x):
        made = torch.zeros(len(x), *x.shape[1:])
        return made.copy_(x) + torch.empty(x.shape).copy_(x)

    found = measure_erf(Net(written), images(9), ['last'])['last']
    assert 'one image in a pass' not in found.provenance['run_on']
    assert max(SIZES) > 2


def test_a_module_with_backward_hooks_is_run_on_each_alone():
    net = Net()
    handle = net.first.register_backward_hook(lambda *_: None)
    found = measure_erf(net, images(9), ['last'])['last']
    handle.remove()
    assert 'the model has backward hooks' in found.provenance['run_on']


def test_gradients_by_torch_func_are_run_on_each_alone():
    """Nothing counts there what a graph keeps."""

    def slope(x):
        return x * torch.func.grad(lambda y: y.square().sum())(torch.ones(()))

    given = images(9)
    for most in (None, 4, 1):
        net = Net(slope)
        found = measure_erf(net, given, ['last'], batch_size=most)['last']
        assert_right(found, Net(slope), given)


def test_a_refused_model_gets_the_layout_of_images_one_by_one():
    def turned(x):
        LAYOUTS.add(x.is_contiguous())
        return x.flip(0)

    given = images(22)
    found = measure_erf(Net(turned), given, ['last'])['last']
    assert 'flip may mix' in found.provenance['run_on']
    assert {True, False} == LAYOUTS
    assert_right(found, Net(turned), given)


def test_no_image_is_measured_twice_where_memory_runs_out_later():
    def short(x):
        if len(x) > 2 and x.shape[-1] == 32:
            raise MemoryError('no more')
        if SIZES[-2:] == [3, 3]:
            raise MemoryError('no more of a pass that is cut')
        return x

    given = [*images(2), torch.cat(images(8, 32)), *images(18)]
    found = measure_each(Net(short), given, ['last'])
    names = [each['last'].provenance['image'] for each in found]
    assert names == [f'image {i}' for i in range(28)]


def test_memory_that_runs_out_ends_it(monkeypatch):
    def full(x):
        if len(x) > 1:
            raise MemoryError('no more')
        return x

    given = images(9)
    found = measure_erf(Net(full), given, ['last'])['last']
    assert_right(found, Net(), given)
    assert 'one image in a pass: no more' in found.provenance['run_on']


def test_no_more_in_a_pass_than_memory_holds(monkeypatch):
    monkeypatch.setattr(memory, 'images_that_fit', lambda *_: 2)
    given = images(9)
    found = measure_erf(Net(), given, ['last'])['last']
    assert max(SIZES) == 2
    assert_right(found, Net(), given)
