"""TAB offers commands and the names of the registry, in the shell's own way."""

from __future__ import annotations

import sys

import pytest

OFFERED = {
    "annharness rec": ["recommend"],
    "annharness run de": ["demo"],
    "annharness run -d glove-50-1": ["glove-50-10k", "glove-50-10k-20k-queries"],
    "annharness recommend demo -a hnswl": ["hnswlib"],
    "annharness show siftsm": ["siftsmall"],
    "annharness data info siftsm": ["siftsmall"],
}


def offered(command, words, *more):
    asked = ["_ANNHARNESS_COMPLETE=complete_bash", f"COMP_WORDS={words}"]
    asked.append(f"COMP_CWORD={len(words.split()) - 1}")
    done = command.raw(["env", *asked, *more, sys.executable, "-m", "harness"])
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("words", OFFERED)
def test_names_are_offered(command, words):
    assert offered(command, words) == OFFERED[words]


@pytest.mark.parametrize("words", ["annharness run de", "annharness recommend demo -a hnswl"])
def test_names_are_offered_in_the_form_of_zsh(command, words):
    asked = ["_ANNHARNESS_COMPLETE=complete_zsh", f"_TYPER_COMPLETE_ARGS={words}"]
    done = command.raw(["env", *asked, sys.executable, "-m", "harness"])
    names = " ".join(f'"{name}"' for name in OFFERED[words])
    assert done.stdout.strip() == f"_arguments '*: :(({names}))'"


@pytest.mark.slow
def test_a_mistake_in_a_plug_in_offers_none_of_them_and_says_nothing(command, tmp_path):
    broken = tmp_path / "plugins" / "algorithms" / "broken"
    broken.mkdir(parents=True)
    (broken / "config.yml").write_text("broken: [")
    plugins = f"ANNHARNESS_PLUGINS={tmp_path}/plugins"
    assert offered(command, "annharness show pq", plugins) == []
    for verb in ("run", "show"):  # but the suites, which need no plug-in
        assert offered(command, f"annharness {verb} de", plugins) == ["demo"]


def test_the_script_of_the_shell_can_be_had(command):
    asked = ["env", "_ANNHARNESS_COMPLETE=source_bash", sys.executable, "-m", "harness"]
    assert "complete -o default -F _annharness_completion annharness" in command.raw(asked).stdout
