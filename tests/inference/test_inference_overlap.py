"""Reading, working and writing side by side: order, errors, and no more in memory than promised."""

import threading

import pytest

from lapdepth.errors import InputError, ReadError
from lapdepth.inference.overlap import AHEAD, overlapped


def test_order_and_errors():
    written = []

    def read(number):
        if number == 2:
            raise ReadError("two")
        return number * 10

    def work(value):
        if value == 40:
            raise InputError("forty")
        return value + 1

    done = list(overlapped(range(6), read, work, lambda number, value: written.append((number, value))))
    assert [(number, str(error) if error else None) for number, error in done] == [
        (0, None),
        (1, None),
        (2, "two"),
        (3, None),
        (4, "forty"),
        (5, None),
    ]
    assert written == [(0, 1), (1, 11), (3, 31), (5, 51)]


def test_the_next_is_read_while_one_is_in_work():
    read_two = threading.Event()

    def read(number):
        if number == 1:
            read_two.set()
        return number

    def work(number):
        assert number or read_two.wait(30), "number 1 was not read while 0 was in work"
        return number

    assert [number for number, _ in overlapped(range(2), read, work, lambda number, made: None)] == [0, 1]


def test_work_goes_on_while_one_is_written():
    worked_two = threading.Event()

    def work(number):
        if number == 1:
            worked_two.set()
        return number

    def write(number, made):
        assert number or worked_two.wait(30), "number 1 was not worked on while 0 was written"

    assert [error for _, error in overlapped(range(3), lambda number: number, work, write)] == [None] * 3


def test_few_are_held_at_once():
    held, most = 0, 0
    lock = threading.Lock()

    def change(by):
        nonlocal held, most
        with lock:
            held += by
            most = max(most, held)

    list(overlapped(range(50), lambda number: change(1), lambda value: value, lambda number, made: change(-1)))
    assert (held, most <= 2 * AHEAD + 2) == (0, True)


def test_a_mistake_of_the_program_is_raised():
    with pytest.raises(ZeroDivisionError):
        list(overlapped(range(3), lambda number: number, lambda value: value, lambda number, made: 1 / number))


def test_several_are_in_work_at_once_and_no_more_than_asked_for():
    both = threading.Barrier(2, timeout=30)
    busy, most = 0, 0
    lock = threading.Lock()

    def work(number):
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        both.wait()  # breaks unless two are here together
        with lock:
            busy -= 1
        return number

    done = list(overlapped(range(8), lambda number: number, work, lambda number, made: None, workers=2, writers=4))
    assert [number for number, _ in done] == list(range(8))
    assert most == 2


def test_with_one_writer_the_order_is_kept_though_later_ones_are_made_first():
    second_made = threading.Event()
    written = []

    def work(number):
        if number == 0:
            assert second_made.wait(30), "number 1 was not made beside number 0"
        else:
            second_made.set()
        return number

    list(overlapped(range(6), lambda number: number, work, lambda number, made: written.append(number), workers=3))
    assert written == list(range(6))


def test_one_that_fails_does_not_keep_the_others_waiting():
    def read(number):
        if number % 3 == 0:
            raise ReadError("no")
        return number

    done = overlapped(range(20), read, lambda number: number, lambda number, made: None, workers=2)
    assert [number for number, error in done if error is None] == [number for number in range(20) if number % 3]


def test_closed_early_nothing_new_is_begun():
    worked, written = [], []
    running = overlapped(
        range(100), lambda number: number, lambda number: worked.append(number), lambda *done: written.append(done)
    )
    next(running)
    running.close()
    assert len(worked) <= 2 + 2 * AHEAD
    assert len(written) == len(worked)
