"""Do members of a block that wait for their turn use the processor while another is timed?

    python tests/performance/silence.py [ENTRY ...]

A block of these entries (by default the databases with threads and servers of their own) is
measured on 2,000 real rows. Before and after every turn the processor time of all other members,
their children among them, is read from /proc. Printed is what each used in the turns of others, as
a share of the time of those turns, and what it used in its own.
"""

from __future__ import annotations

import argparse
import secrets
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from harness.data.cache.folder import cache_folder
from harness.registry.algorithms import AlgorithmDefinition
from harness.registry.registry import load_registry
from harness.registry.settings import Facts, settings
from harness.running.block_specs import origin_of
from harness.running.blocks import AdapterSpec, BlockSpec, MemberSpec, SettingSpec
from harness.running.datasets import open_named
from harness.running.environments.isolated import Environment, EnvironmentFailed, Environments
from harness.running.executors.block import BlockRun
from harness.running.executors.member import Member

DEFAULT = ("milvus-lite", "chroma", "lancedb", "qdrant-local", "faiss-hnsw", "pq")
DATASET, K = "glove-50-10k", 10


def main() -> None:
    """Measure one block and print the accounts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("entries", nargs="*", default=DEFAULT)
    options = parser.parse_args()
    dataset = open_named(DATASET, None)
    facts = Facts(k=K, n=len(dataset.base), d=dataset.base.shape[1], metric=dataset.metric)
    members = tuple(members_of(options.entries, facts))
    block = BlockSpec(
        id=secrets.token_hex(8), number=0, dataset=str(dataset.path),
        fingerprint=dataset.fingerprint, metric=dataset.metric, mode="single", threads=1,
        build_threads=2, search_seconds=2.0, least_seconds=0.3, timeout=300.0,
        memory_bytes=None, members=members,
    )  # fmt: skip
    accounts = Accounts()
    run = BlockRun(block, cache_folder(), lambda title, phase, key: None)
    accounts.watch(run)
    for outcome in run.parts():
        for key, failure in outcome.failed.items():
            print(f"{key} failed: {failure.status}: {failure.reason}")
    accounts.report()


def members_of(names: list[str], facts: Facts) -> Iterator[MemberSpec]:
    """Yield a member for the smoke group, or the first setting, of each entry."""
    registry, environments = load_registry(), Environments()
    for name in names:
        definition = registry.algorithm(name)
        environments.make(definition, print)
        held = environments.of(definition)
        if definition.missing() or isinstance(held, EnvironmentFailed):
            print(f"{name}: not installed")
            continue
        yield member_of(definition, facts, held)


def member_of(
    definition: AlgorithmDefinition, facts: Facts, held: Environment | None
) -> MemberSpec:
    group = "smoke" if "smoke" in definition.groups else None
    setting = next(s for s in settings(definition, facts, group) if s.refusal is None)
    adapter = AdapterSpec(
        definition.module, definition.class_name, (str(definition.folder.root),),
        definition.foreign_call(facts.metric), str(held.python) if held else None,
    )  # fmt: skip
    search = SettingSpec(definition.name, setting.search, facts.k, 5)
    origin = origin_of(definition, held)
    return MemberSpec(
        definition.name, adapter, setting.build, (search,), definition.pausable, origin
    )


class Accounts:
    """Processor time of the members of a block, in their own turns and in those of others."""

    def __init__(self) -> None:
        self.own: defaultdict[str, float] = defaultdict(float)
        self.others: defaultdict[str, float] = defaultdict(float)
        self.own_wall: defaultdict[str, float] = defaultdict(float)
        self.waited: defaultdict[str, float] = defaultdict(float)

    def watch(self, run: BlockRun) -> None:
        """Read the accounts round every turn of the members of a block."""
        turn = Member.turn

        def watched(member, request, setting, queries, watch):
            there = list(run._workers._running)
            before = {one.spec.title: tree_seconds(one) for one in there}
            began = time.monotonic()
            answered = turn(member, request, setting, queries, watch)
            wall = time.monotonic() - began
            for one in there:
                used = tree_seconds(one) - before[one.spec.title]
                if one is member:
                    self.own[one.spec.title] += used
                    self.own_wall[one.spec.title] += wall
                else:
                    self.others[one.spec.title] += used
                    self.waited[one.spec.title] += wall
            return answered

        Member.turn = watched

    def report(self) -> None:
        """Print a line for each member."""
        for title in sorted(self.waited):
            share = self.others[title] / self.waited[title]
            wall = self.own_wall[title]
            own = f"; in its own {self.own[title] / wall:.0%} of the time" if wall else ""
            print(
                f"{title:14s} in others' turns {self.others[title]:.4f} s of "
                f"{self.waited[title]:.1f} s ({share:.3%}){own}"
            )


def tree_seconds(member: Member) -> float:
    """Return the seconds on a processor of all threads of a member's processes so far."""
    total = 0.0
    for pid in member.child.tree.members():
        for task in Path(f"/proc/{pid}/task").iterdir():
            try:
                text = (task / "schedstat").read_text()
            except OSError:
                continue
            total += int(text.split()[0]) * 1e-9
    return total


if __name__ == "__main__":
    main()
