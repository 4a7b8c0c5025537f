import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mmerf.core.errors import LayerError
from mmerf.core.layers.names import find_layers, glob_to_regex


def model():
    net = nn.Module()
    net.backbone = nn.Module()
    net.backbone3 = nn.Conv2d(1, 1, 1)
    for i in range(1, 5):
        block = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU())
        setattr(net.backbone, f'layer{i}', block)
    net.decode_head = nn.Conv2d(1, 1, 1)
    return net


def keys(*requests):
    return [layer.key for layer in find_layers(model(), list(requests))]


def test_a_glob_has_few_stars(fcn):
    """Each one more multiplies the time that matching can take."""
    assert find_layers(fcn, 'b*a*c*k*b*o*n*e')
    with pytest.raises(LayerError, match='more than 8 stars'):
        find_layers(fcn, '*b*a*c*k*b*o*n*e*')
    with pytest.raises(LayerError, match='no layer matches'):
        find_layers(fcn, 'x' + '*' * 5000)


def test_star_stops_at_a_dot_and_two_cross_it():
    assert keys('backbone.layer*') == [
        f'backbone.layer{i}' for i in (1, 2, 3, 4)
    ]
    assert keys('backbone.layer1.*') == [
        'backbone.layer1.0',
        'backbone.layer1.1',
    ]
    assert keys('**.0') == [f'backbone.layer{i}.0' for i in (1, 2, 3, 4)]
    assert len(keys('backbone.**')) == 12
    assert keys('backbone.layer?.1')[0] == 'backbone.layer1.1'


def test_brackets_are_output_indices_never_patterns():
    (layer,) = find_layers(model(), ['backbone[3]'])
    assert layer.name == 'backbone' and layer.indices == (3,)
    (layer,) = find_layers(model(), ['backbone[-1][0]'])
    assert layer.indices == (-1, 0) and layer.key == 'backbone[-1][0]'


def test_repeats_are_measured_once_and_order_is_kept():
    assert keys('decode_head', 'backbone', 'decode_*') == [
        'decode_head',
        'backbone',
    ]


def test_default_is_backbone_and_decode_head():
    assert [layer.key for layer in find_layers(model(), None)] == [
        'backbone',
        'decode_head',
    ]
    cascade = nn.Module()
    cascade.backbone = nn.ReLU()
    cascade.decode_head = nn.ModuleList([nn.ReLU(), nn.ReLU()])
    assert [layer.key for layer in find_layers(cascade, None)] == [
        'backbone',
        'decode_head.0',
        'decode_head.1',
    ]
    assert all(la.optional for la in find_layers(cascade, None)[1:])
    with pytest.raises(LayerError, match='for example 0, 1'):
        find_layers(nn.Sequential(nn.ReLU(), nn.ReLU()), None)


def named(*names, **attributes):
    net = nn.Module()
    for name in names:
        setattr(net, name, nn.Sequential(nn.ReLU()))
    for name, value in attributes.items():
        setattr(net, name, value)
    return net


@pytest.mark.parametrize(
    ('net', 'expected'),
    [
        (named('backbone', 'classifier', 'aux_classifier'), 'bc'),
        (named('encoder', 'decoder', 'segmentation_head'), 'eds'),
        (named('encoder', 'decoder', erf_layers=['decoder']), 'd'),
        (named('backbone', 'decode_head', 'classifier'), 'bd'),
    ],
)
def test_default_of_other_packages(net, expected):
    found = [layer.key[0] for layer in find_layers(net, None)]
    assert ''.join(found) == expected


def test_no_default_names_the_outermost_of_several():
    net = named('data_preprocessor', 'net')
    net.net.conv = nn.ReLU()
    with pytest.raises(LayerError, match=r'example net\.0, net\.conv$'):
        find_layers(net, None)


def test_wrong_name_gives_the_nearest():
    with pytest.raises(LayerError, match=r'nearest: backbone\.layer2'):
        keys('backbone.layer22')
    with pytest.raises(LayerError, match=r'nearest: .*decode_head'):
        keys('decodehead')


@pytest.mark.parametrize(
    'request_',
    ['[0]', 'backbone[x]', 'backbone[0', 3, {'name': 'backbone', 'x': 1},
     {'grid': (2, 2)}, {'name': 'backbone', 'grid': (0, 2)}],
)  # fmt: skip
def test_malformed_layer_names_are_refused_with_an_example(request_):
    with pytest.raises(LayerError) as caught:
        keys(request_)
    assert '\n' not in str(caught.value)
    assert 'backbone' in str(caught.value) or 'whole' in str(caught.value)


@given(st.text(max_size=5000))
def test_any_text_is_found_or_refused_in_one_line(text):
    try:
        found = find_layers(model(), [text])
    except LayerError as error:
        assert '\n' not in str(error) and len(str(error)) < 500
    else:
        names = {'.': 0, **dict(model().named_modules())}
        assert all(layer.name in names for layer in found)


@given(st.from_regex(r'[a-z0-9_.]{1,20}', fullmatch=True))
def test_a_name_without_wildcards_matches_itself_only(name):
    regex = glob_to_regex(name)
    assert regex.fullmatch(name)
    assert not regex.fullmatch(name + 'x')
    assert not regex.fullmatch('x' + name)
