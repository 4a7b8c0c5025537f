"""Something is done once a module is imported, by any finder and loader."""

import importlib
import importlib.util
import inspect
import sys
import threading
import time
import zipfile

import pytest

from mmerf._when_imported import when_imported


@pytest.fixture
def late(tmp_path, monkeypatch):
    """A package late_pkg on the path; sys is given back afterwards."""
    monkeypatch.setattr(sys, 'path', [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, 'meta_path', list(sys.meta_path))
    package = tmp_path / 'late_pkg'
    package.mkdir()
    (package / '__init__.py').write_text('done = 1\n')
    (package / 'inner.py').write_text('def f():\n    return 3\n')
    importlib.invalidate_caches()
    yield package
    for name in [n for n in sys.modules if n.startswith('late_pkg')]:
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


def test_several_that_wait_are_all_served_and_leave_nothing(late):
    """As if the package that waits had been imported anew."""
    before = list(sys.meta_path)
    found = []
    for _ in range(2):
        for name in ('late_pkg', 'late_pkg.inner'):
            when_imported(name, found.append)
    assert len(sys.meta_path) == len(before) + 4
    import late_pkg

    assert len(sys.meta_path) == len(before) + 2
    import late_pkg.inner  # noqa: F401

    assert found == ['late_pkg'] * 2 + ['late_pkg.inner'] * 2
    assert sys.meta_path == before


def test_other_finders_may_ask_all_finders_themselves(late):
    """As those of other packages that wait for modules do."""

    class Asking:
        asked = False

        def find_spec(self, name, path=None, target=None):
            if name != 'late_pkg' or self.asked:
                return None
            self.asked = True
            try:
                return importlib.util.find_spec(name)
            finally:
                self.asked = False

    found = []
    sys.meta_path.insert(0, Asking())
    when_imported('late_pkg', found.append)
    sys.meta_path.insert(0, Asking())
    import late_pkg  # noqa: F401

    assert found == ['late_pkg']


def test_a_loader_of_several_modules_serves_each(late, tmp_path):
    """As zipimporter, which is one object for all that is in a file."""
    archive = tmp_path / 'modules.zip'
    with zipfile.ZipFile(archive, 'w') as file:
        for name in ('__init__', 'first', 'second'):
            file.writestr(f'late_pkg_zip/{name}.py', f'name = {name!r}\n')
    sys.path.insert(0, str(archive))
    found = []
    when_imported('late_pkg_zip.second', found.append)
    importlib.util.find_spec('late_pkg_zip.second')
    first = importlib.import_module('late_pkg_zip.first')
    assert found == [] and first.name == 'first'
    assert importlib.import_module('late_pkg_zip.second').name == 'second'
    assert found == ['late_pkg_zip.second']


def test_what_is_interrupted_is_done_when_the_module_is_imported_again(late):
    found = []

    def interrupted(name):
        found.append(name)
        if len(found) == 1:
            raise KeyboardInterrupt

    when_imported('late_pkg', interrupted)
    with pytest.raises(KeyboardInterrupt):
        importlib.import_module('late_pkg')
    assert 'late_pkg' not in sys.modules
    assert importlib.import_module('late_pkg').done == 1
    assert found == ['late_pkg'] * 2


def test_threads_that_import_it_have_it_done_before_they_go_on(late):
    (late / '__init__.py').write_text('import time\ntime.sleep(0.05)\n')
    importlib.invalidate_caches()
    found, seen = [], []

    def act(name):
        time.sleep(0.05)
        found.append(name)

    def use():
        importlib.import_module('late_pkg')
        seen.append(list(found))

    when_imported('late_pkg', act)
    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [['late_pkg']] * 4
