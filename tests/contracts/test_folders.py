"""Folders of adapters."""

from __future__ import annotations

from pathlib import Path

from harness.contracts import TemporaryFolder, bytes_below


def test_a_folder_goes_away_with_its_object(tmp_path, monkeypatch):
    monkeypatch.setenv("ANNHARNESS_JOB", str(tmp_path))
    folder = TemporaryFolder("mine-")
    path = Path(folder.name)
    (path / "file").write_bytes(b"12345")
    assert path.parent == tmp_path
    assert path.name.startswith("mine-")
    del folder
    assert not path.exists()


def test_the_bytes_of_a_folder_are_those_of_all_its_files(tmp_path):
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "deep" / "deeper" / "one").write_bytes(b"123")
    (tmp_path / "two").write_bytes(b"12")
    (tmp_path / "deep" / "link").symlink_to("deeper/one")
    (tmp_path / "deep" / "loop").symlink_to(tmp_path)
    (tmp_path / "deep" / "dangling").symlink_to("nowhere")
    assert bytes_below(tmp_path) == 5
    assert bytes_below(tmp_path / "two") == 2
