"""Locks between processes and threads: run with `pytest tests/test_locks.py`."""

import errno
import multiprocessing
import os
import signal
import threading

import pytest

from prunescope.locks import Locked, held, is_held


@pytest.fixture
def lock(tmp_path):
    return tmp_path / ".lock"


def hold(path, held_now, let_go):
    with held(path):
        held_now.set()
        let_go.wait(60)


@pytest.fixture
def elsewhere(lock):
    """Start a process that holds the lock; yield it with the event that ends it."""
    context = multiprocessing.get_context("fork")
    held_now, let_go = context.Event(), context.Event()
    process = context.Process(target=hold, args=(lock, held_now, let_go))
    process.start()
    assert held_now.wait(60)
    yield process, let_go
    if process.is_alive():  # Setting an event blocks on processes that wait for it, even killed ones.
        let_go.set()
    process.join()


def test_a_lock_is_held_while_the_block_runs(lock):
    assert not is_held(lock)
    assert not lock.exists()  # Asking does not create the file.
    with held(lock):
        assert is_held(lock)
        with pytest.raises(Locked, match="another process holds this lock"), held(lock):
            raise AssertionError("held twice")
    assert not is_held(lock)
    assert lock.exists()


def test_another_process_is_waited_for_as_long_as_told(lock, elsewhere):
    _, let_go = elsewhere
    assert is_held(lock)
    with pytest.raises(Locked), held(lock, wait=0.1):
        raise AssertionError("held twice")
    threading.Timer(0.1, let_go.set).start()
    with held(lock, wait=None):
        assert is_held(lock)


def test_a_killed_process_holds_nothing(lock, elsewhere):
    process, _ = elsewhere
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not is_held(lock)
    with held(lock):
        pass


def test_an_error_in_the_block_lets_go(lock):
    with pytest.raises(RuntimeError), held(lock, remove=True):
        raise RuntimeError
    assert not lock.exists()


def test_the_block_may_end_in_another_thread(lock):
    block = held(lock)
    block.__enter__()
    other = threading.Thread(target=block.__exit__, args=(None, None, None))
    other.start()
    other.join()
    assert not is_held(lock)


def take_turns(path, inside, most, times):
    for _ in range(times):
        with held(path, wait=None, remove=True):
            with inside.get_lock():
                inside.value += 1
                most.value = max(most.value, inside.value)
            with inside.get_lock():
                inside.value -= 1


def test_of_those_that_wait_for_a_file_that_is_removed_one_at_a_time_holds_it(lock):
    context = multiprocessing.get_context("fork")
    inside, most = context.Value("i", 0), context.Value("i", 0)
    processes = [context.Process(target=take_turns, args=(lock, inside, most, 20)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert most.value == 1
    assert not lock.exists()


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_a_place_that_takes_no_file_is_said(lock, make):
    make(lock)
    with pytest.raises(OSError, match="not a file that can be locked"), held(lock):
        pass


def test_a_lock_whose_file_may_only_be_read_can_be_asked(tmp_path, monkeypatch):
    lock = tmp_path / ".lock"

    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    with held(lock):
        monkeypatch.setattr("prunescope.locks.held", refuse)
        assert is_held(lock)
    lock.touch()
    assert not is_held(lock)
