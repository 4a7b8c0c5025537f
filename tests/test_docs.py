"""What the documentation says can be followed: links, commands, code."""

import ast
import importlib
import re
import shlex

import pytest
from helpers.doc_pages import PAGES, ROOT, blocks_of, name_of

from mmerf.apis.result_folder import RECORDS
from mmerf.core.context import ranking
from mmerf.core.context import result as context
from mmerf.core.results import class_context as by_class
from mmerf.core.results import npz
from mmerf.core.tiling import result as tiling

NAMES = {'compare': 'compare_erf', 'sweep': 'sweep_erf'}
TOOLS = (
    'erf', 'compare_erf', 'sweep_erf', 'context', 'tiles', 'explore',
    'questions',
)  # fmt: skip


def blocks(path, language):
    return [b.text for b in blocks_of(path) if b.language == language]


def commands():
    """Every call of a tool that some page shows: page, tool, arguments."""
    for path in PAGES:
        for block in blocks(path, 'bash'):
            for line in block.splitlines():
                found = re.match(
                    r'(?:.*bin/)?(?:python (?:tools/)?(\w+)\.py|mmerf) (.*)',
                    line,
                )
                if found is None:
                    continue
                words = shlex.split(found[2], comments=True)
                tool = found[1] or words.pop(0)
                tool = NAMES.get(tool, tool)
                if tool in TOOLS:
                    yield pytest.param(
                        tool, words, id=f'{name_of(path)}: {line}'
                    )


@pytest.mark.parametrize(('tool', 'words'), commands())
def test_options_that_are_shown_exist(tool, words):
    importlib.import_module(tool).parse_args(words)


def test_pages_show_commands_of_every_tool():
    assert {case.values[0] for case in commands()} == set(TOOLS)


@pytest.mark.parametrize('path', PAGES, ids=name_of)
def test_links_lead_somewhere(path):
    text = re.sub(r'```.*?```', '', path.read_text(), flags=re.S)
    for link in re.findall(r'\]\(([^)\s]+)\)', text):
        if link.startswith(('http://', 'https://', 'mailto:')):
            continue
        file, _, anchor = link.partition('#')
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), link
        if anchor and target.suffix == '.md':
            assert anchor in anchors(target), link


def anchors(path):
    """Anchors of the headings, as GitHub and the site make them."""
    text = re.sub(r'```.*?```', '', path.read_text(), flags=re.S)
    heads = re.findall(r'^#+ (.*)$', text, re.M)
    plain = [re.sub(r'[^\w\- ]', '', head.lower()) for head in heads]
    return {head.replace(' ', '-') for head in plain}


@pytest.mark.parametrize('path', PAGES, ids=name_of)
def test_python_that_is_shown_is_python(path):
    for block in blocks(path, 'python'):
        if not block.startswith('    '):  # else a part of something
            ast.parse(block)


def test_the_readmes_python_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, code = blocks(ROOT / 'README.md', 'python')
    place = {}
    exec(code, place)
    assert place['result'].map.shape == (64, 64)
    assert (tmp_path / 'layer.npz').exists()


def test_both_readmes_show_the_same_code():
    english, chinese = ROOT / 'README.md', ROOT / 'README_zh-CN.md'
    for language in ('bash', 'python'):
        assert blocks(english, language) == blocks(chinese, language)
    for one, other in ((english, chinese), (chinese, english)):
        assert f']({other.name})' in one.read_text()
    heads = [
        len(re.findall(r'^## ', page.read_text(), re.M))
        for page in (english, chinese)
    ]
    assert heads[0] == heads[1]
    assert len(english.read_text().splitlines()) <= 160


def test_the_site_has_every_page():
    listed = re.findall(
        r'^[\w/]+$', (ROOT / 'docs' / 'index.md').read_text(), re.M
    )
    found = {
        path.relative_to(ROOT / 'docs').with_suffix('').as_posix()
        for path in PAGES
        if path.is_relative_to(ROOT / 'docs')
    }
    found |= {
        path.relative_to(ROOT / 'docs').with_suffix('').as_posix()
        for path in (ROOT / 'docs' / 'notebooks').glob('*.ipynb')
    }
    assert set(listed) == found - {'index'} and len(listed) == len(set(listed))


def test_every_config_has_its_row():
    page = (ROOT / 'docs/reference/configs.md').read_text()
    folder = ROOT / 'configs'
    found = {x.relative_to(folder).as_posix() for x in folder.rglob('*.py')}
    assert set(re.findall(r'^\| `([\w/]+\.py)`', page, re.M)) == found


def test_every_file_is_described():
    page = (ROOT / 'docs/reference/files.md').read_text()
    records = re.findall(r'`(\w+\.json)`', page.split('## Records')[0])
    assert set(records) == {x for names in RECORDS.values() for x in names}
    arrays = page.split('## Arrays')[1].split('```')[0]
    for name in (
        *npz.ARRAYS, *context._ARRAYS, *ranking._DELETIONS, *tiling._COUNTED,
        *by_class._TABLES,
    ):  # fmt: skip
        assert f'`{name}`' in arrays, name
