"""Odd words and numbers get a message that names them, and never a traceback."""

from __future__ import annotations

import os

import pytest

from harness.contracts import UserError
from harness.files.paths import user_path
from harness.registry.registry import load_registry
from harness.registry.suites import overridden, read_suite

SUITE = "k: {k}\ndatasets: glove-50-10k\nalgorithms: {algorithms}\n{more}"


def read(folder, *, k="5", algorithms="{exact: }", more=""):
    path = folder / "odd.yml"
    path.write_text(SUITE.format(k=k, algorithms=algorithms, more=more))
    return read_suite(str(path), load_registry().algorithms)


@pytest.mark.parametrize(
    ("text", "words"),
    [("~no-such-user/x", "no user"), ("a\0b", "NUL"), ("x" * 300, "too long"),
     ("a/" * 3000, "too long")],
)  # fmt: skip
def test_paths_that_no_file_can_have(text, words):
    with pytest.raises(UserError, match=words):
        user_path(text)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"k": "9" * 5000}, "'k'"),
        ({"k": "0"}, "'k'"),
        ({"k": "[1, 0]"}, "'k.1'"),
        ({"more": f"timeout: {'9' * 400}"}, "'timeout'"),
        ({"more": f"timeout: {'9' * 5000}"}, "'timeout'"),
        ({"more": "timeout: .inf"}, "'timeout'"),
        ({"more": "timeout: .nan"}, "'timeout'"),
        ({"more": "builds: 1000000000"}, "'builds'"),
        ({"more": "repeats: 1000000000"}, "'repeats'"),
        ({"more": "threads: 99999999999"}, "'threads'"),
        ({"more": "precision: 0"}, "'precision'"),
        ({"more": "precision: 200%"}, "'precision'"),
        ({"more": "extra_seconds: -1"}, "'extra_seconds'"),
        ({"more": "threads: 100000"}, "'threads'"),
        ({"more": "build_threads: 100000"}, "'build_threads'"),
        ({"more": f"memory: {'9' * 400}GiB"}, "'memory'"),
        ({"more": f"memory: {'9' * 300}"}, "'memory'"),
        ({"more": "memory: 1.2.3GiB"}, "'memory'"),
        ({"more": "precision: nan%"}, "'precision'"),
        ({"more": "precision: often"}, "'precision'"),
        ({"more": r'about: "\e[31m"'}, "'about'"),
        ({"more": f"about: {'x' * 5000}"}, "'about'"),
        ({"more": r'baseline: "a\0b"'}, "'baseline'"),
        ({"algorithms": r'{pq: {build: {M: "a\0b"}}}'}, "'algorithms.pq.build.M'"),
        ({"algorithms": r'{pq: {build: {M: [4, ["\e[31m"]]}}}'}, "'algorithms.pq.build.M'"),
        ({"algorithms": f"{{pq: {{build: {{M: {'x' * 5000}}}}}}}"}, "'algorithms.pq.build.M'"),
        ({"algorithms": f"{{pq: {{build: {{M: {'9' * 390}}}}}}}"}, "'algorithms.pq.build.M'"),
        ({"algorithms": f"{{pq: {{build: {{M: {'9' * 5000}}}}}}}"}, "'algorithms.pq.build.M'"),
    ],
)
def test_numbers_out_of_bounds_are_refused_with_key_and_line(tmp_path, values, key):
    with pytest.raises(UserError) as caught:
        read(tmp_path, **values)
    assert caught.value.what == f"wrong value for {key}"
    assert "odd.yml:" in str(caught.value.where)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", "1e308", "1e400"])
def test_parameters_may_be_any_float(tmp_path, value):
    read(tmp_path, algorithms=f"{{pq: {{build: {{M: {value}}}}}}}")


def test_a_grid_that_multiplies_out_to_minutes_of_work_is_refused(tmp_path):
    many = ", ".join(map(str, range(1, 1001)))
    grid = f"{{pq: {{build: {{M: [{many}]}}, search: {{rerank: [{many}]}}}}}}"
    with pytest.raises(UserError, match="pq multiplies out to 1,000,000 settings") as caught:
        read(tmp_path, algorithms=grid)
    assert str(caught.value.where).endswith("odd.yml:3")


ENTRY = """\
odd:
  adapter: adapter:Odd
  about: Odd.
  metrics: [angular]
  build: {{text: [1]}}
  search: {{ef: 1}}
  {key}: {value}
"""
ESCAPE = r'"\e[31mRED"'


def entry(folder, key, value):
    path = folder / "algorithms" / "odd"
    path.mkdir(parents=True)
    (path / "adapter.py").write_text("class Odd: ...\n")
    text = ENTRY.format(key=key, value=value)
    if key in ("about", "build"):  # in place of its own line
        own = next(line for line in text.splitlines() if line.startswith(f"  {key}:"))
        text = text.replace(own + "\n", "", 1)
    (path / "config.yml").write_text(text)
    return load_registry([folder])


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("about", ESCAPE, "wrong value for 'about'"),
        ("about", "x" * 3000, "wrong value for 'about'"),
        ("build", f"{{text: [{ESCAPE}]}}", "wrong value for 'build.text'"),
        ("build", r'{text: ["a\0b"]}', "wrong value for 'build.text'"),
        ("build", f"{{text: {{{ESCAPE}: 1}}}}", "wrong value for 'build.text'"),
        ("build", f"{{text: ['{'x' * 3000}']}}", "wrong value for 'build.text'"),
        ("build", f"{{text: [{'9' * 390}]}}", "wrong value for 'build.text'"),
        ("build", f"{{? {'x' * 150} : 1}}", "wrong value for 'build"),
        ("groups", f"{{{ESCAPE}: {{}}}}", "wrong value for 'groups"),
        ("require", f'{{"d > 3": {ESCAPE}}}', "wrong value for 'require"),
        ("require", f"{{'d > 3': '{'x' * 3000}'}}", "wrong value for 'require"),
        ("requires", f"[{ESCAPE}]", "wrong value for 'requires.0'"),
        ("expected_failures", f"{{same-seed: {ESCAPE}}}", "wrong value for 'expected_failures"),
        ("where", ESCAPE, "wrong value for 'where'"),
        ("build", f"{{text: {list(range(50_000))}}}", "multiplies out to 50,000 settings"),
        ("groups", f"{{big: {{search: {{ef: {list(range(50_000))}}}}}}}", "50,000 settings"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_odd_text_in_an_entry_is_refused_with_file_and_line(tmp_path, key, value, words):
    with pytest.raises(UserError) as caught:
        entry(tmp_path, key, value)
    told = caught.value.describe()
    assert words in told
    assert "config.yml:" in str(caught.value.where)
    assert "\x1b" not in told
    assert len(told) < 2000


def test_a_name_of_5000_characters_is_refused(tmp_path):
    path = tmp_path / "algorithms" / "odd"
    path.mkdir(parents=True)
    (path / "config.yml").write_text(f"? {'x' * 900}\n: {{}}\n")
    with pytest.raises(UserError, match="an entry cannot be called"):
        load_registry([tmp_path])


FOREIGN = """\
float:
  euclidean:
  - {{name: theirs, module: ann_benchmarks.algorithms.theirs, constructor: Theirs, base_args: [],
     run_groups: {{one: {{args: {args}, query_args: {query_args}}}}}}}
"""


def foreign(folder, args, query_args="[]"):
    path = folder / "algorithms" / "theirs"
    path.mkdir(parents=True)
    theirs = FOREIGN.format(args=args, query_args=query_args)
    place = folder / "their-folder" / "theirs"
    place.mkdir(parents=True)
    (place / "module.py").write_text("class Theirs:\n    def __init__(self, a, b): ...\n")
    (place / "config.yml").write_text(theirs)
    (path / "config.yml").write_text(f"theirs: {{from: ann-benchmarks, path: {place}}}\n")
    return load_registry([folder])


def test_a_foreign_configuration_is_read(tmp_path):
    assert foreign(tmp_path, "[[1, 2], [3]]").algorithm("theirs").build == {"a": [1, 2], "b": 3}


LAUGHS = "[" + ", ".join(f"&a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else '1'}]" for n in range(9))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (f"[[{ESCAPE}]]", "control characters"),
        (r'[["a\0b"]]', "control characters"),
        (f"[['{'x' * 3000}']]", "control characters"),
        (f"[{list(range(200))}, {list(range(200))}]", "40,000 combinations"),
        ("[[2020-01-01]]", "type date"),
        ("&a [*a]", "levels"),
        (LAUGHS + "]", "levels or 100,000 values"),
        (f"[[{'9' * 400}]]", "no float64 holds"),
    ],
    ids=["escape", "NUL", "long", "grid", "date", "itself", "laughs", "number"],
)
def test_an_odd_foreign_configuration_is_refused(tmp_path, args, words):
    with pytest.raises(UserError) as caught:
        foreign(tmp_path, args)
    assert words in str(caught.value.got)


def test_a_foreign_configuration_of_endless_searches_is_refused(tmp_path):
    with pytest.raises(UserError, match="theirs multiplies out to 40,000 settings"):
        foreign(tmp_path, f"[{list(range(200))}]", f"[{list(range(200))}]")


def test_a_pipe_for_a_registry_file_is_not_opened(tmp_path):
    path = tmp_path / "algorithms" / "odd"
    path.mkdir(parents=True)
    os.mkfifo(path / "config.yml")
    with pytest.raises(UserError, match="no regular file"):
        load_registry([tmp_path])


def test_a_character_that_may_stand_nowhere_is_told_with_its_line(tmp_path):
    path = tmp_path / "odd.yml"
    path.write_text("# é\nk: 5\nabout: a\0b\n")
    with pytest.raises(UserError) as caught:
        read_suite(str(path), {})
    assert str(caught.value.where) == f"{path}:3"


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"builds": 10**9}, "builds"),
        ({"repeats": 10**9}, "repeats"),
        ({"k": [0]}, "k"),
        ({"threads": 10**6}, "threads"),
        ({"timeout": float("inf")}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"precision": "0"}, "precision"),
        ({"precision": "nan"}, "precision"),
        ({"precision": "9" * 5000 + "%"}, "precision"),
    ],
)
def test_options_have_the_bounds_of_a_suite_file(tmp_path, given, option):
    with pytest.raises(UserError) as caught:
        overridden(read(tmp_path), **given)
    assert caught.value.what == f"wrong value for {option}"
    assert len(str(caught.value)) < 1000


def test_a_precision_of_the_command_line_replaces_that_of_the_suite(tmp_path):
    suite = read(tmp_path, more="precision: 2%")
    assert overridden(suite).precision == 0.02
    assert overridden(suite, precision="1%").precision == 0.01
    assert overridden(suite, precision="off").precision is None


WHOLE = b"k: 5\ndatasets: glove-50-10k\nalgorithms: exact\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xef\xbb\xbf" + WHOLE, None),
        (WHOLE.replace(b"\n", b"\r\n"), None),
        (b"%YAML 1.2\n---\n" + WHOLE + b"...\n", None),
        (WHOLE.decode().encode("utf-16"), "no UTF-8 text"),
        (b"about: caf\xe9\n" + WHOLE, "the byte 0xe9 at 10"),
        (b"", "keys with values"),
        (b"# nothing\n", "keys with values"),
        (b"- k\n", "keys with values"),
        (WHOLE + b"---\n" + WHOLE, "another document"),
        (b"k: 3\n" + WHOLE, "duplicate key 'k'"),
        (b"<<: {k: 5}\n" + WHOLE, "unknown key '<<'"),
        (b"? [a, b]\n: 1\n" + WHOLE, "got:      a list or mapping"),
        (b"1: 2\n" + WHOLE, "a key must be text"),
        (WHOLE.replace(b"k: 5", b"k: 1:30"), "valid integer"),
        (WHOLE.replace(b"k: 5", b"k: !!int 5"), None),
        (WHOLE.replace(b"k: 5", b"k:\t5\n\t"), "not valid YAML"),
        (WHOLE.replace(b"exact", b"{exact: [[]]}"), "algorithms.exact"),
        (WHOLE.replace(b"exact", b"{exact: {build: [1]}}"), "keys with values"),
        (WHOLE.replace(b"exact", b"&a [*a]"), "contains itself"),
        (b"mode: sideways\n" + WHOLE, "'mode'"),
        (b"\x00" + WHOLE, "not valid YAML"),
        (b"about: " + b"x" * (5 << 20) + b"\n" + WHOLE, "at most 4 MiB"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else "",
)
def test_bytes_of_suite_files(tmp_path, content, words):
    path = tmp_path / "odd.yml"
    path.write_bytes(content)
    if words is None:
        assert [one.algorithm for one in read_suite(path, load_registry().algorithms).variants] == [
            "exact"
        ]
        return
    with pytest.raises(UserError) as caught:
        read_suite(path, load_registry().algorithms)
    assert words in caught.value.describe()
    assert len(caught.value.describe()) < 1000


def test_a_list_of_names_is_a_set_of_algorithms(tmp_path):
    suite = read(tmp_path, algorithms="[exact, pq]")
    assert [variant.algorithm for variant in suite.variants] == ["exact", "pq"]


@pytest.mark.parametrize(
    ("text", "expected"), [("5%", 0.05), ("0.02", 0.02), ("off", None), ("null", None)]
)
def test_precision_may_be_a_share_or_off(tmp_path, text, expected):
    assert read(tmp_path, more=f"precision: {text}").precision == expected
