"""Terminals that take ASCII alone, a strict umask, file systems without locks."""

from __future__ import annotations

import errno
import io
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from harness.cli.terminal import spell_what_cannot_be_printed
from tests.conftest import Command
from tests.forked import Forks

SUITE = """\
k: [5]
datasets: small.hdf5
algorithms: {exact: }
builds: 1
repeats: 2
least_seconds: 0
build_threads: 1
precision: off
"""
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0"}


@pytest.fixture
def within(tmp_path, small_hdf5, command):
    """Call a verb after a line of the shell, with a suite, a cache and results of its own."""
    (tmp_path / "mine.yml").write_text(SUITE)

    def call(line, *arguments):
        verb = shlex.join([sys.executable, "-m", "harness", *map(str, arguments)])
        cache = shlex.quote(str(tmp_path / "cache"))
        return command.raw(["sh", "-c", f"export ANNHARNESS_DATA={cache}; {line}\nexec {verb}"])

    return call


def exporting(**variables):
    return "; ".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())


def spelled(text, encoding="ascii"):
    """What comes out of a terminal of an encoding."""
    raw = io.BytesIO()
    terminal = io.TextIOWrapper(raw, encoding=encoding, errors="strict")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        patch.setattr(sys, "stderr", terminal)
        spell_what_cannot_be_printed()
        print(text, end="", flush=True)
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("12.3k ±3%", "12.3k +/-3%"),
        ("\N{MULTIPLICATION SIGN}/÷1.5", "x/:1.5"),
        ("950 µs, a … b", "950 us, a ... b"),
        ("café", "cafe"),
        ("1† 2‡", "1* 2**"),
        ("a\udce9b 漢", r"a\udce9b \u6f22"),
    ],
)
def test_what_a_terminal_lacks_is_spelled(text, shown):
    assert spelled(text) == shown


def test_what_a_terminal_has_is_left_as_it_is():
    assert spelled("12.3k ±3% …", "latin-1") == "12.3k ±3% ..."
    assert spelled("12.3k ±3% … 漢", "utf-8") == "12.3k ±3% … 漢"


def test_every_character_of_ours_can_be_read_in_ascii():
    sources = Path(harness.__file__).parent.rglob("*.py")
    ours = {c for path in sources for c in path.read_text("utf-8") if ord(c) > 127}
    assert "±" in ours
    assert [character for character in sorted(ours) if "\\" in spelled(character)] == []


@pytest.mark.slow
def test_a_run_on_a_terminal_of_ascii_alone(within):
    line = exporting(**ASCII, PYTHONIOENCODING="ascii")
    for verb in (["run", "mine.yml"], ["recommend", "--recall", "0.5"]):
        done = within(line, *verb)
        assert done.returncode == 0, done.stderr
        assert re.search(r"\+/-\d|x/:\d", done.stdout), done.stdout  # as wide as it came out
        assert done.stdout.isascii()
        assert done.stderr.isascii()


VERBS = (
    *("list", "show exact", "show peers", "data list", "data info small.hdf5"),
    *("data verify small.hdf5", "data show glove-50-10k --query pawk"),
    *("data convert small.hdf5 vectors-é.npy", "data convert small.hdf5 converted.hdf5"),
    *("recommend --recall 0.5", "plot mine.yml --figure qps-recall", "publish site"),
    *("export -o points.tex", "export -o points.parquet"),
    "compare results results --recall 0.5",
    *("export --to ann-benchmarks -o theirs", "import theirs --results imported"),
    *("new my-index --out plugins", "check exact --only same-seed"),
    *("data clean --all --dry-run", "doctor", "run --help", "plot no-such-suite-é"),
)


@pytest.fixture(scope="module")
def verbs_in_ascii(tmp_path_factory, session_cache, write_small_hdf5):
    """Give every verb on a terminal of ASCII alone and under a strict umask.

    Returns what it was given, the folder, and what each verb did.
    """
    folder = tmp_path_factory.mktemp("ascii")
    (folder / "mine.yml").write_text(SUITE)
    given = {write_small_hdf5(folder / "small.hdf5", "angular"), folder / "mine.yml"}
    with Forks(umask=0o077, **ASCII, PYTHONIOENCODING="ascii:strict") as forks:
        command = Command(folder, session_cache, forks)
        done = {verb: command(*verb.split()) for verb in ("run mine.yml", *VERBS)}
    return given, folder, done


@pytest.mark.slow
def test_every_verb_on_a_terminal_of_ascii_alone(verbs_in_ascii):
    _, folder, every = verbs_in_ascii
    for verb, done in every.items():
        assert done.stdout.isascii(), verb
        assert done.stderr.isascii(), verb
        assert "Traceback" not in done.stderr, (verb, done.stderr)
        codes = {"plot no-such-suite-é": {2}, "doctor": {0, 1}}.get(verb, {0})
        assert done.returncode in codes, (verb, done.stderr)
    assert (folder / "vectors-é.npy").is_file()


@pytest.mark.slow
def test_modes_follow_the_umask(verbs_in_ascii):
    given, folder, _ = verbs_in_ascii
    written = [path for path in folder.rglob("*") if path not in given and path.is_file()]
    assert len(written) > 20
    assert [path for path in written if path.stat().st_mode & 0o077] == []
    assert (folder / "plugins/algorithms/my_index").stat().st_mode & 0o777 == 0o700


CLOSED = "exec <&- >&- 2>&-"


@pytest.mark.slow
def test_a_run_with_all_streams_closed_and_a_backend_that_is_none(within, tmp_path):
    """The next files that are opened would be 0 to 2, and take what libraries print."""
    done = within(CLOSED, "run", "mine.yml")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(harness.load_results(tmp_path / "results")) == 1
    done = within("export MPLBACKEND=nonsense", "plot", "mine.yml", "--figure", "qps-recall")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "verb", "code", "words"),
    [
        (CLOSED, "list exact", 0, ""),
        (CLOSED, "show nowhere", 2, ""),
        ("exec >/dev/full", "list exact", 2, "No space left on device"),
        ("exec >/dev/full", "show exact", 2, "No space left on device"),
        ("exec 2>/dev/full", "show nowhere", 2, ""),
        ("ulimit -n 15", "run mine.yml", 2, "Too many open files"),
        ("export PYTHONOPTIMIZE=2", "show exact", 0, ""),
        ("export PYTHONWARNINGS=error", "list exact", 0, ""),
        ("export LC_ALL=xx_YY.none TZ=:/../x TERM=none", "list exact", 0, ""),
        ("export COLUMNS=1", "list exact", 0, ""),
        ("export HOME=/dev/null; unset XDG_DATA_HOME", "show exact", 0, ""),
        ("mkdir gone; cd gone; rmdir ../gone", "show exact", 0, ""),
    ],
)
def test_streams_limits_and_settings_that_are_none(within, line, verb, code, words):
    done = within(line, *verb.split())
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [  # a run that bears several bears each of them
        "export TMPDIR=/nowhere/at/all OMP_NUM_THREADS=many; ulimit -v 4000000",
        "export OMP_NUM_THREADS=0 NUMBA_DISABLE_JIT=1; ulimit -s 256; trap '' INT TERM PIPE",
        "export PYTHONOPTIMIZE=2 PYTHONWARNINGS=error PYTHONDEVMODE=1",
    ],
)
def test_a_run_in_odd_settings(within, tmp_path, line):
    done = within(line, "run", "mine.yml")
    assert done.returncode == 0, done.stderr
    assert len(harness.load_results(tmp_path / "results")) == 1


WITHOUT_LOCKS = """\
#include <errno.h>
int flock(int handle, int how) {{ errno = {number}; return -1; }}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS], ids=errno.errorcode.get)
@pytest.mark.slow
def test_without_file_locks_runs_and_fetches_go_on_with_a_warning(within, tmp_path, number):
    (tmp_path / "flock.c").write_text(WITHOUT_LOCKS.format(number=number))
    library = tmp_path / "flock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "flock.c"], check=True)
    own = tmp_path / "tmp"  # elsewhere, other tests remove job folders that nobody has locked
    own.mkdir()
    for verb in (["run", "mine.yml"], ["data", "fetch", "glove-50-10k"]):
        done = within(exporting(LD_PRELOAD=str(library), TMPDIR=str(own)), *verb)
        assert done.returncode == 0, done.stderr
        warned = re.findall("warning: .* two runs into one folder at the same time", done.stderr)
        assert len(warned) == 1
    assert len(harness.load_results(tmp_path / "results")) == 1
