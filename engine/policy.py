"""The limits and manners that the configuration sets for scripts, handed to the engine as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

STEPS_PER_TURN_MAX = 100_000
STEPS_PER_SLICE_MAX = 500  # about 5 ms: what one conversation may take before others get their turn
CALL_DEPTH_MAX = 200
STATE_BYTES_MAX = 1_048_576
HEAR_TRIES = 3
LLM_TOOL_ROUNDS_MAX = 8
KEYWORD_SECONDS_MAX = 3_600.0  # how long a keyword of somebody else waits for its answer


@dataclass(frozen=True, slots=True)
class Policy:
    """What scripts may use and how HEAR speaks: counts, bytes, an IETF language tag, sentences by type."""

    steps_per_turn_max: int = STEPS_PER_TURN_MAX
    steps_per_slice_max: int = STEPS_PER_SLICE_MAX
    call_depth_max: int = CALL_DEPTH_MAX
    state_bytes_max: int = STATE_BYTES_MAX
    hear_tries: int = HEAR_TRIES
    llm_tool_rounds_max: int = LLM_TOOL_ROUNDS_MAX
    keyword_seconds_max: float = KEYWORD_SECONDS_MAX
    language: str = "en"
    sentences: Mapping[str, str] = field(default_factory=dict)
    reserved: Mapping[str, str] = field(default_factory=dict)  # an answer, folded -> cancel, restart, …
    tools_in_doubt: Mapping[str, str] = field(default_factory=dict)  # a tool's name -> repeat or park, where it says so
