"""Whether what a user said fits the type a HEAR asks for, and the value the script gets (language.md, HEAR).

Pure: the clock and the randomness of the turn come in as arguments. Every check is linear in the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from random import Random

from engine.answers.brazil import check_cnpj, check_cpf
from engine.answers.cleaning import ANSWER_CHARS_MAX, plain, trimmed
from engine.answers.colors import check_color
from engine.answers.dates import check_date, check_hour
from engine.answers.files import check_attachment, check_qrcode
from engine.answers.menu import check_menu, listed
from engine.answers.numbers import check_boolean, check_float, check_integer, check_money
from engine.answers.outcomes import Accepted, Answer, Check, Rejected, as_text
from engine.answers.people import check_email, check_login, check_mobile, check_name, check_zipcode
from engine.answers.secret import check_creditcard, check_password
from engine.answers.sentences import MENU, sentence_of
from engine.answers.tongues import check_language
from engine.answers.web import check_url, check_uuid
from engine.answers.words import LANGUAGES
from engine.events import Attachment

__all__ = [
    "SECRET_TYPES",
    "TYPE_ALIASES",
    "Accepted",
    "Rejected",
    "canonical_type",
    "check_answer",
    "type_names",
]

SECRET_TYPES: frozenset[str] = frozenset({"password", "creditcard"})
"""Of these only `Accepted.shown` may be stored or logged, and nothing at all of a rejected answer."""


def _check_text(answer: Answer) -> Accepted | None:
    return as_text(answer.raw or None)


_TYPES: dict[str, tuple[str, Check]] = {
    "text": ("string any", _check_text),
    "email": ("", check_email),
    "date": ("", check_date),
    "name": ("", check_name),
    "integer": ("int number", check_integer),
    "float": ("decimal double", check_float),
    "boolean": ("bool", check_boolean),
    "hour": ("time", check_hour),
    "money": ("currency amount", check_money),
    "mobile": ("phone telephone", check_mobile),
    "zipcode": ("zip cep postalcode", check_zipcode),
    "language": ("lang", check_language),
    "cpf": ("", check_cpf),
    "cnpj": ("", check_cnpj),
    "url": ("link", check_url),
    "uuid": ("guid", check_uuid),
    "color": ("colour", check_color),
    "creditcard": ("card", check_creditcard),
    "password": ("secret", check_password),
    "file": ("", check_attachment("file")),
    "image": ("photo picture", check_attachment("image")),
    "audio": ("voice", check_attachment("audio")),
    "video": ("", check_attachment("video")),
    "document": ("doc pdf", check_attachment("document")),
    "qrcode": ("qr", check_qrcode),
    "login": ("", check_login),
}
_UNLIMITED = frozenset({"text", "qrcode"})

TYPE_ALIASES: Mapping[str, tuple[str, ...]] = {name: tuple(words.split()) for name, (words, _) in _TYPES.items()}
"""Every canonical type with its other names, lower case, in the order of language.md."""
_CANONICAL = {word: name for name, words in TYPE_ALIASES.items() for word in (name, *words)}


def canonical_type(word: str) -> str | None:
    """Return the type a word of a script names, in any case ("CEP" is "zipcode"); None: no such type."""
    return _CANONICAL.get(word.strip().lower())


def type_names() -> tuple[str, ...]:
    """Return every word that names a type, aliases included, lower case, sorted."""
    return tuple(sorted(_CANONICAL))


def check_answer(
    type: str,
    content: str,
    attachments: tuple[Attachment, ...],
    choices: tuple[str, ...],
    *,
    now: datetime,
    random: Random,
    language: str,
    sentences: Mapping[str, str],
) -> Accepted | Rejected:
    """Check one answer of any length and content.

    `type` is a canonical type or an alias; with `choices` it is a menu and the type does not matter.
    `now` says which day today is, in its own time zone; `random` salts passwords; `language` is the
    session's tag ("pt-BR" reads as "pt", an unknown one as "en"); `sentences` are the configuration's own,
    by "<type>.<language>" or "<type>" ("menu" for a menu). Raises KeyError for an unknown type.
    """
    if type == "text" and not choices and (text := trimmed(content)):
        return Accepted(text, text)  # by far the commonest question: what is said is the answer
    tag = language.replace("_", "-")
    spoken, _, region = tag.lower().partition("-")
    spoken = spoken if spoken in LANGUAGES else "en"
    raw = trimmed(content)
    if choices:
        found = check_menu(raw, choices)
        return found or Rejected(sentence_of(MENU, language, spoken, sentences, listed(choices)))
    name = _CANONICAL[type.lower()]
    if len(raw) > ANSWER_CHARS_MAX and name not in _UNLIMITED:
        raw = ""
    text = plain(raw) if len(raw) <= ANSWER_CHARS_MAX else ""
    text = text if len(text) <= ANSWER_CHARS_MAX else ""
    answer = Answer(raw, text, attachments, now, random, spoken, region)
    return _TYPES[name][1](answer) or Rejected(sentence_of(name, language, spoken, sentences))
