"""Processes of a pool do not outlive the one that began them."""

from threading import Event

from lapdepth.io import processes


def test_a_process_whose_parent_is_killed_ends_too(monkeypatch):
    killed, ended = Event(), Event()

    class Parent:
        join = staticmethod(killed.wait)

    monkeypatch.setattr(processes, "parent_process", Parent)
    monkeypatch.setattr(processes.os, "_exit", lambda status: ended.set())
    processes.end_with_parent()
    processes.end_with_parent.cache_clear()
    assert not ended.is_set()
    killed.set()
    assert ended.wait(10)
