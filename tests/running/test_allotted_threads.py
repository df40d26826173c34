"""What an adapter with a pool of its own is told."""

import threading

from harness.contracts import allotted_threads
from harness.running.worker.libraries import pools_limited


def test_an_adapter_learns_its_pool_size_while_it_holds():
    assert allotted_threads() == 1
    with pools_limited(3):
        assert allotted_threads() == 3
        with pools_limited(2):
            assert allotted_threads() == 2
        assert allotted_threads() == 3
    assert allotted_threads() == 1


def test_each_client_has_its_own():
    seen = []
    with pools_limited(4):
        client = threading.Thread(target=lambda: seen.append(allotted_threads()))
        client.start()
        client.join()
    assert seen == [1]
