"""Statements that no grammar knows: a head of upper-case words, its arguments, its clauses by name.

Here is only the cutting: which characters of a masked statement are its words, and which an operand of which
clause. The operands are parsed as expressions by whoever asked. `USE KB "a" WITH TEMPLATE t, x AS 2` is the
head USE KB, an argument, and the clauses TEMPLATE (`t`, and the pair of `x` and `2`).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from engine.literals import MARKS
from engine.source import MASK, Scan


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CLAUSES = _words(
    "AS WITH TO FROM BY WHERE SET VALUES ORDER LIMIT AT USING DO TIMEOUT SUBJECT BODY DATA TEMPLATE FOR IN ON INTO"
    " GROUP ABOUT PROMPT FIELDS RETURNING DEFAULT EVERY AFTER BEFORE UNTIL"
)
"""The words that open a clause in any case; an upper-case word behind an operand opens one whatever it is."""
CONDITIONS = frozenset(("WHERE", "IF", "WHEN", "HAVING", "UNLESS"))
"""The clauses that hold a condition and no pairs."""
TIMED = frozenset(("TIMEOUT", "IN", "FOR", "EVERY", "AFTER", "BEFORE", "WITHIN"))
EXTENDED = _words(
    "SET GET ADD CLEAR USE SEND CREATE DELETE UPDATE INSERT SAVE FIND POST PUT PATCH ON WAIT SORT FILTER MAP JOIN"
    " MERGE FILL TABLE APPEND BOT TRANSFER PUBLISH REMOVE GROUP SELECT SCHEDULE CALL BEGIN DESCRIPTION PIVOT"
)
"""Heads of our own that further words may make a keyword of somebody else's: CREATE DRAFT is ours, CREATE SITE not."""

_OPERATOR_WORDS = _words("AND OR MOD IS LIKE ILIKE CONTAINS BETWEEN STARTS ENDS")
_VALUE_WORDS = _words("NULL TRUE FALSE NOT NEW ERROR")
_UNITS = re.compile(r"(?:SECOND|MINUTE|HOUR|DAY|WEEK|MONTH|YEAR)S?", re.IGNORECASE)
_TOKEN = re.compile(
    rf'\s*(?:(?P<text>"{MASK}*")|(?P<word>[^\W\d][\w{MARKS}]*\$?)|(?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)'
    r"|(?P<open>#?[(\[{])|(?P<sign>,|<>|[<>=!]=|&&|\|\||\?\?|\?\.|\S))"
)
_ASSIGNED = re.compile(r"([^\W\d]\w*)\s*(?:\.[^\W\d]\w*\s*|\[[^\]]*\]\s*)*=(?!=)")
_NAMED = re.compile(
    r"(?:HEAR|PARAM|CATCH|FOR\s+EACH|FOR|(?:SUB|FUNCTION)\s+[^\W\d]\w*)\s*\(?((?:\s*,?\s*[^\W\d]\w*)+)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Token:
    """One word, sign, literal or whole bracket of a statement; `start` and `end` are offsets in its text."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Operand:
    """Where one operand stands; `key` is where its name does, in `k AS v` and `k = v`. `word`: it is one word.
    `comma`: one stands before it."""

    start: int
    end: int
    key: Token | None = None
    word: str = ""
    comma: bool = False


@dataclass(slots=True)
class Clause:
    """A clause by its name in upper case ("" for the arguments) and its operands."""

    name: str
    start: int
    operands: list[Operand] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Phrase:
    """A statement as cut: its words in upper case, the clauses in order, the first one the arguments."""

    words: str
    clauses: tuple[Clause, ...]


def tokens_of(text: str, at: int = 0) -> list[Token]:
    """Return the tokens of a masked text from `at` on; a bracket with all that is in it is one."""
    found: list[Token] = []
    while match := _TOKEN.match(text, at):
        kind = match.lastgroup or "sign"
        start, end = match.span(kind)
        if kind == "open":
            kind, end = "group", _closing(text, end - 1)
        found.append(Token(kind, text[start:end], start, end))
        at = end
    return found


def _closing(text: str, at: int) -> int:
    depth = 0
    for index in range(at, len(text)):
        depth += (text[index] in "([{") - (text[index] in ")]}")
        if depth == 0:
            return index + 1
    return len(text)


def given_names(scan: Scan) -> set[str]:
    """Return the names, as spelled, that a file seems to give a value, found before any line is parsed."""
    names: set[str] = set()
    for line in scan.lines:
        names.update(found[1] for found in _ASSIGNED.finditer(line.text))
        if named := _NAMED.match(line.text):
            names.update(re.findall(r"[^\W\d]\w*", named[1])[: None if "(" in line.text else 1])
    return names


def is_head_word(word: str) -> bool:
    """Tell whether a word is written as keywords are: two or more characters, in upper case."""
    return len(word) > 1 and word.isupper()


def read_phrase(text: str, given: Collection[str], functions: Collection[str]) -> Phrase | None:
    """Return a masked statement as a phrase; None where it does not begin with an upper-case word that something
    but an operator follows. `given` are the variables as spelled, `functions` the pure functions' names."""
    tokens = tokens_of(text)
    if not tokens or tokens[0].kind != "word" or not is_head_word(tokens[0].text):
        return None
    if tokens[0].text in (_VALUE_WORDS - {"NEW"}) | _OPERATOR_WORDS:
        return None
    if len(tokens) > 1 and tokens[1].text[0] == "[" and tokens[1].start == tokens[0].end:
        return None
    count = _head_length(text, tokens, given, functions)
    rest = tokens[count:]
    if rest and rest[0].kind == "sign" and rest[0].text not in ("-", "+", "!"):
        return None
    words = " ".join(" ".join(t.text for t in tokens[:count]).replace("_", " ").split())
    if rest and rest[0].kind == "group" and rest[0].text[0] == "(" and _is_list(rest, text):
        inner = tokens_of(text[: rest[0].end - 1], rest[0].start + 1)
        rest = [*inner, *rest[1:]]
    return Phrase(words, _Cutter(text, rest).cut())


def is_other_form(phrase: Phrase, text: str) -> bool:
    """Tell whether words of our own begin what is somebody else's for its operands: `SET "name.xlsx", …`,
    `SAVE file AS "name.pdf"`, `APPEND "log.txt", line`."""
    first = phrase.clauses[0].operands[:1]
    match phrase.words:
        case "SAVE":
            return [c.name for c in phrase.clauses] == ["", "AS"]
        case "APPEND":
            return bool(first) and text[first[0].start] == '"'
        case _:
            return phrase.words == "SET"


def lacks_sign(phrase: Phrase, text: str, given: Collection[str]) -> bool:
    """Tell whether SET is followed by a name and a value which only a blank parts: SET x 5, which lacks its "=".
    SET color "red" may be somebody's keyword, where color is no variable."""
    operands = phrase.clauses[0].operands
    if phrase.words != "SET" or len(operands) != 2 or not operands[0].word or operands[1].comma:
        return False
    return operands[0].word in given or text[operands[1].start] != '"'


def _is_list(rest: list[Token], text: str) -> bool:
    """Tell whether a bracket behind a head holds its arguments, and not the first part of a sum."""
    return len(rest) == 1 or rest[1].kind == "word" or "," in [t.text for t in tokens_of(rest[0].text[1:-1])]


def _head_length(text: str, tokens: list[Token], given: Collection[str], functions: Collection[str]) -> int:
    count = 1
    while count < len(tokens):
        token, following = tokens[count], tokens[count + 1] if count + 1 < len(tokens) else None
        if token.kind != "word" or not is_head_word(token.text) or token.text in given:
            break
        if token.text in _VALUE_WORDS or token.text in _OPERATOR_WORDS:
            break
        if following is not None and following.kind == "sign":
            break  # an operator or a member's dot: the word is an operand
        called = following is not None and following.kind == "group" and following.start == token.end
        if called and (token.text.lower() in functions or following.text[0] == "["):  # type: ignore[union-attr]
            break
        if token.text in CLAUSES and not (following and _names_more(following, tokens, count + 1, given)):
            break
        count += 1
    return count


def _names_more(word: Token, tokens: list[Token], at: int, given: Collection[str]) -> bool:
    """Tell whether the word behind a clause word belongs to the head all the same: POST TO INSTAGRAM x."""
    is_more = word.kind == "word" and is_head_word(word.text) and word.text not in CLAUSES | _VALUE_WORDS
    rest = tokens[at + 1 :]
    follows = not rest or (rest[0].kind in ("text", "word", "number", "group") and rest[0].start > word.end)
    return is_more and word.text not in given and follows


class _Cutter:
    """Cuts what stands behind a head into operands and clauses."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self.text, self.tokens = text, tokens
        self.clauses = [Clause("", tokens[0].start if tokens else len(text))]
        self.first = 0  # the token that the operand being read begins with
        self.due = True
        self.key: Token | None = None

    def cut(self) -> tuple[Clause, ...]:
        """Return all clauses, the arguments first."""
        at = 0
        while at < len(self.tokens):
            at = self.take(at)
        self.close(len(self.tokens))
        return tuple(self.clauses)

    def take(self, at: int) -> int:
        """Take one token, or a clause's words; return the index of the next."""
        token = self.tokens[at]
        clause = self.clause_at(at)
        if clause:
            self.close(at)
            name = " ".join(t.text.upper() for t in self.tokens[at : at + clause])
            if not self.clauses[-1].operands and len(self.clauses) > 1:
                self.clauses.pop()  # WITH TEMPLATE t: the second word says what the first one only opens
            self.clauses.append(Clause(name, token.end))
            self.first, self.due = at + clause, True
            return at + clause
        if token.text == ",":
            self.close(at)
            self.first, self.due = at + 1, True
            return at + 1
        if self.is_pair_sign(at):
            self.key, self.first, self.due = self.tokens[at - 1], at + 1, True
            return at + 1
        if not self.due and self.begins_operand(at):
            self.close(at)
            self.first = at
        upper = token.text.upper() if token.kind == "word" else ""
        previous = self.tokens[at - 1].text if at else ""
        self.due = token.kind == "sign" or (self.is_operator(upper) and previous not in (".", "?."))
        if upper in ("STARTS", "ENDS") and at + 1 < len(self.tokens) and self.tokens[at + 1].text.upper() == "WITH":
            return at + 2
        return at + 1

    def clause_at(self, at: int) -> int:
        """Return how many words of a clause's name stand here; 0 where none do."""
        token, following = self.tokens[at], self.tokens[at + 1] if at + 1 < len(self.tokens) else None
        upper = token.text.upper()
        if token.kind != "word" or (at and self.tokens[at - 1].text in (".", "?.")):
            return 0
        if upper in ("ORDER", "GROUP") and following and following.text.upper() == "BY":
            return 2
        fresh = self.first == at and self.key is None
        if self.due and not fresh:
            return 0
        if self.due and not (self.is_named(at) and self.is_operand(following, token)):
            return 0
        if not self.due and upper == "AS" and self.is_pair_sign(at):
            return 0
        if not self.due and (self.is_operator(upper) or self.is_unit(at)):
            return 0
        if upper in CLAUSES or self.due:
            return 1
        if not is_head_word(token.text) or upper in _VALUE_WORDS or not self.is_operand(following, token):
            return 0
        count = 1
        while self.is_operand_word(at + count) and is_head_word(self.tokens[at + count].text):
            count += 1
        return count

    def is_named(self, at: int) -> bool:
        """Tell whether an upper-case word behind a clause word names the clause better: WITH STYLE 2."""
        word = self.tokens[at].text
        if not word.isupper() or word in _VALUE_WORDS:
            return False
        follows = self.tokens[at + 1].kind if at + 1 < len(self.tokens) else ""
        return word in CLAUSES or (self.clauses[-1].name == "WITH" and follows in ("text", "number") and len(word) > 1)

    def is_operator(self, word: str) -> bool:
        """Tell whether a word joins operands here; IN does so in conditions and opens a clause elsewhere."""
        return word in _OPERATOR_WORDS or word == "NOT" or (word == "IN" and self.clauses[-1].name in CONDITIONS)

    def is_unit(self, at: int) -> bool:
        """Tell whether a word is the unit of the number before it: TIMEOUT 5 MINUTES."""
        return self.clauses[-1].name in TIMED and _UNITS.fullmatch(self.tokens[at].text) is not None

    def is_operand(self, token: Token | None, before: Token) -> bool:
        """Tell whether an operand begins with a token that stands behind a word."""
        if token is None or token.kind == "sign":
            return token is not None and token.text in ("-", "!")
        if token.kind == "word":
            return token.text.upper() not in _OPERATOR_WORDS | {"AS"}
        return token.kind != "group" or token.start > before.end or token.text[0] == "{"

    def is_operand_word(self, at: int) -> bool:
        """Tell whether the word here is followed by an operand itself, so that it belongs to a clause's name."""
        if at + 1 >= len(self.tokens) or self.tokens[at].kind != "word":
            return False
        return self.is_operand(self.tokens[at + 1], self.tokens[at]) and self.tokens[at + 1].kind != "sign"

    def is_pair_sign(self, at: int) -> bool:
        """Tell whether `=` or AS here stands between a name and its value."""
        clause, token = self.clauses[-1].name, self.tokens[at]
        if self.key is not None or self.first != at - 1 or clause in CONDITIONS or at == 0:
            return False
        if self.tokens[at - 1].kind not in ("word", "text"):
            return False
        return token.text in ("=", ":") or (token.text.upper() == "AS" and clause not in ("", "AS", "FROM", "TO"))

    def begins_operand(self, at: int) -> bool:
        """Tell whether a token behind a whole operand begins another one, which only a blank parts from it."""
        token, before = self.tokens[at], self.tokens[at - 1]
        if token.kind == "sign" or before.text in (".", "?."):
            return False
        if token.kind == "word":
            return not self.is_operator(token.text.upper()) and not self.is_unit(at)
        if token.kind == "group" and token.text[0] in "([":
            return before.kind not in ("word", "group") or (token.text[0] == "(" and before.kind == "group")
        return True

    def close(self, end: int) -> None:
        """End the operand that the tokens before index `end` make, if there is one."""
        taken = self.tokens[self.first : end]
        key, self.key = self.key, None
        if taken:
            word = taken[0].text if len(taken) == 1 and taken[0].kind == "word" else ""
            comma = self.first > 0 and self.tokens[self.first - 1].text == ","
            self.clauses[-1].operands.append(Operand(taken[0].start, taken[-1].end, key, word, comma))
        elif key is not None:
            self.clauses[-1].operands.append(Operand(key.start, key.end, None, key.text))
        self.first, self.due = end, True
