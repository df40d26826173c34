"""The pages of the site and what each of them is about."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from harness.contracts import UserError
from harness.report.analysis.curves import styles_of
from harness.report.analysis.describing import DatasetAbout
from harness.report.analysis.points import (
    ComparisonGroup,
    comparison_groups,
    prepare,
    rows_of,
    slug,
)
from harness.report.analysis.recommendations import LEVELS, Recommendation, recommendations
from harness.report.analysis.standings import Rankings, Standing, rankings, standings
from harness.report.comparing.history import PointHistory
from harness.report.curve_styles import CurveStyle
from harness.text import Json

_COMMIT = "{commit}"
_HASH = re.compile("[0-9a-f]{7,64}")


@dataclass(frozen=True)
class Page:
    """One page: `name` is its file without the ending, `values` go to the template."""

    name: str
    title: str
    template: str
    values: Json = field(default_factory=dict)


@dataclass(frozen=True)
class SiteChoices:
    """The user's choices for a site.

    `levels` are the recalls at which there are recommendations and comparisons; of curves in
    `highlight`, all others are grey; `title` is the heading of the front page; `commit_url` is the
    address of a commit of the harness, with `{commit}` in the place of its hash.

    Raises
    ------
    UserError
        If `commit_url` is no such address.
    """

    levels: Sequence[float] = LEVELS
    highlight: Collection[str] = ()
    title: str = "Which index is fastest?"
    commit_url: str | None = None

    def __post_init__(self) -> None:
        url = self.commit_url
        if url is not None and not (url.startswith("https://") and url.count(_COMMIT) == 1):
            raise UserError(
                "this is no address of commits",
                where="commit_url",
                expected=f"https://... with {_COMMIT} in the place of the hash",
                got=url,
            )

    def address_of(self, commit: str) -> str | None:
        """Return the address of a commit, None without `commit_url` or for what is no hash."""
        if self.commit_url is None or not _HASH.fullmatch(commit):
            return None
        return self.commit_url.replace(_COMMIT, commit)


USUAL = SiteChoices()


@dataclass(frozen=True, eq=False)
class Judged:
    """A comparison group with its recommendations by level of recall."""

    group: ComparisonGroup
    levels: Sequence[float]
    found: Mapping[float, Recommendation]

    @cached_property
    def standings(self) -> Mapping[float, Mapping[str, Standing]]:
        """How each curve stands at each level of recall."""
        return {level: standings(self.group, self.found.get(level), level) for level in self.levels}

    @cached_property
    def rankings(self) -> Rankings:
        """How the curves stand at every recall, also at these levels."""
        return rankings(self.group, self.levels)


@dataclass(frozen=True, eq=False)
class Content:
    """A prepared table, its comparison groups by dataset, and the names of their pages.

    `judged` are the groups that are compared by QPS, `under_load` the others that have a point;
    both have every dataset, perhaps without a group.
    """

    table: pd.DataFrame
    judged: Mapping[str, Sequence[Judged]]
    under_load: Mapping[str, Sequence[ComparisonGroup]]
    styles: Mapping[str, CurveStyle]
    dataset_pages: Mapping[str, str]
    algorithm_pages: Mapping[str, str]
    families: Mapping[str, str]
    choices: SiteChoices
    history: Sequence[PointHistory] = ()

    @property
    def by_dataset(self) -> Mapping[str, Sequence[ComparisonGroup]]:
        """The comparison groups of each dataset."""
        return {name: [one.group for one in found] for name, found in self.judged.items()}

    @cached_property
    def about(self) -> Mapping[str, DatasetAbout]:
        """What is known of each dataset."""
        named = self.table[["dataset", "dataset_about"]].groupby("dataset")
        return {str(name): about_of(rows) for name, rows in named}

    @property
    def every_judged(self) -> Sequence[Judged]:
        """All of them, in the order of their datasets."""
        return [one for found in self.judged.values() for one in found]


def content_of(
    table: pd.DataFrame,
    choices: SiteChoices = USUAL,
    history: Sequence[PointHistory] = (),
) -> Content:
    """Return the content of a table; stale points are left out, except in the history."""
    prepared = prepare(table)
    found = list(comparison_groups(prepared))
    loaded = list(comparison_groups(prepared, under_load=True))
    names = sorted({str(name) for name in prepared["dataset"]})
    judged: dict[str, list[Judged]] = {name: [] for name in names}
    under_load: dict[str, list[ComparisonGroup]] = {name: [] for name in names}
    for group in found:
        chosen = {one.level: one for one in recommendations(group, choices.levels)}
        judged[group.dataset].append(Judged(group, choices.levels, chosen))
    for group in loaded:
        under_load[group.dataset] += [group] if len(group.points) else []
    families = {
        str(row["algorithm"]): str(row["family"])
        for row in rows_of(prepared.drop_duplicates("algorithm"))
        if isinstance(row["family"], str)
    }
    algorithms = sorted({str(name) for name in prepared["algorithm"]}) if len(prepared) else []
    return Content(
        table=prepared,
        judged=judged,
        under_load=under_load,
        styles=styles_of([*found, *loaded], choices.highlight),
        dataset_pages={name: page_name("dataset", name) for name in names},
        algorithm_pages={name: page_name("algorithm", name) for name in algorithms},
        families=families,
        choices=choices,
        history=history,
    )


def about_of(rows: pd.DataFrame) -> DatasetAbout:
    """Return what is known of the dataset of some rows, from the first that knows anything."""
    known: list[DatasetAbout] = [about for about in rows["dataset_about"] if about]
    return known[0] if known else {}


def page_name(kind: str, name: str) -> str:
    """Return a file name for a page about anything, distinct for distinct names."""
    return f"{kind}-{slug(name, longest=50, distinct=True)}"
