"""What makes a result stale: code, and nothing that only looks like it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.files.source_code import source_sha256

SOURCE = '''\
"""An adapter."""

import numpy as np


class Index:
    text = """one

    # no comment
    two"""

    def fit(self, base):
        self.base = base
'''


def digest(folder: Path, source: str) -> str:
    (folder / "adapter.py").write_text(source)
    return source_sha256(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("self.base = base", "self.base = base  # kept as it is"),
        ("    def fit", "    # a remark\n    def fit"),
        ("import numpy as np\n", "import numpy as np\n\n\n\n"),
        ("self.base = base\n", "self.base = base   \n"),
    ],
)
def test_comments_and_blank_lines_change_nothing(tmp_path, old, new):
    before = digest(tmp_path, SOURCE)
    assert SOURCE.replace(old, new) != SOURCE
    assert digest(tmp_path, SOURCE.replace(old, new)) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("self.base = base", "self.base = base + 0"),
        ("self.base = base", 'self.base = base or "# no comment"'),
        ("    # no comment\n", ""),
        ("one\n\n", "one\n"),
        ("    def fit", "  def fit"),
        ("self.base = base", "self.base = (base"),
    ],
)
def test_code_and_text_change_the_digest(tmp_path, old, new):
    before = digest(tmp_path, SOURCE)
    assert SOURCE.replace(old, new) != SOURCE
    assert digest(tmp_path, SOURCE.replace(old, new)) != before


def test_what_is_no_python_counts_as_it_is(tmp_path):
    assert digest(tmp_path, "def (:\n# a\n") != digest(tmp_path, "def (:\n# b\n")


def test_a_method_that_counts_distance_computations_changes_nothing(tmp_path):
    code = """\
class Scan:
    def query(self, query, k):
        return self.base

    def index_bytes(self):
        return 1
"""
    counting = """\
    def distance_computations(self, queries, k):
        return len(queries) * len(self.base)

    def index_bytes"""
    path = tmp_path / "adapter.py"
    path.write_text(code)
    before = source_sha256(tmp_path)
    path.write_text(code.replace("    def index_bytes", counting))
    assert source_sha256(tmp_path) == before
    path.write_text(code.replace("    def index_bytes", counting).replace("return 1", "return 2"))
    assert source_sha256(tmp_path) != before
    path.write_text("def distance_computations():\n    return 1\n")
    assert source_sha256(tmp_path) != source_sha256(tmp_path / "none")
