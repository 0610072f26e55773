"""The tables of mail accounts in the configuration: read with a sentence for every mistake, shown without passwords."""

from __future__ import annotations

from difflib import get_close_matches
from typing import get_type_hints

import msgspec

from daemon.settings_words import expected, shown
from daemon.settings_world import MailAccount


def convert_account(key: str, value: object) -> object:
    """Return a table [mail.accounts.NAME] as builtins of its types. Raises ValueError with a sentence."""
    if not isinstance(value, dict):
        raise ValueError(f"{key} must be a table: [{key}]")
    types = get_type_hints(MailAccount, include_extras=True)
    for field, given in value.items():
        if field not in types:
            near = get_close_matches(field, types, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; an account has {', '.join(types)}"
            raise ValueError(f"there is no setting {key}.{field}{hint}")
        try:
            msgspec.convert(given, types[field])
        except msgspec.ValidationError:
            told = "***" if field == "password" else given
            raise ValueError(f"{key}.{field} must be {expected(types[field])}, not {shown(told)}") from None
    if not value.get("host"):
        raise ValueError(f"{key} lacks host")
    return value


def masked_account(account: MailAccount) -> dict[str, object]:
    """Return an account for people and programs to read."""
    values: dict[str, object] = msgspec.to_builtins(account)
    return values | {"password": "***" if account.password else ""}
