"""check and steps: what they say of good scripts, bad ones, and files that are none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from daemon.cli import keywords
from tests.cli.terminal import ROOT, Command


def test_every_error_of_every_file_is_shown_and_ends_with_1(stepwell: Command, tmp_path: Path) -> None:
    (tmp_path / "bad.bas").write_text('TLAK "x"\nTALK 1\nfrobnicate 3\n')
    (tmp_path / "good.bas").write_text("TALK 1\n")
    told = stepwell("check", ".")
    assert told.status == 1
    assert "bad.bas:1:1: error: " in told.out and "did you mean TALK?" in told.out
    assert "bad.bas:3:1: error: " in told.out
    assert "    TLAK" in told.out and "\n    ^" in told.out
    assert "2 scripts: 2 errors, no warnings" in told.out
    assert "\x1b" not in told.out


def test_a_warning_alone_ends_with_0(stepwell: Command, tmp_path: Path) -> None:
    (tmp_path / "w.bas").write_text("TALK nonesuch\n")
    told = stepwell("check", "w.bas")
    assert told.status == 0
    assert "w.bas:1:6: warning: “nonesuch” is never given a value" in told.out


def test_json_of_check_has_every_problem(stepwell: Command, tmp_path: Path) -> None:
    (tmp_path / "bad.bas").write_text('TLAK "x"\n')
    told = stepwell("check", "bad.bas", "--json")
    document = told.document()
    assert told.status == 1 and document["errors"] == 1
    [problem] = document["problems"]
    assert (problem["file"], problem["line"], problem["column"], problem["severity"]) == ("bad.bas", 1, 1, "error")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("latin.bas", b'TALK "a"\nTALK "ol\xe1"\n', "latin.bas:2:1: error: this is not UTF-8 text (byte 0xe1)"),
        ("tiket.bas", None, "tiket.bas:1:1: error: there is no such file; did you mean ticket.bas?"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_sentence(
    stepwell: Command, tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    (tmp_path / "ticket.bas").write_text("TALK 1\n")
    if content is not None:
        (tmp_path / name).write_bytes(content)
    told = stepwell("check", name)
    assert told.status == 1 and said in told.out


def test_a_folder_without_scripts_is_a_wrong_use(stepwell: Command) -> None:
    told = stepwell("check", ".")
    assert told.status == 2 and "there is no .bas file in this folder" in told.err


def test_tools_come_from_the_configuration_beside_the_script(stepwell: Command) -> None:
    assert stepwell("check", ROOT / "examples").status == 0


def test_steps_are_numbered_and_indented(stepwell: Command, tmp_path: Path) -> None:
    (tmp_path / "a.bas").write_text(
        "FOR EACH x IN [1, 2]\n    IF x > 1 THEN\n        TALK x\n    ELSE\n        TALK twice(x) + 1\n"
        "    END IF\nNEXT\nFUNCTION twice(n)\n    RETURN n * 2\nEND FUNCTION\n"
    )
    told = stepwell("steps", "a.bas")
    lines = told.out.splitlines()
    assert lines[0].startswith("a.bas   workflow   plan ")
    assert lines[2:] == [
        "   1     1  FOR EACH x IN [1, 2]",
        "   2     2    IF x > 1 THEN",
        "   3     3      TALK x",
        "         4    ELSE",
        "   4     5      $1 = twice(x)",
        "   5     5      TALK twice(x) + 1   ($1)",
        "",
        "procedure twice(n)",
        "   6     9  RETURN n * 2",
    ]


def test_json_of_steps_names_keyword_and_line(stepwell: Command) -> None:
    document = stepwell("steps", ROOT / "examples" / "ticket.bas", "--json").document()
    [procedure] = document["procedures"]
    assert [(s["number"], s["line"], s["keyword"]) for s in procedure["steps"]] == [
        (1, 3, "TALK"), (2, 4, "HEAR"), (3, 5, "CALL"), (4, 6, "TALK"),
    ]  # fmt: skip


def test_steps_of_a_script_that_does_not_compile_are_its_errors(stepwell: Command, tmp_path: Path) -> None:
    (tmp_path / "bad.bas").write_text('TLAK "x"\n')
    told = stepwell("steps", "bad.bas")
    assert told.status == 1 and "bad.bas:1:1: error" in told.out


def test_a_keyword_is_explained_whatever_its_case(stepwell: Command) -> None:
    told = stepwell("keywords", "for", "each")
    assert told.status == 0 and told.out.startswith("FOR EACH\n") and "bot: pear" in told.out


def test_an_unknown_keyword_names_the_nearest(stepwell: Command) -> None:
    told = stepwell("keywords", "TLAK")
    assert told.status == 1 and "did you mean TALK?" in told.err


def test_every_keyword_is_listed_and_in_the_reference(stepwell: Command) -> None:
    listed = stepwell("keywords").out
    names = [k["name"] for k in stepwell("keywords", "--json").document()]
    assert "HEAR" in names and all(name in listed for name in names)
    assert len(names) == len(set(names))


def test_the_reference_page_is_what_the_keywords_say() -> None:
    page = (ROOT / "docs" / "keywords.md").read_text(encoding="utf-8")
    assert page == keywords.render_markdown(keywords.known_keywords()), (
        "write it anew: stepwell keywords --markdown > docs/keywords.md"
    )


def test_tools_of_servers_are_asked_of_the_servers(stepwell: Command, tmp_path: Path) -> None:
    program = f"command = '{sys.executable}'\nargs = ['-m', 'tests.daemon.mcp_tools']\ndirectory = '{ROOT}'\n"
    (tmp_path / "stepwell.toml").write_text(
        f"[mcp.servers.desk]\n{program}[mcp.servers.gone]\ncommand = '/nowhere/server'\n"
        "[tools.plus]\nkind = 'mcp'\nserver = 'desk'\ntool = 'add'\nparameters = ['a', 'b']\n"
    )
    assert [tool["name"] for tool in stepwell("tools", "--as", "json").document()] == ["plus"]
    told = stepwell("tools", "--as", "json", "--servers")
    listed = {tool["name"]: tool for tool in told.document()}
    assert listed["add"]["from"] == "[mcp.servers.desk]" and listed["add"]["parameters"]["required"] == ["a"]
    assert told.status == 1 and "the MCP server gone cannot be started" in told.err


def test_tools_are_listed_in_the_shapes_that_programs_take(stepwell: Command, tmp_path: Path) -> None:
    (tmp_path / "stepwell.toml").write_text(
        '[tools.create]\nkind = "sql"\nfunction = "create_ticket"\nparameters = ["text"]\ndescription = "Open a ticket"\n'
    )
    (tmp_path / "weather.bas").write_text(
        "DESCRIPTION Says the weather\nPARAM city AS STRING\nPARAM days AS INTEGER DEFAULT 1\n"
    )
    (tmp_path / "plain.bas").write_text('TALK "no tool"\n')
    listed = stepwell("tools")
    assert listed.status == 0 and "city, [days]" in listed.out and "Open a ticket" in listed.out
    assert "plain" not in listed.out
    create, weather = stepwell("tools", "--as", "openai").document()
    assert create["function"]["parameters"]["required"] == ["text"]
    assert weather["type"] == "function" and weather["function"]["name"] == "weather"
    assert weather["function"]["parameters"]["properties"]["days"] == {"type": "integer", "default": 1}
    assert [t["inputSchema"]["type"] for t in stepwell("tools", "--as", "mcp").document()] == ["object", "object"]
    (tmp_path / "bad.bas").write_text("TLAK\n")
    told = stepwell("tools", "--as", "json")
    assert told.status == 1 and "1 script does not compile" in told.err and len(told.document()) == 2
