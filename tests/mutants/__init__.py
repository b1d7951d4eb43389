"""Shows that the tests would notice: breaks one guard at a time, and a test has to fail.

``python -m tests.mutants`` (``make mutants``) copies the working tree, breaks a guard of ``guards.yaml`` in the copy,
and runs the tests that are named beside it. A guard is noticed when one of them fails; that something cannot be
installed, imported or set up is no notice, but a mistake in the list. Before that, all of these tests are run while
nothing is broken and have to pass, or a failure would prove nothing. ``--only WORD`` takes the guards whose sentence
holds the word.

A guard is a sentence of what is the case when it is broken, a file, a text that occurs there exactly once, what is put
in its place, and the narrowest tests that must fail. Where two layers keep the same promise, breaking one of them may
go unnoticed, because the other holds: then the list breaks the one that is the last, or both (``changes``).
"""
