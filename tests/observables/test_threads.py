"""Threads that share work: run with `pytest tests/observables/test_threads.py`."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from prunescope.mask import Mask
from prunescope.observables import locality, measure
from prunescope.observables.threads import in_order, using_cores, using_threads


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_results_come_in_the_order_of_the_items(threads):
    with using_threads(threads):
        assert list(in_order(lambda x: x * x, range(20))) == [x * x for x in range(20)]
        assert list(in_order(abs, [])) == []


def test_several_threads_work_at_a_time_and_few_results_wait():
    both, drawn = threading.Barrier(2, timeout=60), []

    def items():
        for number in range(8):
            drawn.append(number)
            yield number

    def meet(number):
        both.wait()  # passes only once two threads are here
        return number

    with using_threads(2):
        results = in_order(meet, items())
        assert next(results) == 0
        assert len(drawn) == 3
        assert list(results) == list(range(1, 8))


def test_without_a_block_it_is_the_callers_thread_and_the_number_ends_with_the_block():
    def here(_):
        return threading.current_thread()

    with using_threads(2):
        assert threading.current_thread() not in set(in_order(here, range(4)))
    assert set(in_order(here, range(4))) == {threading.current_thread()}


def test_products_of_matrices_use_one_thread_while_cores_are_shared():
    def blas_threads():
        return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]

    before = blas_threads()
    with using_cores():
        inside = blas_threads()
    assert inside == [1] * len(before)
    assert inside
    assert blas_threads() == before


@pytest.mark.parametrize("most", [0, 1])
def test_large_results_may_have_fewer_threads(most):
    with using_threads(3):
        found = list(in_order(lambda _: threading.current_thread(), range(3), most))
    assert found == [threading.current_thread()] * 3


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_reaches_the_caller(threads):
    def divided(number):
        return 1 / number

    with using_threads(threads), pytest.raises(ZeroDivisionError):
        list(in_order(divided, [1, 0, 1, 1]))


def test_observables_of_a_mask_do_not_depend_on_threads():
    rng = np.random.default_rng(0)
    mask = Mask(rng.random((150, 3 * 8 * 8)) < rng.random((150, 1)) * 0.6)
    one = measure(mask, (3, 8, 8)).to_dict(), locality(mask, (3, 8, 8))
    with using_threads(3):
        three = measure(mask, (3, 8, 8)).to_dict(), locality(mask, (3, 8, 8))
    assert three[0] == one[0]
    assert (three[1].same == one[1].same).all()
    assert (three[1].different == one[1].different).all()
