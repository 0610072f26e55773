"""Children, branches and approvals: several executions and people that work for one."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.daemon.conversing import Chat, chatting, execute, fetch

WORKFLOW = """
#workflow
complaint = "broken printer"
ORCHESTRATE WORKFLOW "complaints"
  STEP 1: BOT "classifier" "analyse the complaint"
  TALK "${category} ${urgency}"
  STEP 2: HUMAN APPROVAL FROM "boss@example.com" TIMEOUT 1800
    ON TIMEOUT: ESCALATE TO "director@example.com"
  TALK "${approved} ${approver} ${comment ?? "-"}"
  STEP 3: PARALLEL
    BRANCH A: BOT "refunds" "process"
    BRANCH B:
      HEAR iban WITH "Your IBAN?"
      mailed = iban
  END PARALLEL
  TALK "${result} ${mailed}"
END WORKFLOW
"""
CLASSIFIER = """
#workflow
category = "hardware"
HEAR urgency WITH "How urgent is the ${complaint}? (${task})"
RETURN WITH category AS category, urgency AS urgency
"""
REFUNDS = """
#workflow
WAIT 60
RETURN "refunded ${category}"
"""
FAILING = """
#workflow
PARALLEL
  BRANCH A: THROW "no paper"
  BRANCH B:
    WAIT 60
    SET BOT MEMORY "b", 1
END PARALLEL
"""
DEEP = """
#workflow
BOT "deep"
"""
SCRIPTS = {
    "workflow.bas": WORKFLOW,
    "classifier.bas": CLASSIFIER,
    "refunds.bas": REFUNDS,
    "failing.bas": FAILING,
    "deep.bas": DEEP,
}


async def approvals(dsn: str) -> list[asyncpg.Record]:
    return await fetch(dsn, "select * from workflow_approvals order by created_at, id")


async def decide(chat: Chat, token: str, decision: str, *more: Any) -> tuple[bool, str, str]:
    given = [*more, None, None][:2]
    row = (await fetch(chat.dsn, "select * from workflow_approve($1, $2, $3, $4)", token, decision, *given))[0]
    await chat.idle()
    return row["changed"], row["status"], row["sentence"]


async def test_a_workflow_of_bots_people_and_branches(database: str) -> None:
    async with chatting(database, SCRIPTS) as chat:
        session, execution = await chat.start("workflow.bas")
        assert await chat.said(session) == ["How urgent is the broken printer? (analyse the complaint)"]
        assert await chat.say(session, "very") == ["hardware very"]
        (first,) = await approvals(database)
        assert (first["workflow"], first["people"], first["link"]) == ("complaints", ["boss@example.com"], None)
        await chat.later(1800)
        (second,) = await approvals(database)
        assert second["people"] == ["director@example.com"]
        assert (await decide(chat, first["token"], "approve"))[:2] == (False, "closed")
        assert await decide(chat, second["token"], "approve", "Director@example.com", "ok") == (
            True,
            "approved",
            "It is approved by Director@example.com.",
        )
        assert (await decide(chat, second["token"], "reject"))[:2] == (False, "closed")
        assert await chat.said(session) == ["true Director@example.com ok", "Your IBAN?"]
        assert await chat.say(session, "DE00") == []
        await chat.later(1861)
        assert await chat.said(session) == ["refunded hardware DE00"]
        assert await chat.status(execution) == "completed"
        rows = await fetch(database, "select count(*) from workflow_executions where status <> 'completed'")
        assert rows[0][0] == 0
        assert await fetch(database, "select from workflow_signals") == []


async def test_a_failing_branch_is_an_error_when_all_have_ended(database: str) -> None:
    async with chatting(database, SCRIPTS) as chat:
        _, execution = await chat.start("failing.bas")
        assert await chat.status(execution) == "waiting"
        await chat.later(60)
        shown = await chat.show(execution)
        assert shown.listed.status == "failed"
        assert "branch 1 of PARALLEL" in str(shown.listed.problem)
        assert "no paper" in str(shown.listed.problem)
        assert (await fetch(database, "select value from workflow_bot_memories"))[0][0] == "1"


async def test_a_cancelled_parent_takes_its_children_with_it(database: str) -> None:
    async with chatting(database, SCRIPTS) as chat:
        session, execution = await chat.start("workflow.bas")
        await fetch(database, "select workflow_cancel($1, 'enough')", execution)
        await chat.idle()
        rows = await fetch(database, "select status, problem from workflow_executions order by start_order")
        assert [row["status"] for row in rows] == ["cancelled", "cancelled"]
        assert "which started this one, has ended" in rows[1]["problem"]
        assert await chat.clients.send(session, "very") is None


async def test_children_have_an_end(database: str) -> None:
    async with chatting(database, SCRIPTS) as chat:
        _, execution = await chat.start("deep.bas")
        assert "more than 20 deep" in str((await chat.show(execution)).listed.problem)


async def test_children_and_parent_across_a_kill(database: str) -> None:
    """A daemon that is dropped in the middle loses nothing: the rows say who waits for whom."""
    async with chatting(database, SCRIPTS) as chat:
        session, execution = await chat.start("workflow.bas")
        await chat.said(session)
    async with chatting(database, SCRIPTS) as chat:
        assert await chat.say(session, "very") == ["hardware very"]
        (open_one,) = await approvals(database)
    async with chatting(database, SCRIPTS) as chat:
        await decide(chat, open_one["token"], "approve")
        assert await chat.said(session) == ["true boss@example.com -", "Your IBAN?"]
    async with chatting(database, SCRIPTS) as chat:
        await chat.say(session, "DE00")
        await chat.later(60)
        assert await chat.said(session) == ["refunded hardware DE00"]
        assert await chat.status(execution) == "completed"


async def test_f27_a_decision_and_its_time_out_take_one_branch(database: str) -> None:
    async with chatting(database, SCRIPTS) as chat:
        session, execution = await chat.start("workflow.bas")
        await chat.say(session, "very")
        (first,) = await approvals(database)
        # Decided in time, while the execution was paused; resumed when its time is over as well.
        await fetch(database, "select workflow_pause($1)", execution)
        assert (await decide(chat, first["token"], "reject"))[0]
        assert (await decide(chat, first["token"], "approve"))[:2] == (False, "rejected")
        await chat.later(1800)
        await fetch(database, "select workflow_resume($1)", execution)
        await chat.idle()
        said = await chat.said(session)
        asked = await approvals(database)
        decided = said == ["false boss@example.com -", "Your IBAN?"] and not asked
        escalated = said == [] and [a["people"] for a in asked] == [["director@example.com"]]
        assert decided != escalated


async def test_what_is_no_decision_changes_nothing(database: str) -> None:
    async with chatting(database, SCRIPTS) as chat:
        session, _ = await chat.start("workflow.bas")
        await chat.say(session, "very")
        (asked,) = await approvals(database)
        token = asked["token"]
        forged = f"{uuid4()}.{token.split('.')[1]}"
        for given, decision, by, state in (
            ("nonsense", "approve", None, "SW042"),
            (forged, "approve", None, "SW042"),
            (token, "perhaps", None, "SW043"),
            (token, "approve", "stranger@example.com", "SW044"),
        ):
            with pytest.raises(asyncpg.PostgresError) as refused:
                await decide(chat, given, decision, by)
            assert refused.value.sqlstate == state
        assert len(await approvals(database)) == 1


async def test_the_link_is_said_and_mailed_to_who_is_asked(database: str) -> None:
    settings = "update workflow_settings set value = $${}$$ where key = '{}'"
    async with chatting(database, SCRIPTS) as chat:
        await execute(
            database,
            settings.format("https://example.com/decide?token=", "approvals_url"),
            settings.format("true", "approvals_mail"),
        )
        session, _ = await chat.start("workflow.bas")
        said = await chat.say(session, "very")
        (asked,) = await approvals(database)
        link = f"https://example.com/decide?token={asked['token']}"
        assert said[-1] == f"Please decide: complaints. {link}"
        (mail,) = await fetch(database, "select payload ->> 'body' from workflow_requests where kind = 'mail'")
        assert link in mail[0]


async def test_another_bots_main_script_is_found_by_the_bots_name(database: str) -> None:
    shop, desk = uuid4(), uuid4()
    async with chatting(database, {}) as chat:
        await execute(
            database,
            "create table bots (id uuid primary key, name text)",
            f"insert into bots values ('{shop}', 'Shop'), ('{desk}', 'Desk')",
        )
        await chat.daemon.deploy({"start.bas": '#workflow\nBOT "desk" "hello"\nTALK result'}, shop)
        await chat.daemon.deploy({"start.bas": '#workflow\nRETURN "desk says ${task}"'}, desk)
        session = uuid4()
        await chat.clients.start("start.bas", session_id=session, bot_id=shop)
        await chat.idle()
        assert await chat.said(session) == ["desk says hello"]
        rows = await fetch(database, "select bot_id from workflow_executions order by start_order")
        assert [row[0] for row in rows] == [shop, desk]


async def test_the_token_is_an_hmac_that_others_can_check(database: str) -> None:
    # RFC 4231, test case 2.
    rows = await fetch(database, "select workflow_hmac('what do ya want for nothing?', 'Jefe')")
    assert rows[0][0] == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
