import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmerf.core.atomic_files import file_stem, write_text, write_whole


@given(st.text(max_size=6000))
@example('../../etc/passwd')
@example('/absolute')
@example('')
@example('.')
@example('..')
@example('a\x00b')
@example('x' * 5000)
@example('ü' * 400)
@example('\ud800')
def test_no_name_leaves_its_folder(name):
    stem = file_stem(name)
    assert stem and '/' not in stem and '\\' not in stem and '\0' not in stem
    assert not stem.startswith('.')
    assert len(stem.encode()) <= 200
    path = (Path('/folder') / f'{stem}.npz').resolve()
    assert path.parent == Path('/folder')


@example('', '.')
@given(st.text(max_size=300), st.text(max_size=300))
def test_different_names_give_different_files(first, second):
    assert (file_stem(first) == file_stem(second)) == (first == second)


def test_usual_names_stay_readable():
    for name in ('backbone[3]', 'decode_head', 'backbone.layer4.2@1'):
        assert file_stem(name) == name


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = write_text(tmp_path / 'new' / 'x.json', 'old')

    def fail(file):
        file.write(b'half')
        raise OSError('No space left on device')

    with pytest.raises(OSError, match='No space'):
        write_whole(path, fail)
    assert path.read_text() == 'old'
    assert os.listdir(path.parent) == ['x.json']


def test_files_get_the_usual_permissions(tmp_path):
    old = os.umask(0o027)
    try:
        path = write_text(tmp_path / 'x', 'y')
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o640
