"""Something is done once a module is imported, by any finder and loader."""

import importlib
import importlib.util
import inspect
import sys

import pytest

from mmerf import _when_imported
from mmerf._when_imported import when_imported


@pytest.fixture
def late(tmp_path, monkeypatch):
    """A package late_pkg on the path; sys is given back afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, 'meta_path', list(sys.meta_path))
    package = tmp_path / 'late_pkg'
    package.mkdir()
    (package / '__init__.py').write_text('done = 1\n')
    (package / 'inner.py').write_text('def f():\n    return 3\n')
    importlib.invalidate_caches()
    yield package
    for name in [n for n in sys.modules if n.split('.')[0] == 'late_pkg']:
        del sys.modules[name]


def test_it_is_done_once_and_after_the_module_has_run(late):
    found = []
    when_imported('late_pkg', lambda n: found.append(sys.modules[n].done))
    assert found == []
    import late_pkg

    assert found == [1]
    importlib.reload(late_pkg)
    assert found == [1]
    when_imported('late_pkg', found.append)
    assert found == [1, 'late_pkg']


def test_a_module_inside_waits_for_itself_and_keeps_its_loader(late):
    found = []
    when_imported('late_pkg.inner', found.append)
    import late_pkg

    assert found == []
    import late_pkg.inner

    assert found == ['late_pkg.inner'] and late_pkg.inner.f() == 3
    loader = late_pkg.inner.__spec__.loader
    assert late_pkg.inner.__loader__ is loader
    assert type(loader).__name__ == 'SourceFileLoader'
    assert 'return 3' in inspect.getsource(late_pkg.inner)


def test_a_spec_that_is_looked_up_imports_nothing(late):
    found = []
    when_imported('late_pkg', found.append)
    spec = importlib.util.find_spec('late_pkg')
    assert spec.submodule_search_locations == [str(late)]
    assert spec.loader.get_source('late_pkg') == 'done = 1\n'
    assert 'late_pkg' not in sys.modules and found == []
    import late_pkg  # noqa: F401

    assert found == ['late_pkg']


def test_a_module_that_fails_is_its_own_error_and_still_awaited(late):
    found = []
    when_imported('late_pkg.broken', found.append)
    (late / 'broken.py').write_text('raise RuntimeError("it is broken")\n')
    with pytest.raises(RuntimeError, match='it is broken'):
        importlib.import_module('late_pkg.broken')
    assert found == [] and 'late_pkg.broken' not in sys.modules
    (late / 'broken.py').write_text('whole = True\n')
    importlib.invalidate_caches()
    assert importlib.import_module('late_pkg.broken').whole
    assert found == ['late_pkg.broken']


def test_a_module_that_is_missing_is_missing_as_before(late):
    when_imported('late_pkg.absent', print)
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module('late_pkg.absent')
    assert caught.value.name == 'late_pkg.absent'


def test_what_is_done_may_import_the_module(late):
    found = []

    def use(name):
        from late_pkg.inner import f

        found.append(f())

    when_imported('late_pkg', use)
    import late_pkg  # noqa: F401

    assert found == [3]


def test_one_finder_serves_all(late):
    for name in ('late_pkg', 'late_pkg.inner', 'late_pkg.absent'):
        when_imported(name, print)
    kinds = [type(finder) for finder in sys.meta_path]
    assert kinds.count(_when_imported._Waiting) == 1
