"""``--help`` of every tool."""

import re
import sys
from importlib import import_module

import pytest

TOOLS = ('erf', 'explore', 'context', 'tiles', 'sweep_erf', 'compare_erf',
         'questions', 'make_demo_data', 'benchmark')  # fmt: skip


@pytest.mark.parametrize('tool', TOOLS)
def test_every_option_is_explained_with_its_default(tool, capsys, monkeypatch):
    monkeypatch.setattr(sys, 'argv', [f'{tool}.py', '--help'])
    with pytest.raises(SystemExit) as caught:
        import_module(tool).main()
    assert caught.value.code == 0
    listed = capsys.readouterr().out.partition('\noptions:\n')[2]
    options = re.split(r'\n  (?=--)', listed)[1:]
    assert len(options) >= 4
    for option in options:
        assert re.search(r'\((default:\s.+|required)\)', option, re.S), option
