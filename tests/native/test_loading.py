"""Whether the kernels load, and what is said where they do not."""

import subprocess
import sys
from types import ModuleType

import pytest

from prunescope.errors import InputError
from prunescope.native import kernels, why_not

KERNELS = "prunescope.native._kernels"
NOT_BUILT = "prunescope.native._not_built"


def test_the_kernels_load_or_a_reason_is_given():
    reason = why_not()
    if reason is None:
        assert kernels().__name__ == KERNELS
        assert kernels() is kernels()
    else:
        assert reason.startswith("the kernels ")
        with pytest.raises(InputError, match="native kernels: the kernels "):
            kernels()


def test_kernels_that_were_not_built_say_what_was_missing(monkeypatch):
    said = ModuleType(NOT_BUILT)
    said.REASON = "no C++ compiler at install"
    monkeypatch.setitem(sys.modules, KERNELS, None)
    monkeypatch.setitem(sys.modules, NOT_BUILT, said)
    expected = "the kernels were not built (no C++ compiler at install); change that and reinstall"
    assert why_not() == expected
    with pytest.raises(InputError) as refused:
        kernels()
    assert str(refused.value) == f"native kernels: {expected}"


def test_kernels_whose_build_failed(monkeypatch):
    monkeypatch.setitem(sys.modules, KERNELS, None)
    monkeypatch.setitem(sys.modules, NOT_BUILT, None)
    assert why_not() == (
        "the kernels were not built (the build at install failed, pip install --verbose shows why); "
        "change that and reinstall"
    )


class _Broken:
    """Finds the kernels and fails as the dynamic linker does."""

    def find_spec(self, name, path=None, target=None):
        if name == KERNELS:
            raise ImportError("_kernels.so: undefined symbol:\n  GOMP_parallel", name=name)


def test_kernels_that_do_not_load_give_the_linkers_reason_on_one_line(monkeypatch):
    monkeypatch.delitem(sys.modules, KERNELS, raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Broken(), *sys.meta_path])
    expected = "the kernels do not load (_kernels.so: undefined symbol: GOMP_parallel); reinstall prunescope"
    assert why_not() == expected
    with pytest.raises(InputError) as refused:
        kernels()
    assert str(refused.value) == f"native kernels: {expected}"


def test_help_does_not_import_the_kernels():
    code = (
        "import sys; from prunescope.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as left: assert left.code == 0\n"
        "print('LOADED', *(name for name in sys.modules if name.startswith('prunescope')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert "prunescope.cli" in loaded
    assert KERNELS not in loaded


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps")
def test_torch_and_the_kernels_share_one_openmp_runtime():
    if why_not() is not None:
        pytest.skip(why_not())
    code = (
        "from prunescope.native import kernels; kernels()\n"
        "lines = [line.split() for line in open('/proc/self/maps')]\n"
        "paths = {line[-1] for line in lines if len(line) > 5}\n"
        "print(*sorted(path for path in paths if 'libgomp' in path or 'libomp' in path or 'libiomp' in path))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(done.stdout.split()) == 1, done.stdout
