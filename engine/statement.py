"""Scans one statement: masks its strings, blanks its comments, and finds where it ends."""

from __future__ import annotations

import re

from engine.errors import Problem
from engine.literals import BLANK, DOUBLE_CURLY, SINGLE_CURLY, WORD, LiteralReader, closings, line_end, masked
from engine.source import Literal, LogicalLine, Source

STATEMENT_CHARACTERS_MAX = 50_000
"""Bounds the look ahead for a quote or bracket that never closes."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DATA_HEADS = _words("FIND UPDATE SELECT INSERT MERGE DELETE SAVE AGGREGATE FILTER JOIN PIVOT SORT GROUP MAP FILL")
BRACE_HEADS = _words("IF ELSE ELSEIF FOR WHILE DO SWITCH SELECT SUB FUNCTION TRY CATCH CASE DEFAULT")
CLAUSE_ENDS = _words("WHERE SET VALUES FROM BY INTO ON WITH HAVING LIMIT USING SUBJECT BODY TO ORDER GROUP")
OPERATOR_WORDS = _words("AND OR NOT MOD LIKE ILIKE CONTAINS IN IS BETWEEN")
OPERAND_WORDS = OPERATOR_WORDS | _words(
    "TALK PRINT LOG DEBUG RETURN CASE WITH TO STEP UNTIL WHILE IF ELSEIF FROM BY AS SET LET DEFAULT THROW"
    " RAISE GET POST PUT PATCH CALL FIND SAVE INSERT UPDATE DELETE WHERE VALUES SUBJECT BODY USING DATA"
    " TEMPLATE SWITCH FORMAT LLM REWRITE ASSERT DESCRIPTION SUGGESTION TOOL EVENT PROMPT LIMIT ON"
)
CLOSING_WORDS = _words(
    "END NEXT LOOP WEND EXIT ELSE THEN DO STOP TRY BREAK CONTINUE SUGGESTIONS TOOLS HEADERS ERROR EACH"
)
BRACE_BEFORE = _words("THEN ELSE DO TRY CATCH DEFAULT")

COLON_HEADS = _words("STEP BRANCH ON TIMEOUT ORCHESTRATE SET SCHEDULE PARAM DESCRIPTION HTTP HTTPS WS WSS FTP")
ALONE_HEADS = _words("DEFAULT ELSE TRY CATCH DO LOOP NEXT WEND END RETURN EXIT STOP BREAK CONTINUE TALK CASE")
LISTED_HEADS = _words("TALK PRINT LOG DEBUG")

_OPERATORS = frozenset(",&+-/\\^=<>?|*%")
_OPERAND_DUE = frozenset(",([{=+-*/\\^&<>?!|%:")
_BLANKS = re.compile(rf"(?:(?![\r\n]){BLANK.pattern})+")
_COMMENT_LINE = re.compile(r"[^\S\r\n]*(?:#(?!\{)|REM(?=\s|$))", re.IGNORECASE)
_URL = re.compile(r"(?:https?|wss?|ftp):$", re.IGNORECASE)
_AFTER_QUOTE = re.compile(r"[ \t]*(?:\Z|[\r\n]|[,)\]}+\-*/&=<>?:.;|]|'|‘|’|[A-Z]{2,}\b)")
_RAW_TEXT = re.compile(r"[ \t]+[^\s\"“”‘’'=.,(\[]")
_FRESH = re.compile(
    r"\s*(?:(?:TALK|HEAR|PRINT|IF|ELSEIF|FOR|LET|CALL|SUB|FUNCTION|RETURN|WHILE|DO|SET|LOOP|END|EXIT|NEXT)"
    r"[ \t]+[\"“\w]|(?:ELSE|NEXT|LOOP|WEND|END|TALK)[ \t]*$)"
)
_STRAY = re.compile(r"\s*(?:(?:LET |SET )?[^\W\d][\w.]*\s*=|(?:[A-Z]{2,}[ \t]+)+)\s*$")
_CLAUSE = re.compile(r"\s*([A-Za-z]+)(?:[ \t]+(\w+))?[ \t]*(.?)")
_WITH_PAIR = re.compile(r"\s*WITH\s+\w+\s*(?:AS\b|=)", re.IGNORECASE)
_THEN = re.compile(r"\s*THEN(?!\w)(?!\s*=)", re.IGNORECASE)
_HEARD = re.compile(r"\s*(?:DEFAULT|RETRIES)[ \t]+[\w\"“]")
_WITH = re.compile(r"\s*WITH[ \t]+[\w\"“{\[(#]", re.IGNORECASE)
_WITH_BLOCK = re.compile(r"\s*WITH[ \t]+[^\W\d]\w*(?:\.\w+|\[[^\]]*\])*[ \t]*(?:$|'|//|REM\b)", re.IGNORECASE)
_FURTHER = re.compile(
    r"\s*(?:\.[^\W\d]\w*\(|(?:TO|SUBJECT|BODY|USING|AS|INTO|BY|AT|TIMEOUT|DATA|TEMPLATE|ATTACHMENTS?|CC|BCC)"
    r"[ \t]+(?:[\"“\d\[{]|[^\W\d]\w*(?![ \t]*(?:=|:))))"
)
_LEADING = re.compile(r"\s*(?:(?:AND|OR)(?=[ \t]+[^\s=.])|[+&](?!\+))", re.IGNORECASE)


class StatementScanner:
    """From `at`, the first character of a statement, to where it ends. Call run, then line."""

    def __init__(self, source: Source, reader: LiteralReader, at: int, *, in_braces: bool) -> None:
        self.source, self.text, self.reader = source, source.text, reader
        self.start = self.at = at
        self.limit = min(len(self.text), at + STATEMENT_CHARACTERS_MAX)
        self.in_braces = in_braces
        self.pieces: list[str] = []
        self.literals: dict[int, Literal] = {}
        self.stack: list[tuple[str, int]] = []
        self.problems: list[Problem] = []
        self.opens_brace = self.done = False
        self.first = self.second = self.head = self.spelling = ""
        self.before, self.previous = "", ""
        self.upper = True
        self.has_set = self.has_then = self.chooses = False

    def run(self) -> None:
        """Go to the end of the statement; `at` is then the first character that is not part of it."""
        while not self.done and self.at < self.limit:
            c = self.text[self.at]
            if c in "\r\n":
                self._line_break()
            elif blanks := _BLANKS.match(self.text, self.at, self.limit):
                self._take(" " * len(blanks[0]), len(blanks[0]))
            elif c in "\"'" or c in DOUBLE_CURLY + SINGLE_CURLY:
                self._quote(c)
            elif word := WORD.match(self.text, self.at):
                self._word(word[0])
            else:
                self._symbol(c)
        if not self.done and self.stack:
            self._unclosed()
        elif not self.done and self.at < len(self.text):
            what = f"this statement is longer than {STATEMENT_CHARACTERS_MAX:,} characters"
            self._report(self.start, what, "split it into several")
            self.at = self.reader.line_end(self.at)

    def line(self) -> LogicalLine | None:
        """Return the statement as a logical line; None when nothing but blanks is left of it."""
        text = "".join(self.pieces)
        lead = len(text) - len(text.lstrip(" "))
        text = text.strip(" ")
        if not text and not self.opens_brace:
            return None
        broken = any(p.severity == "error" for p in self.problems)
        return LogicalLine(text, self.start + lead, self.literals, None, self.opens_brace, broken)

    def _take(self, piece: str, length: int) -> None:
        self.pieces.append(piece)
        self.at += length

    def _token(self, token: str) -> None:
        self.before, self.previous = self.previous, token

    # --- words and signs

    def _word(self, word: str) -> None:
        self._take(word, len(word))
        name = word.upper()
        rest = self.text[self.at : self.reader.line_end(self.at)] if word == "_" else ""
        if word == "_" and (not rest.strip() or rest.lstrip().startswith(("'", "//"))):
            self.pieces[-1] = " "
            self._token("_")
            return
        if name == "REM" and not self.stack and self._is_remark(word):
            self.at -= len(word)
            self.pieces.pop()
            self._comment()
            return
        self.upper = self.upper and word.isupper()
        self.spelling = word
        self.second = self.second or (name if self.first else "")
        self.first = self.first or name
        self.head = self.head or name
        if not self.stack:
            self.has_set = self.has_set or name == "SET"
            if name in ("THEN", "ELSE"):
                self.head, self.has_then = "", True
        self._token("x" if self.previous == "." else name)
        unquoted = name == "DESCRIPTION" and _RAW_TEXT.match(self.text, self.at)
        if unquoted and self.first in ("DESCRIPTION", "PARAM"):
            end = min(self.limit, self.reader.line_end(self.at))
            self._take(self.text[self.at : end], end - self.at)
            self.done = True

    def _symbol(self, c: str) -> None:
        before = self.text[max(self.start, self.at - 6) : self.at]
        if c == "/" and self.text.startswith("//", self.at) and not _URL.search(before):
            self._comment()
            return
        if c == "{" and not self.stack and self._is_block():
            self.at += 1
            self.opens_brace = self.done = True
            return
        if c == "}" and not self.stack and self.in_braces:
            self.done = True
            return
        if c in ":;" and not self.stack and self._ends_here(c):
            return
        self.chooses = self.chooses or c == "?"
        if c in "([{":
            self.stack.append((c, self.at))
        elif c in ")]}" and self.stack and not self._close(c):
            return
        if c == "=" and not self.stack:
            self.upper, self.head = True, self.head if self._is_data() else ""
            if not self.before and self.previous == self.first:
                self.first = "="  # `case = …` is an assignment, whatever is called so
        self._take(c, 1)
        self._token(c)

    def _is_remark(self, word: str) -> bool:
        """Whether REM behind a statement begins a comment, and is no variable of that name."""
        after = self.text[self.at : self.at + 1]
        follows = self.text[self.at : self.reader.line_end(self.at)].lstrip()[:1]
        is_free = bool(self.first) and (not after or after.isspace()) and follows not in tuple("=+*/&<>,).")
        return is_free and (word == "REM" or (self.previous not in OPERAND_WORDS and self._ends_operand(self.previous)))

    def _ends_here(self, c: str) -> bool:
        """Whether `:` or `;` parts this statement from the next one; between values said, `;` is a comma."""
        rest = self.text[self.at + 1 : self.reader.line_end(self.at)]
        is_last = not rest.strip() or rest.lstrip().startswith(("'", "//"))
        if c == ";":
            if self.first in LISTED_HEADS and not is_last and not _FRESH.match(rest):
                self._take(",", 1)
                self._token(",")
                return True
        elif not self._parts(rest, is_last):
            return False
        self.at += 1
        self.done = True
        return True

    def _parts(self, rest: str, is_last: bool) -> bool:
        if self.chooses or self.first in COLON_HEADS or rest.startswith(("//", "=")):
            return False
        if self.first in ("IF", "ELSEIF", "ELSE") and self.has_then and not is_last:
            return False  # statements of the one line
        if self.previous.isdigit() and rest[:1].isdigit():
            return False  # a time of day
        alone = not self.second
        return bool(self.first) and (not alone or self.first in ALONE_HEADS or not is_last)

    def _close(self, c: str) -> bool:
        opened, at = self.stack.pop()
        if opened + c in ("()", "[]", "{}"):
            return True
        line = self.source.place(at)[0]
        where = "" if line == self.source.place(self.at)[0] else f" of line {line}"
        wanted = {"(": ")", "[": "]", "{": "}"}[opened]
        message = f'"{c}" stands where the "{opened}"{where} needs "{wanted}"'
        self._report(self.at, message, f'close it with "{wanted}"')
        self.stack.clear()
        end = min(self.limit, self.reader.line_end(self.at))
        self._take(" " * (end - self.at), end - self.at)
        self.done = True
        return False

    def _is_block(self) -> bool:
        if self.first not in BRACE_HEADS:
            return False
        if self.previous in BRACE_BEFORE:
            return True
        if self.previous in (")", "]", "}", '"'):
            return True
        is_operand = self.previous.isdigit() or WORD.fullmatch(self.previous) is not None
        return is_operand and self.previous not in OPERAND_WORDS

    # --- comments and strings

    def _comment(self) -> None:
        end = min(self.limit, self.reader.line_end(self.at))
        self._take(" " * (end - self.at), end - self.at)

    def _quote(self, c: str) -> None:
        single = c == "'" or c in SINGLE_CURLY
        closing = closings(self.text, self.at)
        if not single:
            literal = self.reader.read(self.at, c, closing, self.limit)
            if c == '"' and self._ends_curly(literal):
                literal = self.reader.read(self.at, c, ("”",), self.reader.line_end(self.at))
            if literal and not self._runs_over(literal):
                self._literal(literal)
            else:
                self._unclosed_string()
            return
        end = self.reader.line_end(self.at)
        literal = self.reader.read(self.at, c, closing, end) if self._operand_due() else None
        if literal and _AFTER_QUOTE.match(self.text, literal.end):
            self._literal(literal)
            return
        if (
            self._operand_due()
            and not self.text[self.at + 1 : self.at + 2].isspace()
            and "'" in self.text[self.at + 1 : end]
        ):
            what, hint = "what stands behind this ' is read as a comment", 'write a text with \' in it as "…"'
            self.problems.append(self.source.problem(self.at, what, hint, warning=True))
        self._comment()

    def _ends_curly(self, literal: Literal | None) -> bool:
        """Whether a string of several lines was closed on its first one by the quote of an editor: "a”."""
        end = self.reader.line_end(self.at)
        over = literal is None or literal.end > end
        return over and self.text[self.at : end].rstrip().endswith("”")

    def _literal(self, literal: Literal) -> None:
        self.literals[literal.start] = literal
        self._take(masked(literal.end - literal.start), literal.end - literal.start)
        self._token('"')

    def _operand_due(self) -> bool:
        if self.previous in _OPERAND_DUE or self.previous in OPERAND_WORDS:
            return True
        is_word = bool(self.previous) and WORD.fullmatch(self.previous) is not None
        return is_word and self.upper and CLOSING_WORDS.isdisjoint((self.previous, self.first))

    def _runs_over(self, literal: Literal) -> bool:
        """Whether a string of several lines ends at what is plainly the opening quote of a later one."""
        end = literal.end - 1
        if self.reader.line_end(literal.start) >= end:
            return False
        start = max(self.text.rfind("\n", 0, end), self.text.rfind("\r", 0, end)) + 1
        follows = self.text[literal.end : literal.end + 1]
        return bool(WORD.match(follows)) or _STRAY.match(self.text[start:end]) is not None

    def _unclosed_string(self) -> None:
        self._report(self.at, "this string has no closing quote", 'add the closing " at its end')
        end = min(self.limit, self.reader.line_end(self.at))
        self._take(masked(end - self.at), end - self.at)
        self.stack.clear()
        self.done = True

    # --- where a statement ends

    def _line_break(self) -> None:
        following = self.at + (2 if self.text.startswith("\r\n", self.at) else 1)
        rest = self.text[following : line_end(self.text, following)]
        if self.stack and _FRESH.match(rest):
            self._unclosed()
        elif self.stack or self._goes_on(following):
            self._take(" " * (following - self.at), following - self.at)
            if _COMMENT_LINE.match(self.text, self.at):
                self._comment()
        else:
            self.done = True

    def _goes_on(self, following: int) -> bool:
        last = self.previous
        if last == "_" or last in OPERATOR_WORDS & {"AND", "OR", "NOT", "MOD"}:
            return self.before not in ("", ".") or last == "_"
        if last in "+-" and self.before == last and "".join(self.pieces).rstrip().endswith(last * 2):
            return False  # x++
        if last == ":" and self.chooses:
            return True
        if last in _OPERATORS:
            scheduled = "SCHEDULE" in (self.first, self.second)
            return last not in "*%" or (self._ends_operand(self.before) and not scheduled)
        if last in CLAUSE_ENDS and self._ends_operand(self.before) and self.first not in ("BEGIN", "END"):
            # SET TRANSLATOR ON is whole
            return self._is_data() or (self.spelling.isupper() and last != "ON")
        return self._clause_opens(self.text[following : line_end(self.text, following)])

    def _clause_opens(self, line: str) -> bool:
        if _LEADING.match(line):
            return True
        if self._chain_opens(line):
            return True
        opening = _CLAUSE.match(line)
        if not opening or not self._is_data():
            return False
        word, second, sign = opening[1].upper(), (opening[2] or "").upper(), opening[3]
        if not second and sign in ("=", ".", "["):
            return False
        match word:
            case "WHERE" | "VALUES" | "INTO" | "HAVING":
                return True
            case "FROM" | "LIMIT":
                return sign not in ("=", ".") or bool(second)
            case "ORDER" | "GROUP":
                return second == "BY"
            case "LEFT" | "RIGHT" | "INNER" | "OUTER" | "JOIN":
                return second == "JOIN" or word == "JOIN"
            case "SET":
                return self.head in ("UPDATE", "MERGE") and not self.has_set and self.previous != ","
            case "WITH":
                with_pairs = ("SAVE", "INSERT", "UPDATE", "MERGE")
                return self.head in with_pairs and _WITH_PAIR.match(line) is not None
            case "ON":
                return second not in ("ERROR", "EVENT", "FORM", "TIMEOUT", "")
            case _:
                return False

    def _chain_opens(self, line: str) -> bool:
        """Whether a line goes on with the statement before it because it begins none itself: THEN, `.trim()`,
        `SUBJECT "s"`, `WITH TEMPLATE "t"`."""
        if self.first in ("BEGIN", "TABLE", "END", "WITH") or not self.first:
            return False
        if self.first in ("IF", "ELSEIF", "ELSE") and not self.has_then and _THEN.match(line):
            return True
        if self.first == "HEAR" and _HEARD.match(line):
            return True
        if self.head == "INSERT" and line.lstrip().startswith("("):
            return True
        if _WITH.match(line):
            return not (self.has_then or self.first in BRACE_HEADS or _WITH_BLOCK.match(line))
        return not self.has_then and self.first not in BRACE_HEADS and _FURTHER.match(line) is not None

    def _ends_operand(self, token: str) -> bool:
        return bool(token) and token not in _OPERAND_DUE and token not in OPERATOR_WORDS

    def _is_data(self) -> bool:
        start = f"{self.first} {self.second}"
        return self.head in DATA_HEADS and start not in ("SELECT CASE", "DELETE HTTP")

    # --- recovery

    def _unclosed(self) -> None:
        sign, at = self.stack[-1]
        wanted = {"(": ")", "[": "]", "{": "}"}[sign]
        self._report(at, f'this "{sign}" is never closed', f'close it with "{wanted}"')
        end = min(self.limit, line_end(self.text, at))
        kept = "".join(self.pieces)[: end - self.start]
        self.pieces = [kept]
        self.literals = {k: v for k, v in self.literals.items() if v.end <= end}
        self.at = end
        self.stack.clear()
        self.done = True

    def _report(self, at: int, message: str, hint: str) -> None:
        self.problems.append(self.source.problem(at, message, hint))
