"""Statements of the dialect that this version does not run yet: each gets a compile error that says so."""

from __future__ import annotations

_FAMILIES = {
    "HTTP": "POST, PUT, PATCH, DELETE HTTP, GRAPHQL, SET HEADER, CLEAR HEADERS, SET_HEADER, GET",
    "language model": "LLM, REWRITE, BEGIN SYSTEM PROMPT, SYSTEM PROMPT, USE MODEL",
    "mail": "SEND MAIL, SEND EMAIL, SEND TEMPLATE, BEGIN MAIL, CREATE DRAFT",
    "schedule": "SET SCHEDULE, SCHEDULE",
    "event and orchestration": "ORCHESTRATE WORKFLOW, ORCHESTRATE, PUBLISH EVENT, PUBLISH, WAIT FOR EVENT, "
    "WAIT FOR, ON EVENT, WEBHOOK, ON FORM SUBMIT, ON, TRIGGER, BOT SHARE MEMORY, BOT SYNC MEMORY",
    "tool": "USE TOOL, ADD TOOL, CLEAR TOOLS, DESCRIPTION",
    "session": "SET CONTEXT, REMEMBER, RECALL, TRANSFER TO HUMAN, SET USER",
}

LATER: dict[str, str] = {words.strip(): family for family, heads in _FAMILIES.items() for words in heads.split(",")}
