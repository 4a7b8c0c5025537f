"""What a release says of itself agrees with the one version."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

import mmerf

ROOT = Path(__file__).parents[1]
CHINESE = re.compile('[一-鿿]')


def test_one_version_everywhere():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    newest = re.search(
        r'^## (\S+?),? ', (ROOT / 'CHANGELOG.md').read_text(), re.M
    )
    assert citation['version'] == newest[1] == mmerf.__version__


def test_forms_are_in_both_languages():
    forms = [
        path
        for path in (ROOT / '.github/ISSUE_TEMPLATE').glob('*.yml')
        if path.name != 'config.yml'
    ]
    assert len(forms) == 3
    for path in forms:
        form = yaml.safe_load(path.read_text())
        assert CHINESE.search(form['name'])
        for field in form['body']:
            said = ' '.join(
                field['attributes'].get(part, '')
                for part in ('label', 'description')
            )
            assert CHINESE.search(said), (path.name, field['id'])
    template = (ROOT / '.github/pull_request_template.md').read_text()
    for line in template.splitlines():
        assert not line.startswith(('**', '- [')) or CHINESE.search(line)


def test_the_index_shows_no_link_that_needs_the_checkout():
    shown = subprocess.run(
        [sys.executable, 'setup.py', '-q', '--long-description'],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    links = re.findall(r'\]\(([^)]*)\)', shown)
    assert links and all(link.startswith('https://') for link in links)
    assert '\n## Python\n' in shown and '```python\nimport torch' in shown
    assert not re.search(r'^(More|\W*·.*)$|English', shown, re.M)
