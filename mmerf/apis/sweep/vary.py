"""The settings that a sweep varies: KEY=V1,V2 -> every combination."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from typing import Any

from mmengine.config import Config, DictAction

from ...core.errors import ConfigError
from ..config.dataset_config import read_keys

_CLOSING = {'(': ')', '[': ']', '{': '}'}
_TOO_DEEP = RecursionError, MemoryError  # brackets in brackets


@dataclass(frozen=True)
class Combination:
    """One value for every key that varies.

    Attributes:
        name (str): Such as ``'align_corners=True, depth=18'``.
        options (dict): Dotted config keys and their values.
        settings (dict[str, str]): The same as a table has them, by short key.
    """

    name: str
    options: dict[str, Any]
    settings: dict[str, str]


def parse_vary(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Read the texts of ``--vary`` into keys and their values.

    Commas separate values, except inside brackets or quotes;
    :func:`parse_value` reads each value.

    Args:
        texts (sequence of str): Each ``KEY=V1,V2``.

    Returns:
        dict[str, dict[str, Any]]: By key, each value by its text.

    Raises:
        ConfigError: If a text is not of that form, or a key or value comes
            twice.

    Example:
        >>> parse_vary(['a.depth=18,50', 'b.x=[1,2],None,bn'])['b.x']
        {'[1,2]': [1, 2], 'None': None, 'bn': 'bn'}
    """
    varied: dict[str, dict[str, Any]] = {}
    for text in texts:
        key, sign, rest = text.partition('=')
        key = key.strip()
        pieces = split_values(rest)
        if not sign or not key or not all(pieces):
            raise ConfigError(
                f'cannot read {text!r}; write --vary KEY=V1,V2, for example '
                'model.decode_head.align_corners=True,False'
            )
        if key in varied or len(set(pieces)) < len(pieces):
            raise ConfigError(f'{text!r}: the key or a value comes twice')
        varied[key] = {piece: parse_value(piece) for piece in pieces}
    return varied


def split_values(text: str) -> list[str]:
    """Split a text at commas outside brackets and quotes.

    Example:
        >>> split_values("(1,2),dict(a='x,y'),z")
        ['(1,2)', "dict(a='x,y')", 'z']
    """
    parts, open_brackets, quote = [''], '', ''
    for char in text:
        if quote:
            quote = '' if char == quote else quote
        elif char in '"\'':
            quote = char
        elif char in _CLOSING:
            open_brackets += _CLOSING[char]
        elif open_brackets.endswith(char):
            open_brackets = open_brackets[:-1]
        elif char == ',' and not open_brackets:
            parts.append('')
            continue
        parts[-1] += char
    if open_brackets or quote:
        raise ConfigError(
            f'{text!r} lacks a closing {(quote or open_brackets[-1])!r}'
        )
    return [part.strip() for part in parts]


def parse_value(text: str) -> Any:
    """Read a value: a Python literal, ``dict(...)`` included, else a text.

    Texts inside lists and tuples need no quotes.

    Raises:
        ConfigError: If a text looks like a call, a dictionary or a list and
            cannot be read as one.

    Example:
        >>> parse_value("dict(type='GN', num_groups=4)")
        {'type': 'GN', 'num_groups': 4}
        >>> parse_value('true'), parse_value('[a,(b,1)]')
        (True, ['a', ('b', 1)])
    """
    with suppress(ValueError, SyntaxError, TypeError, *_TOO_DEEP):
        tree = _Literal().visit(ast.parse(text, mode='eval'))
        return ast.literal_eval(tree)
    if not re.fullmatch(r'[\w.]*\s*\(.*\)|[\[{].*[\])}]', text, re.DOTALL):
        return DictAction._parse_int_float_bool(text)
    if text[0] + text[-1] in ('()', '[]'):
        pieces = split_values(text[1:-1])
        pieces = pieces if pieces[-1] else pieces[:-1]
        with suppress(*_TOO_DEEP):
            items = list(map(parse_value, pieces))
            return items if text[0] == '[' else tuple(items)
    raise ConfigError(
        f'cannot read the value {text!r}; write it as Python, with quotes '
        "around texts: dict(type='BN')"
    )


class _Literal(ast.NodeTransformer):
    """Turns ``dict(a=1)`` into a literal, and refuses ``...``."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        named = isinstance(node.func, ast.Name) and node.func.id == 'dict'
        if named and not node.args and all(k.arg for k in node.keywords):
            keys: list[Any] = [ast.Constant(k.arg) for k in node.keywords]
            return ast.Dict(keys, [k.value for k in node.keywords])
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if node.value is ...:
            raise ValueError
        return node


def combinations(vary: Mapping[str, Any]) -> list[Combination]:
    """Every combination of values, the last key changing fastest.

    Args:
        vary (mapping): Dotted key to a sequence of values, or to a mapping
            of their names to values.

    Raises:
        ConfigError: If there is no key, or a key has no value.

    Example:
        >>> [c.name for c in combinations({'m.a': [1, 2], 'm.b': ['x']})]
        ['a=1, b=x', 'a=2, b=x']
    """
    if not vary:
        raise ConfigError('a sweep varies at least one key over its values')
    short = _short_keys(list(vary))
    choices = []
    for key, values in vary.items():
        listed = isinstance(values, (Mapping, Sequence))
        if not listed or isinstance(values, str) or not len(values):
            raise ConfigError(f'{key} takes a list of values, not {values!r}')
        named = (
            values
            if isinstance(values, Mapping)
            else {str(value): value for value in values}
        )
        if len(named) < len(values):
            raise ConfigError(f'{key}: two values have the same text')
        choices.append([(key, name, value) for name, value in named.items()])
    return [
        Combination(
            ', '.join(f'{short[key]}={name}' for key, name, _ in chosen),
            {key: value for key, _, value in chosen},
            {short[key]: name for key, name, _ in chosen},
        )
        for chosen in product(*choices)
    ]


def _short_keys(keys: Sequence[str]) -> dict[str, str]:
    """The last parts of dotted keys, as many as make them different."""
    parts = {key: key.split('.') for key in keys}
    short = {}
    for key, own in parts.items():
        for count in range(1, len(own) + 1):
            tail = own[-count:]
            if sum(p[-count:] == tail for p in parts.values()) == 1:
                break
        short[key] = '.'.join(tail)
    return short


def check_keys(cfg: Config, vary: Mapping[str, Any]) -> None:
    """Raise ConfigError for a key that would change nothing.

    A misspelt key would be added beside the right one. A key that no
    measurement reads would be set in vain: a variable, for example, whose
    value the model has already copied.
    """
    read = read_keys(cfg)
    for key in vary:
        *path, last = key.split('.')
        node: Any = cfg
        for number, part in enumerate([*path, last]):
            keys = (
                list(map(str, range(len(node))))
                if isinstance(node, (list, tuple))
                else list(node)
                if hasattr(node, 'keys')
                else []
            )
            final = number == len(path)
            if part not in keys and not (final and path and keys):
                near = get_close_matches(part, keys, 1)
                near_text = f'; nearest: {near[0]}' if near else ''
                inside = '.'.join(path[:number]) or 'the config'
                raise ConfigError(f'{inside} has no {part}{near_text}')
            if not final:
                node = (
                    node[int(part)]
                    if isinstance(node, (list, tuple))
                    else node[part]
                )
        if not any(_inside_key(key, k) or _inside_key(k, key) for k in read):
            raise ConfigError(
                f'no measurement reads {key}; vary a key inside model, which '
                'has its own copy of every variable (model.decode_head.'
                f'norm_cfg.type), or inside {", ".join(read[1:])}'
            )


def _inside_key(key: str, other: str) -> bool:
    return f'{key}.'.startswith(f'{other}.')
