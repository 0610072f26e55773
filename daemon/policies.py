"""The limits and manners of scripts, as the configuration sets them, for the engine."""

from __future__ import annotations

from pathlib import Path

from daemon.files import Files
from daemon.settings import HttpTool, Settings
from engine.policy import Policy


def policy_of(settings: Settings) -> Policy:
    """Return the limits and manners of scripts that the configuration sets."""
    hear = settings.hear
    language = settings.scripts.language
    sentences = hear.sentences.get(language) or hear.sentences.get(language.split("-")[0]) or {}
    return Policy(
        steps_per_turn_max=settings.limits.steps_per_turn_max,
        call_depth_max=settings.limits.call_depth_max,
        state_bytes_max=settings.limits.state_bytes_max,
        hear_tries=hear.tries,
        llm_tool_rounds_max=settings.llm.tool_rounds_max,
        keyword_seconds_max=settings.requests.keyword_seconds_max,
        language=language,
        sentences=sentences,
        reserved={answer.strip().casefold(): act for act, said in hear.reserved.items() for answer in said},
        tools_in_doubt={
            n.lower(): t.in_doubt for n, t in settings.tools.items() if isinstance(t, HttpTool) and t.in_doubt
        },
    )


def files_of(settings: Settings) -> Files:
    """Return the files that scripts may read."""
    data = settings.data
    directory = Path(data.files_directory or settings.scripts_dir)
    return Files(directory, bytes_max=data.file_bytes_max, rows_max=data.rows_max)
