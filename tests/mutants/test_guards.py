"""The list of guards fits the files: each text is where it is said to be, once, and each test is there."""

from tests.mutants.guards import read_guards, stale


def test_every_guard_can_be_broken_and_names_tests_that_are_there() -> None:
    guards = read_guards()

    assert stale(guards) == []
    assert len(guards) >= 90
