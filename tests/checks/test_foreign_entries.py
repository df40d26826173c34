"""Adapters of other harnesses stand the checks that their own contract knows."""

from __future__ import annotations

from harness.checks.conducting import check_entry

MODULE = '''
import numpy as np
from ..base.module import BaseANN

class Brute(BaseANN):
    """Normalises what it is given, in place."""

    def __init__(self, metric, share):
        self.share = share

    def fit(self, X):
        X /= np.linalg.norm(X, axis=1)[:, np.newaxis]
        self.rows = X[: int(len(X) * self.share)]

    def set_query_arguments(self, most):
        self.most = most

    def query(self, v, n):
        v /= np.linalg.norm(v)
        return list(np.argsort(-(self.rows @ v))[: min(n, self.most)])
'''
CONFIG = """
float:
  angular:
  - base_args: ['@metric']
    constructor: Brute
    disabled: false
    module: ann_benchmarks.algorithms.brute
    name: brute
    run_groups:
      whole: {args: [[1.0]], query_args: [[5, 50]]}
"""


def test_a_foreign_adapter_is_checked_as_it_is_run(monkeypatch, session_cache, tmp_path):
    monkeypatch.setenv("ANNHARNESS_DATA", str(session_cache))
    theirs = tmp_path / "checkout" / "algorithms" / "brute"
    entry = tmp_path / "plugins" / "algorithms" / "theirs"
    for folder in (theirs, entry):
        folder.mkdir(parents=True)
    (theirs / "module.py").write_text(MODULE)
    (theirs / "config.yml").write_text(CONFIG)
    (entry / "config.yml").write_text(
        f"theirs: {{from: ann-benchmarks, path: {theirs}, floor: 0.9}}\n"
    )
    verdicts = {verdict.title: verdict for verdict in check_entry("theirs", [tmp_path / "plugins"])}
    assert [title for title, verdict in verdicts.items() if verdict.status == "fail"] == []
    assert verdicts["recall[angular]"].status == "pass"
    assert verdicts["fresh-process"].status == "pass"
    assert verdicts["group-builds[whole]"].status == "pass"
    assert "copies that they may write to" in verdicts["base-not-written"].why
