"""Searches for shortcuts only where the images to come gain by them."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from mmerf import measure_erf
from mmerf.core.folding import foldings
from mmerf.core.following.kinds import Noticed
from mmerf.core.inputs.forms import count_images
from mmerf.core.passes import execute
from mmerf.core.shortcuts import budget
from mmerf.core.shortcuts.budget import Budget
from mmerf.core.windows import plans

AREA = 136 * 144
FEW = 5  # images of this size that a search is not made for


@pytest.fixture(autouse=True)
def _bounded(monkeypatch, _every_shortcut):
    monkeypatch.setattr(budget, 'ENOUGH', FEW * AREA)


@pytest.fixture
def searches(monkeypatch):
    """Records what was searched for."""
    made = []
    for home, name in (
        (plans, 'Planner'),
        (foldings, 'checked_folding'),
        (execute, 'maps_in_window'),
    ):
        own = getattr(home, name)

        def noted(*args, own=own, name=name):
            made.append(name)
            return own(*args)

        monkeypatch.setattr(home, name, noted)
    return made


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()
    )


def images(count, size=(136, 144)):
    torch.manual_seed(1)
    return torch.randn(count, 3, *size)


def run_on(results):
    return results['2'].provenance['run_on']


def test_one_image_is_run_as_it_is_and_that_is_said(searches):
    found = run_on(measure_erf(net(), images(1, (700, 700)), ['2']))
    assert not searches
    assert found == 'whole image (no window: too few images to gain by one)'


def test_a_small_image_has_no_window_to_miss(searches):
    found = measure_erf(net(), images(1, (64, 64)), ['2'])
    assert run_on(found) == 'whole image' and not searches


def test_a_search_looks_at_every_operation_and_needs_as_much_work(
    searches, monkeypatch
):
    # 27 multiplications for each of 4 numbers of a pixel, one convolution.
    work = (2 * FEW - 1) * AREA * 4 * 27
    given = list(images(2 * FEW).split(1))
    for enough, expected in ((work, ['Planner']), (work + 1, [])):
        monkeypatch.setattr(budget, 'ENOUGH_WORK', enough)
        searches.clear()
        found = measure_erf(net(), given, ['2'], batch_size=1)
        assert [name for name in searches if name == 'Planner'] == expected
        assert 'checked_folding' in searches
        assert run_on(found).startswith('window') == bool(expected)


def test_a_huge_image_is_searched_however_little_work_there_is():
    noticed, checked = Noticed(), Budget()
    noticed.convolutions, noticed.work = 1, 1.0
    checked.expected = 1
    for side, expected in ((2048, True), (2047, False)):
        image = torch.empty(1, 3, side, side, device='meta')
        checked.count(image)
        assert checked.pays(image, noticed) is expected


@pytest.mark.parametrize('as_list', [False, True])
def test_as_many_images_as_gain_by_it(searches, as_list):
    for count, expected in ((FEW, []), (FEW + 1, ['Planner'])):
        given = images(count)
        given = list(given.split(1)) if as_list else given
        searches.clear()
        most = 1 if as_list else None
        found = measure_erf(net(), given, ['2'], batch_size=most)
        assert [name for name in searches if name == 'Planner'] == expected
        assert run_on(found).startswith('window') == bool(expected)
        assert ('checked_folding' in searches) == bool(expected)
        passes = count if as_list else 1  # from the first image on
        assert searches.count('maps_in_window') == passes * bool(expected)


def test_a_stream_is_searched_once_as_many_were_seen(searches):
    stream = (image for image in images(2 * FEW).split(1))
    found = measure_erf(net(), stream, ['2'])
    assert searches.count('Planner') == 1
    assert run_on(found).startswith('window')
    searches.clear()
    measure_erf(net(), (image for image in images(FEW).split(1)), ['2'])
    assert not searches


def test_the_map_is_the_same_before_and_after_the_search():
    given = images(2 * FEW)
    stream = measure_erf(net(), (image for image in given.split(1)), ['2'])
    assert run_on(stream).startswith('window')
    one_by_one = [
        measure_erf(net(), g, ['2'])['2'].map for g in given[:, None]
    ]
    assert abs(stream['2'].map - sum(one_by_one) / len(given)).max() <= (
        1e-5 * stream['2'].map.max()
    )


def test_every_further_size_counts_by_itself():
    spent = Budget()
    spent.expected = 100
    first, other = torch.zeros(1, 3, 136, 144), torch.zeros(1, 3, 136, 152)
    for image in (first, other):
        spent.count(image)
    assert spent.pays(first) and not spent.pays(other)
    for _ in range(FEW):
        spent.count(other)
    assert spent.pays(other)


def test_a_pass_that_runs_again_is_one_image():
    spent, image = Budget(), torch.zeros(1, 3, 1200, 1200)
    spent.expected = 1
    for _ in range(2):
        spent.count(image)
    assert not spent.pays(image)


def test_counting_images():
    one = torch.zeros(2, 3, 8, 8)
    assert count_images(one) == 2
    assert count_images({'a': one, 'b': one}) == 2
    assert count_images((one, one)) == 2
    assert count_images([one, one, one[:1]]) == 5
    assert count_images([[one, torch.zeros(2)], (one, one)]) == 4
    assert count_images(iter([one])) is None
    assert count_images([one, 'a path']) is None
    assert count_images([]) == 0
    loader = DataLoader(TensorDataset(torch.zeros(10, 3, 8, 8)), 4)
    assert count_images(loader) == 12  # at most
    pairs = DataLoader(loader.dataset, batch_sampler=[[0, 1], [2, 3]])
    assert count_images(pairs) is None


class Hungry(nn.Module):
    """A convolution for whose graph of a whole image there is no memory."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        if torch.is_grad_enabled() and x.shape[-1] > 100:
            raise torch.cuda.OutOfMemoryError('out of memory')
        return self.conv(x)


def test_a_window_is_searched_for_an_image_that_does_not_fit():
    model = Hungry()
    found = measure_erf(model, images(1), ['conv'])['conv']
    assert found.provenance['run_on'].startswith('window')
    expected = measure_erf(model.conv, images(1), ['.'])['.'].map
    assert abs(found.map - expected).max() <= 1e-5 * expected.max()


def test_memory_that_no_window_saves_is_an_error():
    model = nn.Sequential(Hungry(), nn.AdaptiveAvgPool2d(1))
    with pytest.raises(RuntimeError, match='out of memory'):
        measure_erf(model, images(1), ['1'])


def test_a_huge_image_is_searched_for_memorys_sake(monkeypatch, searches):
    monkeypatch.setattr(budget, 'HUGE_IMAGE', AREA)
    found = measure_erf(net(), images(1), ['2'])
    assert run_on(found).startswith('window') and 'Planner' in searches


def test_no_pass_runs_again_where_no_search_was_declined():
    """The same image would not fit once more."""
    error = MemoryError('out of memory')
    for image in (images(1, (64, 64)), images(1, (2048, 2048))):
        spent = Budget()
        spent.count(image)
        spent.pays(image)
        assert not spent.search_for_memory(error, image)


class Layouts(nn.Module):
    """Records whether images are handed over in the plain layout."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        layouts.append(x.is_contiguous())
        return self.conv(x)


layouts = []


@pytest.mark.parametrize('side', [64, 136])
@pytest.mark.parametrize('few', [True, False])
def test_few_images_are_run_as_a_plain_loop_runs_them(monkeypatch, side, few):
    monkeypatch.setattr(budget, 'ENOUGH', side**2 * (3 if few else 2))
    layouts.clear()
    model = Layouts()
    batches = list(images(3, (side, side)).split(1))
    measure_erf(model, batches, ['conv'])
    if few:
        assert layouts == [True] * 3
    else:
        assert False in layouts


def test_copies_of_an_image_are_many(monkeypatch):
    layouts.clear()
    target = {'type': 'Occlusion', 'patch_size': 16}
    measure_erf(Layouts(), images(1, (64, 64)), ['conv'], attribution=target)
    assert False in layouts
