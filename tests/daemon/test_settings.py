"""Settings: what wins, where a mistake is, and that config/stepwell.toml tells all and only the truth."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, strategies

from daemon.settings import (
    HttpTool,
    McpTool,
    Settings,
    SettingsError,
    SqlTool,
    default_state_dir,
    load_settings,
    mask_url,
    read_surroundings,
    split_address,
)
from daemon.settings_model import OPEN_TABLES, Sections

DOCUMENT = Path(__file__).parents[2] / "config" / "stepwell.toml"


def load(tmp_path: Path, text: str, environ: dict[str, str] | None = None, **flags: object) -> Settings:
    """Load `text` as ./stepwell.toml."""
    (tmp_path / "stepwell.toml").write_text(text)
    dotted = {key.replace("__", "."): value for key, value in flags.items()}
    return load_settings(flags=dotted, environ=environ or {}, directory=tmp_path)


def problems(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    """Return the complaints about `text`, the folder cut off."""
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text, environ)
    return [line.replace(f"{tmp_path}/", "") for line in caught.value.problems]


def test_flags_beat_the_environment_beats_the_credential_beats_the_file(tmp_path: Path) -> None:
    text = "[database]\nurl = 'postgresql://file/d'\n"
    (tmp_path / "database-url").write_text("postgresql://credential/d\n")
    credentials = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    variable = {"STEPWELL_DATABASE_URL": "postgresql://variable/d"}
    found = [
        load(tmp_path, text),
        load(tmp_path, text, credentials),
        load(tmp_path, text, credentials | variable),
        load(tmp_path, text, credentials | variable, database__url="postgresql://flag/d"),
    ]
    assert [s.database.url.split("/")[2] for s in found] == ["file", "credential", "variable", "flag"]
    origins = [s.origin("database.url") for s in found]
    assert origins[0].endswith("stepwell.toml")
    assert origins[1:] == [
        "credential database-url",
        "environment STEPWELL_DATABASE_URL",
        "flag --database-url",
    ]
    assert load(tmp_path, "").origin("database.url") == "default"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[database]\n\nurll = 'x'\n", "stepwell.toml:3: there is no setting database.urll; did you mean database.url?"),
        ("[databse]\nurl = 'x'\n", "stepwell.toml:2: there is no setting databse.url; did you mean database.url?"),
        ("level = 'info'\n", "stepwell.toml:1: there is no setting level; did you mean log.level?"),
        ("[http]\nzzzzzz = 1\n", "stepwell.toml:2: there is no setting http.zzzzzz; [http] has listen"),
        ("[limits]\nactors_max = 'many'\n",
         'stepwell.toml:2: limits.actors_max must be a whole number from 1 to 1000000000, not "many"'),
        ("[hear]\ntries = true\n", "stepwell.toml:2: hear.tries must be a whole number from 1 to 1000000000, not true"),
        ("[daemon]\nsweep_seconds = 0\n",
         "stepwell.toml:2: daemon.sweep_seconds must be a number above 0 to 31536000, not 0"),
        ("[log]\nlevel = 'loud'\n",
         'stepwell.toml:2: log.level must be one of "debug", "error", "info", "warning", not "loud"'),
        ("[scripts]\ninjected_names = ['a', 1]\n",
         'stepwell.toml:2: scripts.injected_names must be a list, each text in quotes, not ["a", 1]'),
        ("[scripts]\ntime_zone = 'Mars/Base'\n",
         'stepwell.toml:2: there is no time zone "Mars/Base"; one is Europe/Lisbon'),
        ("[database]\nschema = 'a;drop'\n",
         'stepwell.toml:2: database.schema must be a name as SQL writes it without quotes, not "a;drop"'),
        ("[database]\nurl = 'mysql://u:secret@h/d'\n",
         'stepwell.toml:2: database.url must be postgresql://user@host/database, not "mysql://u:***@h/d"'),
        ("[database]\npool_min = 9\n", "stepwell.toml:2: database.pool_min is greater than database.pool_max"),
        ("[http]\nlisten = 'everywhere'\n",
         'stepwell.toml:2: http.listen must be host:port, such as 127.0.0.1:9464, not "everywhere"'),
        ("[hear]\nbusy = 'merge'\n",
         'stepwell.toml:2: this version does not have hear.busy = "merge" yet; it has "queue"'),
        ("[retention]\nended_days = -9\n",
         "stepwell.toml:2: retention.ended_days must be a whole number from 0 to 36500, not -9"),
        ("[tools.a]\nkind = 'soap'\n", 'stepwell.toml:1: tools.a.kind must be "sql" or "http" or "mcp" or "script", not "soap"'),
        ("[tools.a]\nfunction = 'f'\n", "stepwell.toml:1: tools.a lacks kind"),
        ("[tools.a]\nkind = 'http'\n", "stepwell.toml:1: tools.a lacks url"),
        ("[tools.a]\nkind = 'http'\nurl = 'a.b/c'\n",
         'stepwell.toml:1: tools.a.url must be https://host/path, or /path below web.base_url, not "a.b/c"'),
        ("[tools.a]\nkind = 'http'\nurl = 'https://{h}.b/c'\nparameters = ['h']\n",
         "stepwell.toml:1: tools.a.url may take a parameter in its path and query, not in its host"),
        ("[tools.a]\nkind = 'http'\nurl = '/c/{cty}'\nparameters = ['city']\n",
         "stepwell.toml:1: tools.a.url takes {cty}, which is none of its parameters; did you mean {city}?"),
        ("[tools.a]\nkind = 'http'\nurl = '/c'\nheaders = { 'X Y' = 's' }\n",
         'stepwell.toml:1: tools.a.headers has "X Y", which cannot be a header'),
        ("[tools.a]\nkind = 'http'\nurl = '/c'\nmethod = 'BREW'\n",
         'stepwell.toml:1: tools.a.method must be one of "DELETE", "GET", "PATCH", "POST", "PUT", not "BREW"'),
        ("[web]\nallow_hosts = ['10.0.0.0/8', 'a b']\n",
         "stepwell.toml:2: web.allow_hosts: “a b” is no host, host:port or network such as 10.0.0.0/8"),
        ("[web]\nbase_url = 'api.example.com'\n",
         'stepwell.toml:2: web.base_url must be https://host/path, not "api.example.com"'),
        ("[tools.a]\nkind = 'sql'\n", "stepwell.toml:1: tools.a lacks function"),
        ("[tools.a]\nkind = 'sql'\nfunction = 'f'\nparameter = []\n",
         "stepwell.toml:1: there is no setting tools.a.parameter; did you mean parameters?"),
        ("[mail.accounts.sales]\nuser = 'u'\n", "stepwell.toml:1: mail.accounts.sales lacks host"),
        ("[mail.accounts.sales]\nhost = 'h'\nsendr = 's'\n",
         "stepwell.toml:1: there is no setting mail.accounts.sales.sendr; did you mean sender?"),
        ("[mail.accounts.sales]\nhost = 'h'\npassword = 7\n",
         'stepwell.toml:1: mail.accounts.sales.password must be text in quotes, not "***"'),
        ("[tools.'a b']\nkind = 'sql'\n",
         'stepwell.toml:1: a tool cannot be called "a b"; its name is a word, as a script calls it'),
        ("[database\n", "stepwell.toml:1: is not TOML: expected ']' at the end of a table declaration"),
        ("[hear]\ntries = \n", "stepwell.toml:2: is not TOML: invalid value"),
        ("database = { urll = 'x' }\n",
         "stepwell.toml:1: there is no setting database.urll; did you mean database.url?"),
        ("database = 7\n", "stepwell.toml:1: there is no setting database; did you mean database.url?"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_named_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    assert problems(tmp_path, text) == [complaint]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, "[log]\nlevel = 1\n[hear]\ntrys = 2\n", {"STEPWELL_LIMITS_ACTORS_MAX": "x"})
    assert [line.split(": ")[0] for line in found] == [
        "stepwell.toml:2",
        "stepwell.toml:4",
        "STEPWELL_LIMITS_ACTORS_MAX",
    ]


def test_variables_are_read_by_the_type_of_their_setting(tmp_path: Path) -> None:
    environ = {
        "STEPWELL_LIMITS_ACTORS_MAX": "17",
        "STEPWELL_DAEMON_SWEEP_SECONDS": "0.5",
        "STEPWELL_SCRIPTS_INJECTED_NAMES": "one, two",
        "STEPWELL_DATABASE_SCHEMA": "bots",
        "PATH": "/bin",
        "STEPWELL_DEBUG": "1",
        "STEPWELL_SERVICE_HOST": "10.0.0.1",
        "STEPWELL_PORT_80_TCP": "tcp://10.0.0.1:80",
        "STEPWELL_PORT": "tcp://10.0.0.1:80",
    }
    settings = load(tmp_path, "", environ)
    assert (settings.limits.actors_max, settings.daemon.sweep_seconds) == (17, 0.5)
    assert settings.scripts.injected_names == ("one", "two")
    assert settings.database.schema == "bots"


def test_an_unknown_variable_names_the_nearest(tmp_path: Path) -> None:
    assert problems(tmp_path, "", {"STEPWELL_DATABASE_URI": "x"}) == [
        "STEPWELL_DATABASE_URI: there is no setting database.uri; did you mean database.url?"
    ]


def test_the_file_that_is_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: there is no such configuration file"):
        load_settings(tmp_path / "nowhere.toml", environ={}, directory=tmp_path)
    with pytest.raises(SettingsError, match=r"nothere\.toml: there is no such configuration file"):
        load_settings(environ={"STEPWELL_CONFIG": str(tmp_path / "nothere.toml")}, directory=tmp_path)


def test_a_file_that_is_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "stepwell.toml").write_bytes(b"[log]\nlevel = 'inf\xff'\n")
    with pytest.raises(SettingsError, match=r"stepwell\.toml:2: is not UTF-8"):
        load_settings(environ={}, directory=tmp_path)


def test_paths_of_the_file_count_from_its_folder_and_others_from_here(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    file = folder / "a.toml"
    file.write_text("[scripts]\ndirectory = 'bots'\n")
    settings = load_settings(file, {"embedded.directory": "pg"}, environ={}, directory=tmp_path)
    assert settings.scripts_dir == folder / "bots"
    assert settings.state_dir == tmp_path / "pg"
    assert load_settings(environ={}, directory=tmp_path).scripts_dir == tmp_path


def test_tools_are_found_by_their_folded_names(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        "[tools.CREATE]\nkind = 'sql'\nfunction = 'desk.create_ticket'\nparameters = ['description']\n",
    )
    tool = settings.tools["create"]
    assert isinstance(tool, SqlTool)
    assert (tool.kind, tool.function, tool.parameters) == ("sql", "desk.create_ticket", ("description",))


def test_tools_of_the_web_keep_their_headers_to_themselves(tmp_path: Path) -> None:
    file = tmp_path / "stepwell.toml"
    file.write_text("[tools.t]\nkind = 'http'\nurl = '/x/{a}'\nparameters = ['a']\nheaders = { X-Key = 's3cr3t' }\n")
    settings = load_settings(file, environ={}, directory=tmp_path)
    tool = settings.tools["t"]
    assert isinstance(tool, HttpTool) and tool.method == "POST" and tool.headers == {"X-Key": "s3cr3t"}
    assert "s3cr3t" not in str(settings.values()) and "X-Key" in str(settings.values()["tools.t"])


def test_accounts_of_mail_are_found_by_their_folded_names_and_their_passwords_shown_to_nobody(tmp_path: Path) -> None:
    text = "[mail]\npassword = 'hunter1'\n[mail.accounts.Sales]\nhost = 'h'\npassword = 'hunter2'\nport = 25\n"
    settings = load(tmp_path, text)
    assert settings.mail.accounts["sales"].password == "hunter2" and settings.mail.accounts["sales"].port == 25
    assert "hunter" not in str(settings.values()) and "'password': '***'" in str(settings.values())


def test_mcp_servers_keep_their_secrets_to_themselves(tmp_path: Path) -> None:
    (tmp_path / "stepwell.toml").write_text(
        "[mcp.servers.files]\ncommand = 'server'\nargs = ['-v']\nenv = { TOKEN = 's3cr3t' }\n"
        "[mcp.servers.web]\nurl = 'https://mcp.example.com'\nheaders = { Authorization = 's3cr3t' }\n"
        "[tools.find]\nkind = 'mcp'\nserver = 'web'\n[llm.models]\nspeed = 'small'\n"
    )
    settings = load_settings(environ={}, directory=tmp_path)
    assert settings.mcp.servers["files"].env == {"TOKEN": "s3cr3t"} and settings.llm.models == {"speed": "small"}
    assert "s3cr3t" not in str(settings.values()) and "TOKEN" in str(settings.values()["mcp.servers.files"])
    tool = settings.tools["find"]
    assert isinstance(tool, McpTool) and tool.tool == ""


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[mcp.servers.a]\n", "stepwell.toml:1: mcp.servers.a needs either command, a program to start, or url, an address"),
        ("[mcp.servers.a]\ncommand = 'x'\nurl = 'https://x'\n", "mcp.servers.a needs either command"),
        ("[mcp.servers.a]\nurl = 'x'\n", 'mcp.servers.a.url must be https://host/path, not "x"'),
        ("[mcp.servers.a]\ncomand = 'x'\n", "there is no setting mcp.servers.a.comand; did you mean command?"),
        ("[mcp.servers]\na = 1\n", "mcp.servers.a must be a table: [mcp.servers.a]"),
        ("[tools.t]\nkind = 'mcp'\n", "tools.t lacks server"),
        ("[tools.t]\nkind = 'mcp'\nserver = 'a'\n", "there is no MCP server a; declare [mcp.servers.a]"),
        ("[llm.models]\nspeed = 1\n", "llm.models.speed must be text in quotes, not 1"),
    ],
)  # fmt: skip
def test_a_mistake_about_mcp_and_models_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    assert any(complaint in said for said in problems(tmp_path, text))


def test_reserved_answers_and_sentences(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        "[hear.reserved]\ncancel = ['stop']\n[hear.sentences.pt]\nemail = 'Isto não é um endereço.'\n",
    )
    assert settings.hear.reserved == {"cancel": ("stop",)}
    assert settings.hear.sentences == {"pt": {"email": "Isto não é um endereço."}}
    assert "hear.reserved.explode" in problems(tmp_path, "[hear.reserved]\nexplode = ['x']\n")[0]


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    settings = load(tmp_path, "")
    with pytest.raises(AttributeError):
        settings.http = settings.http  # type: ignore[misc]


def documented() -> dict[str, object]:
    """Return the dotted keys that config/stepwell.toml sets."""
    tables = tomllib.loads(DOCUMENT.read_text())
    return {
        f"{section}.{key}": value
        for section, table in tables.items()
        for key, value in table.items()
        if f"{section}.{key}" not in OPEN_TABLES
    }


def test_the_document_tells_every_setting_and_its_default_and_no_other() -> None:
    defaults = {
        f"{section}.{key}": value
        for section, table in msgspec.to_builtins(Sections()).items()
        for key, value in table.items()
        if f"{section}.{key}" not in OPEN_TABLES
    }
    defaults = {key: list(value) if isinstance(value, tuple) else value for key, value in defaults.items()}
    assert documented() == defaults


def test_every_setting_has_a_sentence() -> None:
    lines = DOCUMENT.read_text().splitlines()
    for key in documented():
        at = next(n for n, line in enumerate(lines) if line.startswith(key.split(".")[1] + " ="))
        assert re.match(r"^# .{20,}\.$", lines[at - 1]), f"{key} has no sentence above it"


def test_the_document_itself_loads(tmp_path: Path) -> None:
    settings = load_settings(DOCUMENT, environ={"HOME": str(tmp_path)}, directory=tmp_path)
    assert settings.limits == Sections().limits


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("postgresql://u:secret@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:se:c@ret@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u@h/d?password=secret&x=1", "postgresql://u@h/d?password=***&x=1"),
        ("postgresql://:secret@h/d", "postgresql://:***@h/d"),
        ("postgresql://h/d", "postgresql://h/d"),
        ("", ""),
    ],
)
def test_a_password_is_masked(url: str, masked: str) -> None:
    assert mask_url(url) == masked


def test_values_shows_every_setting_and_no_password(tmp_path: Path) -> None:
    settings = load(tmp_path, "", {"STEPWELL_DATABASE_URL": "postgresql://u:hush7@h/d"})
    values = settings.values()
    assert set(documented()) <= set(values)
    assert "hush7" not in str(values)


@given(password=strategies.text("abc:@/?&= ü%", min_size=4))
def test_no_password_survives_masking(password: str) -> None:
    assert "zz" + password not in mask_url(f"postgresql://user:zz{password}@host/d")


def test_the_watchdog_is_ours_only_when_it_names_us() -> None:
    assert read_surroundings({"WATCHDOG_USEC": "30000000"}).watchdog_seconds == 30.0
    assert read_surroundings({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}).watchdog_seconds is None
    assert read_surroundings({}).watchdog_seconds is None
    assert read_surroundings({"WATCHDOG_USEC": "soon"}).watchdog_seconds is None


def test_the_state_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert default_state_dir({"HOME": "/root"}) == Path("/var/lib/stepwell")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert default_state_dir({"HOME": "/home/a"}) == Path("/home/a/.local/state/stepwell")
    assert default_state_dir({"XDG_STATE_HOME": "/x", "HOME": "/h"}) == Path("/x/stepwell")
    assert default_state_dir({"XDG_STATE_HOME": "x", "HOME": "/h"}) == Path("/h/.local/state/stepwell")
    assert default_state_dir({"STATE_DIRECTORY": "/var/lib/other"}) == Path("/var/lib/other")


@pytest.mark.parametrize(("text", "address"), [("[::1]:80", ("::1", 80)), ("", None), ("0.0.0.0:0", ("0.0.0.0", 0))])
def test_addresses(text: str, address: tuple[str, int] | None) -> None:
    assert split_address(text) == address
