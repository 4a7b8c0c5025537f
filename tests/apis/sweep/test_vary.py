import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.config import Config, DictAction

from mmerf.apis.sweep.vary import (
    check_keys,
    combinations,
    parse_value,
    parse_vary,
)
from mmerf.core.errors import ConfigError

PLAIN = ['1', '-2.5', '1e-3', 'True', 'false', 'None', 'bilinear', '[1,2]',
         '(1,2)', '[(1,a),[b]]', 'mmseg::x/y.py']  # fmt: skip


@pytest.mark.parametrize('text', PLAIN)
def test_single_values_read_as_mmengine_reads_them(text):
    expected = DictAction._parse_iterable(text)
    assert parse_value(text) == expected
    assert type(parse_value(text)) is type(expected)


def test_several_values_read_as_mmengines_list():
    """KEY=V1,V2 is a list to mmengine: here its items are the values."""
    varied = parse_vary([f'k={",".join(PLAIN)}'])['k']
    assert list(varied) == PLAIN
    assert list(varied.values()) == DictAction._parse_iterable(','.join(PLAIN))


def test_what_mmengine_cannot_read_survives():
    text = "dict(type='GN', num_groups=4),{'type':'BN'},'a,b',\"x y\",()"
    assert list(parse_vary([f'm.norm_cfg={text}'])['m.norm_cfg'].values()) == [
        {'type': 'GN', 'num_groups': 4}, {'type': 'BN'}, 'a,b', 'x y', (),
    ]  # fmt: skip


def test_texts_stay_as_they_are():
    texts = ['a b', '...', 'photos (1)/x', 'backbone[3]', '[a b,...]']
    values = list(parse_vary([f'k={",".join(texts)}'])['k'].values())
    assert values == [*texts[:-1], ['a b', '...']]


@pytest.mark.parametrize(
    'value',
    [
        {'cfgs': [{'type': 'GN'}, {'type': 'BN'}], 'b': (1,)},
        [{'type': 'GN', 'num_groups': 4}],
    ],
)
def test_dict_calls_are_literals_at_any_depth(value):
    def written(part):
        if isinstance(part, dict):
            items = (f'{key}={written(v)}' for key, v in part.items())
            return f'dict({", ".join(items)})'
        if isinstance(part, list):
            return f'[{", ".join(map(written, part))}]'
        return repr(part)

    assert parse_value(written(value)) == value


@pytest.mark.parametrize(
    'text',
    [
        'dict(type=BN,requires_grad=True)',
        'dict(type=BN)',
        "dict('a',b=1)",
        'nn.ReLU(True)',
        '{type:BN,b:1}',
        '{BN}',
        '[1,dict(type=BN)]',
        '[a](b)',
        '[' * 3000 + ']' * 3000,
    ],
)
def test_what_is_no_literal_asks_for_quotes(text):
    with pytest.raises(ConfigError, match='quotes') as caught:
        parse_vary([f'k={text}'])
    assert "dict(type='BN')" in str(caught.value)
    assert '\n' not in str(caught.value)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text('ab,()[]{}=\'" .', max_size=6),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.lists(inside, max_size=3).map(tuple)
        | st.dictionaries(st.text('xy', min_size=1), inside, max_size=2)
    ),
    max_leaves=6,
)


@given(st.lists(values, min_size=1, max_size=4, unique_by=repr))
def test_every_python_value_survives(several):
    safe = [v for v in several if '\\' not in repr(v)]
    if safe:
        text = ','.join(map(repr, safe))
        assert list(parse_vary([f'k={text}'])['k'].values()) == safe


@pytest.mark.parametrize(
    ('texts', 'message'),
    [
        (['k'], '--vary KEY=V1,V2'),
        (['=1,2'], '--vary KEY=V1,V2'),
        (['k=1,,2'], '--vary KEY=V1,V2'),
        (['k='], '--vary KEY=V1,V2'),
        (['k=1,1'], 'twice'),
        (['k=1', 'k=2'], 'twice'),
        (['k=(1,2'], "lacks a closing ')'"),
        (["k='a,b"], 'lacks a closing'),
    ],
)
def test_what_cannot_be_read(texts, message):
    with pytest.raises(ConfigError) as caught:
        parse_vary(texts)
    assert message in str(caught.value) and '\n' not in str(caught.value)


def test_names_are_as_short_as_they_can_be():
    found = combinations(
        {'model.backbone.depth': [18, 50], 'model.head.depth': {'one': 1}}
    )
    assert [c.name for c in found] == [
        'backbone.depth=18, head.depth=one',
        'backbone.depth=50, head.depth=one',
    ]
    assert found[1].options == {
        'model.backbone.depth': 50, 'model.head.depth': 1,
    }  # fmt: skip
    assert len(combinations({'a': [1, 2], 'b': [1, 2, 3], 'c': [0]})) == 6


@pytest.mark.parametrize(
    'vary', [{}, {'a': []}, {'a': 'text'}, {'a': 3}, {'a': [1, '1']}]
)
def test_what_is_no_sweep(vary):
    with pytest.raises(ConfigError):
        combinations(vary)


def test_misspelt_keys_are_found_before_anything_is_built():
    cfg = Config(dict(model=dict(backbone=dict(depth=18), heads=[dict(a=1)])))
    check_keys(cfg, {'model.backbone.new': 1, 'model.heads.0.a': 1})
    for key, message in (
        ('model.bakbone.depth', 'model has no bakbone; nearest: backbone'),
        ('modle', 'the config has no modle; nearest: model'),
        ('model.heads.1.a', 'model.heads has no 1'),
        ('model.backbone.depth.x', 'model.backbone.depth has no x'),
    ):
        with pytest.raises(ConfigError) as caught:
            check_keys(cfg, {key: 1})
        assert message in str(caught.value)


def test_keys_that_no_measurement_reads_are_refused():
    """A variable's value is part of the model once the file is read."""
    loader = dict(dataset=dict(pipeline=[dict(scale=1)]))
    cfg = Config(
        dict(model={}, norm_cfg=dict(type='BN'), load_from=None,
             test_pipeline=[dict(scale=1)], default_scope='mmseg',
             val_dataloader=dict(batch_size=1, **loader),
             test_dataloader=loader, train_dataloader=loader)
    )  # fmt: skip
    check_keys(cfg, {'val_dataloader.dataset.pipeline.0.scale': 1})
    check_keys(cfg, {'model': 1, 'val_dataloader': 1, 'default_scope': 1})
    for key in (
        'norm_cfg.type',
        'norm_cfg',
        'load_from',
        'train_dataloader.dataset.pipeline.0.scale',
        'test_dataloader.dataset.pipeline.0.scale',
        'test_pipeline.0.scale',
        'val_dataloader.batch_size',
    ):
        with pytest.raises(ConfigError) as caught:
            check_keys(cfg, {'model': 1, key: 1})
        assert f'no measurement reads {key};' in str(caught.value)
        assert 'model.' in str(caught.value)
    alone = Config(dict(test_pipeline=[dict(scale=1)]))
    check_keys(alone, {'test_pipeline.0.scale': 1})
    alone.test_dataloader = dict(dataset=dict(type='X'))
    both = ['test_pipeline.0.scale', 'test_dataloader.dataset.type']
    check_keys(alone, dict.fromkeys(both, 1))
