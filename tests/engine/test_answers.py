"""Each type of HEAR with answers as people give them: what the script gets, and what is asked again."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest

from engine.answers import (
    SECRET_TYPES,
    TYPE_ALIASES,
    Accepted,
    Rejected,
    canonical_type,
    check_answer,
    type_names,
)
from engine.events import Attachment
from engine.values import Value

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)


def heard(type: str, content: str, language: str = "en", *files: Attachment) -> Value | Rejected:
    """Return the accepted value, or the rejection itself."""
    outcome = check_answer(type, content, files, (), now=NOW, random=Random(1), language=language, sentences={})
    return outcome.value if isinstance(outcome, Accepted) else outcome


GOOD: dict[str, list[tuple[str, str, Value]]] = {
    "text": [
        ("en", "  my printer is on fire \n", "my printer is on fire"),
        ("en", "\u200e\ufeffhello\u200b", "hello"),
        ("en", "ação\u200dçé 👍🏽", "ação\u200dçé 👍🏽"),
        ("en", "two\nlines", "two\nlines"),
        ("en", "nul\0 inside", "nul inside"),
        ("en", "lone \ud800 half", "lone \ufffd half"),
    ],
    "email": [
        ("en", "Anna.Smith+news@Example.COM", "anna.smith+news@example.com"),
        ("en", "Anna <anna@example.co.uk>", "anna@example.co.uk"),
        ("en", "mailto:anna@example.com.", "anna@example.com"),
        ("de", "anna@müller.de", "anna@müller.de"),
        ("en", "ａｎｎａ＠example.com", "anna@example.com"),
    ],
    "date": [
        ("en", "2025-12-24", "2025-12-24"),
        ("pt", "2025/12/24", "2025-12-24"),
        ("en", "2025-12-24T10:30:00Z", "2025-12-24"),
        ("en", "12/24/2025", "2025-12-24"),
        ("en", "03/04/2025", "2025-03-04"),
        ("en-US", "03/04/2025", "2025-03-04"),
        ("en-GB", "03/04/2025", "2025-04-03"),
        ("pt-BR", "03/04/2025", "2025-04-03"),
        ("es", "24/12/2025", "2025-12-24"),
        ("en", "24/12/2025", "2025-12-24"),
        ("en", "13/5/2025", "2025-05-13"),
        ("pt", "5/13/2025", "2025-05-13"),
        ("en", "12/12/2025", "2025-12-12"),
        ("de", "24.12.2025", "2025-12-24"),
        ("de", "24. 12. 2025", "2025-12-24"),
        ("fr", "24-12-2025", "2025-12-24"),
        ("it", "24 12 2025", "2025-12-24"),
        ("pt", "24122025", "2025-12-24"),
        ("pt", "20251224", "2025-12-24"),
        ("pt", "24/12/85", "1985-12-24"),
        ("pt", "24/12/27", "2027-12-24"),
        ("en", "24 Dec 2025", "2025-12-24"),
        ("en", "Dec 24th, 2025", "2025-12-24"),
        ("en", "the 1st of January 2026", "2026-01-01"),
        ("en", "2025 December 24", "2025-12-24"),
        ("en", "24-Dec-2025", "2025-12-24"),
        ("pt", "24 de dezembro de 2025", "2025-12-24"),
        ("pt", "1º de março de 2026", "2026-03-01"),
        ("es", "24 de diciembre de 2025", "2025-12-24"),
        ("es", "2 de enero del 2026", "2026-01-02"),
        ("fr", "le 1er août 2026", "2026-08-01"),
        ("fr", "24 décembre 2025", "2025-12-24"),
        ("de", "24. Dezember 2025", "2025-12-24"),
        ("de", "3. März 2026", "2026-03-03"),
        ("it", "24 dicembre 2025", "2025-12-24"),
        ("it", "1 gennaio 2026", "2026-01-01"),
        ("en", "29 Feb 2024", "2024-02-29"),
        *[(c, w, "2026-11-22") for c, w in zip(
            ("en", "pt", "es", "fr", "de", "it"),
            ("Today!", "hoje", "Hoy", "aujourd’hui", "heute", "oggi"), strict=True)],
        *[(c, w, "2026-11-23") for c, w in zip(
            ("en", "pt", "es", "fr", "de", "it"),
            ("tomorrow", "Amanhã", "mañana", "demain", "morgen", "domani"), strict=True)],
        *[(c, w, "2026-11-21") for c, w in zip(
            ("en", "pt", "es", "fr", "de", "it"),
            ("yesterday", "ontem", "ayer", "hier", "gestern", "ieri"), strict=True)],
        ("en", "Wed, 24 Dec 2025", "2025-12-24"),
        ("pt", "quarta-feira, 24 de dezembro de 2025", "2025-12-24"),
        ("fr", "l’11 novembre 2026", "2026-11-11"),
        ("fr", "mardi 24 mars 2026", "2026-03-24"),
        ("pt", "depois de amanhã", "2026-11-24"),
        ("de", "übermorgen", "2026-11-24"),
        ("en", "２０２５－１２－２４", "2025-12-24"),
        ("en", "\u200f2025-12-24\u200e", "2025-12-24"),
        ("en", "٢٠٢٥-١٢-٢٤", "2025-12-24"),
    ],
    "name": [
        ("pt", "maria da silva", "Maria da Silva"),
        ("pt", "MARIA DA SILVA E SOUZA", "Maria da Silva e Souza"),
        ("pt", "João  Dos  Santos", "João dos Santos"),
        ("en", "ludwig van beethoven", "Ludwig van Beethoven"),
        ("en", "Nguyen Van An", "Nguyen Van An"),
        ("en", "sinead o’connor", "Sinead O'Connor"),
        ("en", "ronald McDonald", "Ronald McDonald"),
        ("en", "a E", "A E"),
        ("en", "aA", "Aa"),
        ("fr", "jean-paul d'estaing", "Jean-Paul D'Estaing"),
        ("en", "john smith III", "John Smith III"),
        ("en", "j. r. r. tolkien", "J. R. R. Tolkien"),
        ("de", "jürgen müller", "Jürgen Müller"),
        ("en", "Ju\u0308rgen", "Jürgen"),
        ("en", "李小龙", "李小龙"),
    ],
    "integer": [
        ("en", "42", 42), ("en", "-7", -7), ("en", "+7", 7), ("en", "1,234", 1234), ("pt", "1.234", 1234),
        ("de", "1.234.567", 1234567), ("fr", "1 234", 1234), ("fr", "1\u202f234", 1234), ("en", "3.0", 3),
        ("pt", "3,0", 3), ("en", "007", 7), ("en", "４２", 42), ("en", "٤٢", 42), ("en", "−5", -5),
        ("pt", "1,234,567", 1234567), ("en", "999999999999999999", 999999999999999999), ("en", "42.", 42),
        ("de-CH", "1'234", 1234), ("es-MX", "1,234", 1234),
    ],
    "float": [
        ("en", "3.14", 3.14), ("en", "3,14", 3.14), ("pt", "3,14", 3.14), ("pt", "3.14", 3.14),
        ("en", "1,234.5", 1234.5), ("de", "1.234,5", 1234.5), ("en", "1.234", 1.234), ("de", "1.234", 1234.0),
        ("pt", "1,234", 1.234), ("en", ".5", 0.5), ("it", ",5", 0.5), ("en", "-0", 0.0),
        ("en", "1e3", 1000.0),
        ("en", "10", 10.0),
    ],
    "money": [
        ("pt", "R$ 1.234,56", 1234.56), ("en", "$1,234.56", 1234.56), ("en", "10 euros", 10.0),
        ("en", "R$ 1.234,56", 1234.56), ("de", "1.234,50 €", 1234.5), ("fr", "1 234,50 €", 1234.5),
        ("pt", "R$10", 10.0), ("pt", "10 reais", 10.0), ("en", "US$ 5", 5.0), ("en", "GBP 1,000", 1000.0),

        ("de", "5,- €", 5.0), ("de-CH", "CHF 5.–", 5.0), ("en", "-$5", -5.0),
            ("es", "25 dólares", 25.0), ("pt", "R$ 1.234", 1234.0),
        ("en", "0.10", 0.1), ("it", "€ 3,5", 3.5), ("en", "£99", 99.0),
    ],
    "boolean": [
        *[(c, w, True) for c, w in (
            ("en", "Yes!"), ("en", "y"), ("en", "TRUE"), ("en", "ok"), ("en", "1"), ("en", "👍"),
            ("en", "👍🏽"), ("en", "👍👍"), ("en", "yes 👍 :)"), ("en", "1."), ("en", "✅"), ("en", "✔️"),
            ("en", "Yes, please."), ("pt", "sim"), ("pt", "S"),
            ("es", "Sí"), ("es", "si\u0301"), ("fr", "oui"), ("fr", "D’accord"), ("de", "Ja"), ("it", "sì"),
            ("pt", "claro"), ("en", "ｙｅｓ"), ("es", "Sí, claro"))],
        *[(c, w, False) for c, w in (
            ("en", "No."), ("en", "n"), ("en", "false"), ("en", "0"), ("en", "👎"),
            ("en", "👎🏿"), ("en", "❌"), ("pt", "não"), ("pt", "NAO"), ("es", "no, gracias"), ("fr", "non"),
            ("de", "nein"), ("it", "no"))],
    ],
    "hour": [
        ("en", "9", "09:00"), ("en", "9am", "09:00"), ("en", "9:30 pm", "21:30"),
        ("en", "9.30 P.M.", "21:30"),
        ("pt", "14h30", "14:30"), ("fr", "14h", "14:00"), ("fr", "14 h 05", "14:05"),
        ("de", "14 Uhr 30", "14:30"),
        ("de", "14:30 Uhr", "14:30"), ("it", "14.30", "14:30"), ("en", "0930", "09:30"),
        ("en", "930", "09:30"),
        ("en", "12am", "00:00"), ("en", "12 pm", "12:00"), ("en", "noon", "12:00"),
        ("en", "Midnight", "00:00"),
        ("pt", "meio-dia", "12:00"), ("es", "medianoche", "00:00"), ("fr", "midi", "12:00"),
        ("de", "Mitternacht", "00:00"), ("it", "mezzogiorno", "12:00"), ("en", "23:59:59", "23:59"),
        ("en", "at 9 o'clock", "09:00"), ("pt", "às 3 da tarde", "15:00"), ("es", "8 de la mañana", "08:00"),
        ("en", "00:00", "00:00"), ("pt", "12 da noite", "00:00"),
        ("es", "12:30 de la tarde", "12:30"),
    ],
    "mobile": [
        ("en", "+1 (202) 555-0143", "12025550143"), ("pt", "+55 11 91234-5678", "5511912345678"),
        ("en", "+44 (0)20 7946 0958", "442079460958"), ("de", "0049 151 23456789", "4915123456789"),
        ("pt", "(11) 91234.5678", "11912345678"), ("en", "tel:+12025550143", "12025550143"),
        ("en", "＋１ ２０２ ５５５ ０１４３", "12025550143"),
    ],
    "zipcode": [
        ("en", "90210", "90210"), ("en", "90210-1234", "90210-1234"), ("en", "902101234", "90210-1234"),
        ("pt", "01310100", "01310-100"), ("pt", "01310-100", "01310-100"), ("pt", "01.310-100", "01310-100"),
        ("en", "sw1a1aa", "SW1A 1AA"), ("en", "M1 1AE", "M1 1AE"), ("en", "k1a0b1", "K1A 0B1"),
        ("en", "1234 ab", "1234 AB"), ("fr", "75001", "75001"), ("en", "100-0001", "100-0001"),
        ("en", "D02 X285", "D02 X285"),
    ],
    "language": [
        ("en", "English", "en"), ("pt", "português", "pt"), ("pt", "inglês", "en"), ("es", "alemán", "de"),
        ("fr", "italien", "it"), ("de", "Französisch", "fr"), ("it", "spagnolo", "es"), ("en", "pt-BR", "pt"),
        ("en", "DE", "de"), ("en", "日本語", "ja"), ("en", "Русский", "ru"), ("en", "العربية", "ar"),
        ("en", "Tiếng Việt", "vi"), ("en", "हिन्दी", "hi"), ("en", "한국어", "ko"),
    ],
    "cpf": [
        ("pt", "529.982.247-25", "529.982.247-25"), ("pt", "52998224725", "529.982.247-25"),
        ("pt", "111.444.777-35", "111.444.777-35"),
    ],
    "cnpj": [
        ("pt", "11222333000181", "11.222.333/0001-81"), ("pt", "11.222.333/0001-81", "11.222.333/0001-81"),
        ("pt", "12.ABC.345/01DE-35", "12.ABC.345/01DE-35"), ("pt", "12abc34501de35", "12.ABC.345/01DE-35"),
        ("pt", "00.000.000/0001-91", "00.000.000/0001-91"),
        ("pt", "33.000.167/0001-01", "33.000.167/0001-01"),
    ],
    "url": [
        ("en", "example.com", "https://example.com"),
        ("en", "HTTP://Example.com/A?b=C", "http://example.com/A?b=C"),
        ("en", "https://example.com:8443/x#y", "https://example.com:8443/x#y"),
        ("en", "www.exämple.de/ü", "https://www.exämple.de/ü"),
        ("en", "my_files.example.com./x", "https://my_files.example.com/x"),
        ("en", "localhost:8080", "https://localhost:8080"),
        ("en", "http://192.168.0.1/", "http://192.168.0.1/"), ("en", "http://[::1]:80/", "http://[::1]:80/"),
    ],
    "uuid": [
        ("en", u, "123e4567-e89b-12d3-a456-426614174000") for u in (
            "123e4567-e89b-12d3-a456-426614174000", "123E4567E89B12D3A456426614174000",
            "{123e4567-e89b-12d3-a456-426614174000}", "urn:uuid:123e4567-e89b-12d3-a456-426614174000")
    ],
    "color": [
        ("en", "red", "#FF0000"), ("en", "Dark Blue", "#00008B"), ("en", "#f80", "#FF8800"),
        ("en", "1e90ff", "#1E90FF"), ("en", "rgb(255, 128, 0)", "#FF8000"), ("en", "255 128 0", "#FF8000"),
        ("pt", "vermelho", "#FF0000"), ("es", "amarillo", "#FFFF00"), ("fr", "bleu", "#0000FF"),
        ("de", "grün", "#008000"),
        ("de", "hellgrün", "#90EE90"), ("pt", "azul escuro", "#00008B"), ("it", "nero", "#000000"),
    ],
    "login": [
        ("en", "anna.smith", "anna.smith"), ("en", "@Anna_99", "Anna_99"),
        ("en", "Anna@Example.com", "anna@example.com"),
        ("en", "CORP\\anna", "CORP\\anna"),
    ],
    "qrcode": [("en", "https://pay.example/42", "https://pay.example/42")],
}  # fmt: skip

BAD: dict[str, tuple[str, ...]] = {
    "text": ("", "   \t\n", "\u200b\u200e", "\0"),
    "email": ("anna", "anna@", "@example.com", "anna@example", "a b@example.com", "a..b@example.com",
              ".a@example.com", "anna@-example.com", "anna@example.c", "anna@1.2.3.4", "a@b@c.com",
              "x" * 65 + "@example.com", "x@" + "a.b" * 90 + ".com", "a@" + "b" * 64 + ".com",
              "anna@exa mple.com", "anna@ex_ample.com"),
    "date": ("31/02/2025", "2025-02-29", "2025-13-01", "13/13/2025", "32 Dec 2025", "24/12", "Dec 24", "soon",
             "2025", "1", "24/12-2025", "0000-01-01", "24 Dec Dec 2025", "24122525252", "24 Dec 20255",
             "30 fevereiro 2025", "2025-12-24 rubbish", "-2025-12-24"),
    "name": ("Anna2", "123", "anna@example.com", "?", "-", "...", "Anna; drop", "x" * 201, "<b>Anna</b>"),
    "integer": ("", "twelve", "3.5", "1,23", "1e3", "1.2.3", "12 apples", "--1", "1234,567",
             "9" * 19, "1" * 5000,
                "0x10", "1 2", "NaN", "½"),
    "float": ("abc", "1e400", "inf", "nan", "1.2.3.4", "1,2,3", "3,14,15", "1_000", "1.234,567,890",
             "1" * 400),
    "money": ("free", "1.234.5", "$", "10 apples", "1e3", "$10.0055", "12345678901234567", "R$ abc", "10 20"),
    "boolean": ("maybe", "", "2", "yesno", "yes no", "👍👎", "yes 👎", "10", "-1", "$1", "?", "no yes",
             "1" + ",- " * 60),
    "hour": ("25", "24:00", "9:5", "12:60", "13am", "0pm", "nine", "9-10", "-9", "12345", "9:30:99",
             "12:30:60", "123:45", "", "am",
             "9am pm", "9:30 foo", "𐩀", "12 de la mañana"),
    "mobile": ("1234567", "1234567890123456", "call me", "555-CALL-NOW", "", "+", "12 34+56789",
             "00 00 00 00"),
    "zipcode": ("12", "hello", "12345678901", "12_345", "", "12--345", "ab cd"),
    "language": ("klingon", "xx", "", "english please", "e", "en-"),
    "cpf": ("529.982.247-24", "111.111.111-11", "5299822472", "529982247255", "abc", ""),
    "cnpj": ("11222333000180", "00000000000000", "12.ABC.345/01DE-36", "12ABC34501DEAB",
             "12ABC34501DEA5", "1122233300018", ""),
    "url": ("hello", "ftp://example.com", "javascript:alert(1)", "https://", "http://a b.com",
             "https://user:pw@example.com",
            "mailto:anna@example.com", "http://example.com:99999", "http://exa\\mple.com", "http://[::1",
            "12.5", "https://example.com/" + "a" * 2000, "file:///etc/passwd", "http://exam\nple.com"),
    "uuid": ("123e4567", "123e4567-e89b-12d3-a456-42661417400g", "123e4567-e89b-12d3-a456-4266141740000", ""),
    "color": ("colour of money", "#12", "#12345", "rgb(256,0,0)", "#ggg", ""),
    "creditcard": ("4111 1111 1111 1112", "0000 0000 0000 0000", "4111", "4111-abcd", "4" * 30, ""),
    "password": ("", "short", "1234567", "       a       "),
    "login": ("", "anna smith", "@", "...", "anna@", "x" * 129, "anna;--"),
    "qrcode": ("", "  "),
    "file": ("report.pdf", ""), "image": ("https://example.com/a.jpg",), "audio": ("",), "video": ("",),
    "document": ("",),
}  # fmt: skip


@pytest.mark.parametrize(
    ("type", "language", "content", "value"),
    [(type, *row) for type, rows in GOOD.items() for row in rows],
)
def test_a_good_answer_becomes_the_value(type: str, language: str, content: str, value: Value) -> None:
    got = heard(type, content, language)
    assert got == value
    assert got.__class__ is value.__class__


@pytest.mark.parametrize(("type", "content"), [(t, c) for t, contents in BAD.items() for c in contents])
@pytest.mark.parametrize("language", ["en", "pt", "de"])
def test_a_bad_answer_is_asked_again(type: str, language: str, content: str) -> None:
    assert isinstance(heard(type, content, language), Rejected)


@pytest.mark.parametrize(
    ("type", "base"),
    [
        *[("cpf", f"{n:09}") for n in (1, 123456789, 529982247, 987654321, 100000000)],
        *[("cnpj", f"{n:08}0001") for n in (0, 12345678, 33000167, 99999999)],
        *[("cnpj", base) for base in ("12ABC34501DE", "ZZZZZZZZZZZZ", "A0A0A0A00001")],
    ],
)
def test_of_a_hundred_check_digits_one_pair_fits(type: str, base: str) -> None:
    fitting = [n for n in range(100) if not isinstance(heard(type, f"{base}{n:02}"), Rejected)]
    assert len(fitting) == 1


def test_money_is_never_misread_a_thousandfold() -> None:
    assert isinstance(heard("money", "1.234", "en"), Rejected)
    assert isinstance(heard("money", "1,234", "pt"), Rejected)
    assert heard("money", "1,234", "en") == heard("money", "1.234", "pt") == 1234


def test_every_type_is_in_the_tables() -> None:
    assert set(BAD) == set(TYPE_ALIASES)
    by_attachment = {"file", "image", "audio", "video", "document"}
    assert set(GOOD) | by_attachment | SECRET_TYPES == set(TYPE_ALIASES)


# Written out from the dialect's description, not from the module's own table.
ALIASES = """
STRING/TEXT/ANY EMAIL DATE NAME INTEGER/INT/NUMBER FLOAT/DECIMAL/DOUBLE BOOLEAN/BOOL HOUR/TIME
MONEY/CURRENCY/AMOUNT MOBILE/PHONE/TELEPHONE ZIPCODE/ZIP/CEP/POSTALCODE LANGUAGE/LANG CPF CNPJ
URL/LINK UUID/GUID COLOR/COLOUR CREDITCARD/CARD PASSWORD/SECRET FILE IMAGE/PHOTO/PICTURE AUDIO/VOICE
VIDEO DOCUMENT/DOC/PDF QRCODE/QR LOGIN
"""


def test_every_alias_of_the_dialect_has_one_type() -> None:
    canonical = []
    for group in ALIASES.split():
        named = {canonical_type(word) for word in group.split("/")}
        assert len(named) == 1 and None not in named, group
        assert named == {canonical_type(group.split("/")[0].lower())}
        canonical.append(named.pop())
    assert sorted(c for c in canonical if c) == sorted(TYPE_ALIASES)
    assert sorted(w.lower() for w in ALIASES.replace("/", " ").split()) == list(type_names())
    assert canonical_type("CEP") == "zipcode"
    assert canonical_type("teapot") is None


def test_an_alias_checks_as_its_type() -> None:
    assert heard("CEP", "01310100") == "01310-100"
    with pytest.raises(KeyError):
        heard("teapot", "x")


PICTURE = Attachment("https://files.example/1", "image")
BY_MIME = Attachment("https://files.example/2", "file", "", "image/png")
BY_NAME = Attachment("https://files.example/3", "file", "Scan.PDF")
BY_URL = Attachment("https://files.example/talk.ogg?sig=a/b.c")
AS_DOCUMENT = Attachment("https://files.example/4", "document", "x", "image/jpeg")
CLIP = Attachment("https://files.example/5", "video", "v.mp4", "video/mp4")


@pytest.mark.parametrize(
    ("type", "files", "url"),
    [
        ("image", (PICTURE,), PICTURE.url),
        ("image", (BY_NAME, BY_MIME), BY_MIME.url),
        ("image", (AS_DOCUMENT,), AS_DOCUMENT.url),
        ("image", (BY_NAME, CLIP), None),
        ("document", (PICTURE, BY_NAME), BY_NAME.url),
        ("document", (AS_DOCUMENT,), AS_DOCUMENT.url),
        ("document", (PICTURE, CLIP), None),
        ("audio", (BY_URL,), BY_URL.url),
        ("audio", (CLIP,), None),
        ("video", (PICTURE, CLIP), CLIP.url),
        ("file", (BY_URL, CLIP), BY_URL.url),
        ("file", (Attachment(" "),), None),
        ("qrcode", (PICTURE,), PICTURE.url),
        ("qrcode", (CLIP,), None),
        ("text", (PICTURE,), None),
    ],
)
def test_a_file_is_known_by_kind_mime_type_or_name(type: str, files: tuple[Attachment, ...], url: str | None) -> None:
    got = heard(type, "", "en", *files)
    assert isinstance(got, Rejected) if url is None else got == url


def test_what_a_qr_code_says_counts_more_than_its_picture() -> None:
    assert heard("qrcode", "decoded", "en", PICTURE) == "decoded"


@pytest.mark.parametrize("kind", type_names())
def test_no_type_takes_a_blank_answer(kind: str) -> None:
    """So that DEFAULT is what a blank one takes, whichever way a HEAR goes."""
    for blank in ("", "   ", "\n\t", "\u200b"):
        assert isinstance(heard(kind, blank), Rejected)
