"""The commands of README, CONTRIBUTING and docs/, run as a reader types them.

The blocks of a page run in their order, in one empty folder that holds a few files of vectors. A
block that cannot be run here says so in a comment above it, `<!-- not run: the reason -->`. A block
with `<!-- run: slow -->` is run by `make test-all` alone, beside stored results of the demo. What
stands below "`path`:" is written to that file first. A run measures one build of each index and as
little as it can, unless the line says otherwise: whether a command works does not depend on that.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import harness
from harness.checks.conducting import check_entry

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
WALK_THROUGH = ROOT / "docs" / "tutorial" / "your-own-algorithm.md"
SHORT = "--builds 1 --least-seconds 0 --precision off"
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>(?:not )?run: [^\n]*) -->\n)?"
    r"(?:^(?:[^\n]*[ (])?`(?P<path>[\w./-]+\.\w+)`[^`\n]*:\n\n)?"
    r"^```(?P<kind>\w+)\n(?P<text>.*?)^```$",
    re.M | re.S,
)


class Step(NamedTuple):
    """A command line, or the text of the file at `path`."""

    text: str
    path: str
    mark: str
    line: int


def steps(page: Path) -> Iterator[Step]:
    text = page.read_text()
    for block in BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 1
        if block["kind"] in ("console", "sh", "bash", "shell"):
            for command in block["text"].splitlines():
                yield Step(command, "", block["mark"] or "", line)
        elif block["path"]:
            yield Step(block["text"], block["path"], block["mark"] or "", line)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def pages_with(*marks: str) -> list[Path]:
    return [page for page in PAGES if any(not s.path and s.mark in marks for s in steps(page))]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_is_run_or_says_why_not(page):
    for step in steps(page):
        assert step.path or step.text.startswith("$ "), f"{name_of(page)}:{step.line} {step.text}"
        assert step.mark in ("", "run: slow") or re.match(r"not run: \w+ \w+", step.mark), step


@pytest.fixture(scope="session")
def demo_results(tmp_path_factory, run):
    """Results of the demo, of one build."""
    folder = tmp_path_factory.mktemp("demo")
    run(f"annharness run demo {SHORT} --k 10 --repeats 1", folder)
    return folder / "results"


@pytest.fixture
def folder(tmp_path):
    """A folder with the files that the documents use."""
    rows = np.random.default_rng(0).standard_normal((1_300, 16)).astype(np.float32)
    np.save(tmp_path / "vectors.npy", rows)
    pq.write_table(pa.table({"embedding": list(rows)}), tmp_path / "embeddings.parquet")
    count = range(len(rows))
    columns = {
        "embedding": list(rows), "year": [1990 + i % 30 for i in count],
        "language": [("de", "en", "fr")[i % 3] for i in count],
        "tags": [["draft", "public"][i % 2 :] for i in count],
    }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "docs.parquet")
    for name, part in (("base.fvecs", rows[:-100]), ("queries.fvecs", rows[-100:])):
        head = np.full((len(part), 1), rows.shape[1], np.int32).view(np.float32)
        np.hstack([head, part]).tofile(tmp_path / name)
    with h5py.File(tmp_path / "vectors.hdf5", "w") as file:
        file["train"], file["test"] = rows[:-100], rows[-100:]
        file.attrs.update(distance="angular", point_type="float")
    packages = Path("docs/results/packages")
    shutil.copytree(ROOT / packages, tmp_path / packages)
    return tmp_path


@pytest.fixture(scope="session")
def run(session_cache, forks):
    """Run a line in a folder; only what the shell must read is given to one."""
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {**os.environ, "PATH": scripts, "ANNHARNESS_DATA": str(session_cache)}

    def run(line: str, folder: Path) -> None:
        env = {**own, "XDG_DATA_HOME": str(folder / "user")}
        if re.fullmatch(r"annharness [\w ./,:=@%+-]*", line):
            done = forks.call(line.split()[1:], folder, env, timeout=600)
        else:
            shell = ["bash", "-ec", line]
            done = subprocess.run(shell, cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"

    return run


def follow(page: Path, marks: tuple[str, ...], folder: Path, run: Callable[..., None]) -> None:
    for step in steps(page):
        if step.mark not in marks:
            continue
        if step.path:
            write_file(step, folder)
        else:
            line = step.text.removeprefix("$ ")
            run(line.replace("annharness run ", f"annharness run {SHORT} "), folder)


def write_file(step: Step, folder: Path) -> None:
    (folder / step.path).parent.mkdir(parents=True, exist_ok=True)
    (folder / step.path).write_text(step.text)


@pytest.mark.parametrize("page", pages_with(""), ids=name_of)
def test_the_quick_commands_of_a_page_work(page, folder, run):
    follow(page, ("",), folder, run)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with("run: slow"), ids=name_of)
def test_all_commands_of_a_page_work(page, folder, run, demo_results):
    if page != WALK_THROUGH:
        shutil.copytree(demo_results, folder / "results")
    follow(page, ("", "run: slow"), folder, run)
    if page == WALK_THROUGH:
        judge_walk_through(folder)


def judge_walk_through(folder: Path) -> None:
    frame = harness.load_results(folder / "results")
    assert {"sign-bits", "exact", "faiss-pq"} <= set(frame["algorithm"])
    assert set(frame["status"]) == {"ok"}
    assert len(frame[frame["algorithm"] == "sign-bits"]) == 6
    assert list((folder / "figures").rglob("*qps-recall.png"))
    assert "sign-bits" in (folder / "site" / "index.html").read_text()


def test_the_adapter_of_the_readme_keeps_the_contract(folder, monkeypatch, session_cache):
    monkeypatch.setenv("ANNHARNESS_DATA", str(session_cache))
    for step in steps(ROOT / "README.md"):
        if step.path:
            write_file(step, folder)
    verdicts = check_entry("sampled", [folder / "plugins"])
    assert {v.title: v.got for v in verdicts if v.status == "fail"} == {}
    assert {"k-all", "k-beyond"} <= {v.title for v in verdicts if v.status == "pass"}


def test_the_walk_through_has_as_many_commands_and_lines_as_it_says():
    commands = [step for step in steps(WALK_THROUGH) if not step.path]
    files = [step.text.splitlines() for step in steps(WALK_THROUGH) if step.path]
    lines = sum(bool(line.strip()) for file in files for line in file)
    assert f"{len(commands)} commands and {lines} lines" in WALK_THROUGH.read_text()
    assert (len(commands), lines) <= (9, 30)
