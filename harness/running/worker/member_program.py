"""The program of a member of a block: it builds one index and takes turns on request.

It returns ids and times and nothing derived from them. It shares its process with an adapter and
the adapter's libraries, so no distance and no metric is computed here.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Algorithm, Bitmap, Filter, FilteredQueries
from harness.contracts.filters import POST_FILTER
from harness.contracts.resources import JOB_FOLDER_VARIABLE
from harness.data.cache.cached import open_cached
from harness.measures.load import WARM_UP_QUERIES, unit_arrivals
from harness.running.blocks import BlockSpec, SettingSpec
from harness.running.machine.cpus import pin_all_threads
from harness.running.messages import (
    UNLIMITED_SECONDS,
    Answered,
    BuildIndex,
    Built,
    Channel,
    Close,
    CountDistances,
    Counted,
    Describe,
    Described,
    Done,
    Finish,
    Finished,
    Message,
    Phase,
    ProtocolError,
    Ready,
    Start,
    TakeTurn,
    WarmUp,
)
from harness.running.processes.memory import trimmed_anonymous_bytes
from harness.running.worker.adapters import failure_of, load_adapter, rows_for, with_seed
from harness.running.worker.answers import are_lists, checked_tables, ids_of
from harness.running.worker.filtered_search import (
    Ask,
    Bitmaps,
    FilteredQuery,
    filtering,
    post_filtering,
    with_filters,
)
from harness.running.worker.libraries import Pools, library_provenance
from harness.running.worker.load_turns import LoadTurn, load_turn_function
from harness.running.worker.timing import TurnFunction, keep_out_of_collections, turn_function
from harness.text import Json

_REWARM_SHARE = 0.25  # of the time of the last turn
_REWARM_LEAST_SECONDS, _REWARM_MOST_SECONDS = 0.001, 0.02
_WARM_UP_SECONDS = 2.0
_WARM_UP_SHARE = 10  # one of so many queries of a batch, which no time limit ends
_MOST_WARNINGS, _WARNING_CHARACTERS = 5, 1000  # of a build, and of each of them
_CLIENTS_REWARM = 32  # queries: with several clients there is no time limit


@dataclass(frozen=True)
class MemberStart:
    """The input of a member: a block with only this member, and its processors."""

    block: BlockSpec
    search_cpus: tuple[int, ...] | None

    def to_json(self) -> Json:
        """Return plain data."""
        return {"block": self.block.to_json(), "search_cpus": self.search_cpus}

    @classmethod
    def from_json(cls, data: Json) -> MemberStart:
        """Return what `to_json` wrote."""
        cpus = data["search_cpus"]
        return cls(BlockSpec.from_json(data["block"]), tuple(cpus) if cpus else None)


def main(channel: Channel) -> None:
    """Serve requests until `Close`; the program of the child process."""
    start = channel.wait()
    if not isinstance(start, Start):
        raise ProtocolError(f"{type(start).__name__} before Start")
    member = _Member(channel, MemberStart.from_json(start.spec))
    request: Message = start
    while not isinstance(request, Close):
        try:
            answer = member.answer(request)
        except Exception as error:
            answer = failure_of(error)
        channel.send(answer)
        request = channel.wait()
    member.close()
    channel.send(Done())


class _Member:
    """The member that the worker serves."""

    def __init__(self, channel: Channel, start: MemberStart) -> None:
        self._channel = channel
        self._block = start.block
        self._search_cpus = start.search_cpus
        self._spec = start.block.members[0]
        self._folder = _working_folder()
        self._pools: Pools
        self._turns: dict[int, TurnFunction] = {}
        self._load_turns: dict[int, LoadTurn] = {}
        self._last_seconds: dict[int, float] = {}
        self._algorithm: Algorithm | None = None
        self._filters: FilteredQueries | None = None
        self._bitmaps: Bitmaps | None = None
        self._warned: list[str] = []

    def answer(self, request: Message) -> Message:
        """Handle a request."""
        if isinstance(request, TakeTurn):
            return self._take_turn(request)
        if isinstance(request, Start):
            return self._load()
        if isinstance(request, BuildIndex):
            return self._build()
        if isinstance(request, WarmUp):
            return self._warm_up(request)
        if isinstance(request, Describe):
            return self._describe(request.setting)
        if isinstance(request, CountDistances):
            return self._count_distances(request)
        if isinstance(request, Finish):
            return self._finish()
        raise ProtocolError(f"{type(request).__name__} is no request")

    def close(self) -> None:
        """Close the adapter."""
        if self._algorithm is not None:
            try:
                self._algorithm.close()
            except Exception:
                traceback.print_exc()

    @property
    def _index(self) -> Algorithm:
        if self._algorithm is None:
            raise ProtocolError("asked before the index was built")
        return self._algorithm

    def _load(self) -> Message:
        """Load the dataset and the adapter; none of it is timed."""
        dataset = open_cached(Path(self._block.dataset))
        adapter = load_adapter(self._spec.adapter)
        build, self._seed = with_seed(adapter, self._spec.build, self._block.number)
        self._algorithm = adapter(self._block.metric, **build)
        self._base, self._queries = rows_for(self._algorithm, dataset)
        self._order = self._block.order(len(self._queries))
        self._filters = dataset.filters if self._spec.origin is not None else None
        if self._filters is not None and self._needs_bitmaps():
            self._bitmaps = Bitmaps.of(self._filters)
        return Ready()

    def _needs_bitmaps(self) -> bool:
        post = any(POST_FILTER in setting.search for setting in self._spec.settings)
        return post or self._spec.adapter.filtered == "bitmap"

    def _build(self) -> Message:
        """Time `fit`, with memory before and after."""
        with Pools().limited(self._block.build_threads):
            self._channel.send(Phase("prepare", None))
            began = time.perf_counter()
            self._index.prepare(self._base.shape)
            prepare_seconds = time.perf_counter() - began
            before = trimmed_anonymous_bytes()
            self._channel.send(Phase("build", None))
            with _user_warnings() as self._warned:
                began = time.perf_counter()
                if self._filters is not None and self._spec.adapter.filtered is not None:
                    self._index.fit_filtered(self._base, self._filters.attributes)
                else:
                    self._index.fit(self._base)
                build_seconds = time.perf_counter() - began
        growth = max(0, trimmed_anonymous_bytes() - before)
        pin_all_threads(self._search_cpus)
        return Built(prepare_seconds, build_seconds, growth, self._seed)

    def _warm_up(self, request: WarmUp) -> Message:
        """Warm up a setting by one untimed pass over the queries, or a part of one."""
        setting = self._spec.settings[request.setting]
        self._activate(request.setting)
        self._pools = Pools()  # libraries may have been loaded since the last time
        with self._pools.limited(self._pool_size):
            self._index.warm_up(self._queries, setting.k)
            self._prepare_turns(request.setting)
            count = request.stop
            if self._block.mode == "batch":
                count = -(-count // _WARM_UP_SHARE)
            done = self._turns[request.setting](self._order[:count], _WARM_UP_SECONDS)
        keep_out_of_collections()
        ids = ids_of(done.answers, len(done.seconds), setting.k)
        return Answered(-1, _narrow(ids), done.seconds, done.wall)

    def _prepare_turns(self, number: int) -> None:
        """Make the functions that take a setting's turns, which convert its answers if need be."""
        setting = self._spec.settings[number]
        first = self._turn_function(setting, lists=False)(self._order[:1], UNLIMITED_SECONDS)
        lists = are_lists(first.answers)
        self._turns[number] = self._turn_function(setting, lists=lists)
        if setting.load is not None:
            self._load_turns[number] = load_turn_function(
                self._index,
                self._queries,
                setting.k,
                self._block.threads,
                setting.load.drop_ms / 1e3,
                answers_are_lists=lists,
            )

    def _take_turn(self, request: TakeTurn) -> Message:
        if request.rate is not None:
            return self._take_load_turn(request, request.rate)
        setting = self._spec.settings[request.setting]
        turn = self._turns[request.setting]
        self._activate(request.setting)
        with self._pools.limited(self._pool_size):
            self._rewarm(turn, request)
            done = turn(self._order[request.start : request.stop], request.seconds)
        self._last_seconds[request.setting] = done.wall
        ids = ids_of(done.answers, len(done.seconds), setting.k)
        return Answered(request.turn, _narrow(ids), done.seconds, done.wall)

    def _take_load_turn(self, request: TakeTurn, rate: float) -> Message:
        """Ask the queries when they are due, after others that fill caches and the queue."""
        setting = self._spec.settings[request.setting]
        self._activate(request.setting)
        window = self._order[request.start : request.stop]
        before = np.resize(np.roll(self._order, -request.start)[::-1], WARM_UP_QUERIES)[::-1]
        asked = np.concatenate([before, window])
        due = unit_arrivals(len(asked), self._block.order_seed, request.cycle) / rate
        with self._pools.limited(self._pool_size):
            done = self._load_turns[request.setting](asked, due, len(window))
        ids = ids_of(done.answers, len(window), setting.k)
        return Answered(
            request.turn, _narrow(ids), done.seconds, done.wall, done.service, done.outcomes
        )

    def _rewarm(self, turn: TurnFunction, request: TakeTurn) -> None:
        """Bring the setting's data back into the caches after the turns of others.

        Uses queries before the window, so that no timed query is asked twice.
        """
        if self._block.mode == "batch":
            return
        share = _REWARM_SHARE * self._last_seconds.get(request.setting, 0.0)
        limit = min(max(share, _REWARM_LEAST_SECONDS), _REWARM_MOST_SECONDS)
        count = request.stop - request.start if self._block.threads == 1 else _CLIENTS_REWARM
        before = np.roll(self._order, -request.start)[-count:]
        turn(before, limit)

    def _describe(self, number: int) -> Message:
        self._activate(number)
        stated = self._index.index_bytes()
        if not isinstance(stated, int | np.integer) or isinstance(stated, bool):
            raise TypeError(f"index_bytes() is {stated!r}, a number of bytes is expected")
        return Described(int(stated))

    def _count_distances(self, request: CountDistances) -> Message:
        self._activate(request.setting)
        k = self._spec.settings[request.setting].k
        queries = self._queries[self._order[: request.stop]]
        queries.flags.writeable = False
        with self._pools.limited(self._pool_size):
            count = self._index.distance_computations(queries, k)
        whole = isinstance(count, int | np.integer) and not isinstance(count, bool)
        if count is not None and not whole:
            raise TypeError(
                f"distance_computations() is {count!r}, a whole number or None is expected"
            )
        return Counted(None if count is None else int(count))

    def _finish(self) -> Message:
        tables = dict(self._index.diagnostics())
        if self._bitmaps is not None:
            tables["filters"] = self._bitmaps.table()
        warned = (*self._warned, *self._mischief())
        return Finished(checked_tables(tables), library_provenance(), warned)

    def _activate(self, number: int) -> None:
        search = self._spec.settings[number].search
        own = {name: value for name, value in search.items() if name != POST_FILTER}
        self._index.set_search(**own)

    @property
    def _pool_size(self) -> int:
        return self._block.threads if self._block.mode == "batch" else 1

    def _turn_function(self, setting: SettingSpec, *, lists: bool) -> TurnFunction:
        block, ask = self._block, None
        queries: NDArray[np.float32] | list[FilteredQuery] = self._queries
        if self._filters is not None:
            ask, forms = self._filtered_search(setting, self._filters)
            queries = with_filters(self._queries, self._filters, forms)
        return turn_function(
            self._index,
            queries,
            setting.k,
            block.mode,
            block.threads,
            ask=ask,
            answers_are_lists=lists,
        )

    def _filtered_search(
        self, setting: SettingSpec, filters: FilteredQueries
    ) -> tuple[Ask, Sequence[Filter | Bitmap]]:
        """The timed call of a setting, and the filters in the form that it takes."""
        bitmaps = self._bitmaps.bitmaps if self._bitmaps is not None else ()
        if POST_FILTER in setting.search:
            return post_filtering(self._index.query, setting.search[POST_FILTER]), bitmaps
        if self._spec.adapter.filtered is None:
            raise TypeError("it does not search with filters")
        forms = bitmaps if self._spec.adapter.filtered == "bitmap" else filters.filters
        return filtering(self._index.query_filtered), forms

    def _mischief(self) -> list[str]:
        """Warnings about misbehaviour of the adapter that was contained."""
        found = []
        if _working_folder() != self._folder:
            found.append("the adapter changed or removed the working folder")
        if os.environ.get(JOB_FOLDER_VARIABLE) != self._folder:
            found.append("the adapter changed the environment")
        if sys.stdout is None or sys.stdout.closed:
            found.append("the adapter closed the standard output")
        return found


@contextmanager
def _user_warnings() -> Iterator[list[str]]:
    """Collect the first different texts of `UserWarning`s; the others are shown as ever."""
    texts: list[str] = []
    with warnings.catch_warnings():
        show = warnings.showwarning

        def hear(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if not issubclass(category, UserWarning):
                show(message, category, *place, **more)
            elif len(texts) < _MOST_WARNINGS:
                text = f"while building: {str(message)[:_WARNING_CHARACTERS]}"
                texts.extend([text] if text not in texts else [])

        # The other actions remember each text that was warned of, however long and many.
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = hear
        yield texts


def _working_folder() -> str | None:
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return None


def _narrow(ids: NDArray[np.int64]) -> NDArray[np.integer]:
    fits = ids.size == 0 or (ids.max() < 1 << 31 and ids.min() >= -(1 << 31))
    return ids.astype(np.int32) if fits else ids
