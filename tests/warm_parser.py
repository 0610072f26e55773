"""Imported for what it does: the parser of scripts is read, and its lexers made, before a process is forked."""

from engine.compiler import compile_script
from tests import run_state

run_state.use_tables()
compile_script("warm.bas", {"warm.bas": 'HEAR x AS "a", "b" WITH "?"\nTALK "${x}"\n'}, tools=())
