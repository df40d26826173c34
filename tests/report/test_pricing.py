"""What queries cost, from the price of a machine."""

from __future__ import annotations

import pytest

from harness.contracts import UserError
from harness.report.analysis.pricing import COST, priced, prices_of


def test_the_cost_is_the_price_of_the_time(table):
    found = priced(table, {"": 3.6})
    ok = found[found["status"] == "ok"]
    assert ok[COST].to_numpy() == pytest.approx(1000 / ok["qps"].to_numpy())
    assert ok[f"{COST}_low"].to_numpy() == pytest.approx(
        1000 / ok["qps_high"].to_numpy(), nan_ok=True
    )
    assert found.loc[found["status"] != "ok", COST].isna().all()
    assert found.columns.tolist() == table.columns.tolist()


def test_without_a_price_the_cost_is_unknown(table):
    assert priced(table, {}) is table
    assert table[COST].isna().all()


def test_the_longest_part_of_a_name_decides(table):
    machine = table["machine"].iloc[0]
    others = table.assign(machine="other")
    both = {machine[:4]: 1.0, machine: 2.0}
    ok = table[table["status"] == "ok"].index[0]
    assert priced(table, both)[COST][ok] == pytest.approx(2e6 / 3600 / table["qps"][ok])
    with pytest.raises(UserError, match="no machine in these results"):
        priced(others, both)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(["0.34"], {"": 0.34}), (["EPYC=1", "2"], {"EPYC": 1.0, "": 2.0}), (["a=b=0"], {"a=b": 0.0})],
)
def test_prices_are_read(given, expected):
    assert prices_of(given) == expected


@pytest.mark.parametrize("given", [["free"], ["-1"], ["nan"], ["inf"], ["EPYC="], ["1", "2"]])
def test_what_is_no_price_is_refused(given):
    with pytest.raises(UserError, match="price"):
        prices_of(given)
