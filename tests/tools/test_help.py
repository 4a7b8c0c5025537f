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
    listed = capsys.readouterr().out.partition('examples:\n')[0]
    options = re.split(r'\n\n|\n  (?=-)', listed)
    options = [one for one in options if re.match(r'--|  --', one)]
    assert len(options) >= 4
    for option in options:
        assert re.search(r'\((default:\s.+|required)\)', option, re.S), option


@pytest.mark.parametrize('tool', TOOLS[:-2])
def test_options_are_in_groups_and_examples_end_the_help(
    tool, capsys, monkeypatch
):
    monkeypatch.setattr(sys, 'argv', [f'{tool}.py', '--help'])
    with pytest.raises(SystemExit):
        import_module(tool).main()
    text = capsys.readouterr().out
    groups = re.findall(r'^(\w+):$', text, re.M)
    known = ['what', 'images', 'question', 'speed', 'picture', 'output']
    assert groups == [g for g in known if g in groups] + ['examples']
    examples = text.partition('examples:\n')[2].splitlines()
    assert len(examples) == 3
    assert all(line.startswith(f'  {tool}.py ') for line in examples)
    assert text.startswith(f'usage: {tool}.py ') and len(groups) >= 4
