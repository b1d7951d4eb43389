"""How long a test waits before it calls something hung: no test depends on how quick the machine is."""

PROMPTLY_SECONDS = 25
"""Long for anything that works, on any machine; short for what hangs, which the tests' servers do for a minute."""
