"""Killing real processes: the daemon, PostgreSQL, and both at chosen places. `python -m tests.faults --help`."""
