"""LANGUAGE: a language's ISO 639-1 code, from the code or from its name in six languages and its own."""

from __future__ import annotations

import re

from engine.answers.cleaning import folded
from engine.answers.outcomes import Accepted, Answer, as_text
from engine.answers.words import word_set

CODES = word_set(
    """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de
    dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id
    ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu
    lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu
    rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr
    ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
    """
)

# Folded names: English, Portuguese, Spanish, French, German, Italian, and what its speakers call it.
_NAMES = {
    "af": "afrikaans africaner africaans",
    "ar": "arabic arabe arabo arabisch العربية عربي",
    "bg": "bulgarian bulgaro bulgare bulgarisch български",
    "bn": "bengali bengalese bengalisch বাংলা bangla",
    "ca": "catalan catalao catala katalanisch catalano",
    "cs": "czech checo tcheco tcheque tschechisch ceco cestina",
    "cy": "welsh gales gallois walisisch gallese cymraeg",
    "da": "danish dinamarques danes danois danisch danese dansk",
    "de": "german alemao aleman allemand deutsch tedesco",
    "el": "greek grego griego grec griechisch greco ελληνικα",
    "en": "english ingles anglais englisch inglese",
    "eo": "esperanto",
    "es": "spanish espanhol espanol espagnol spanisch spagnolo castellano castelhano castillan",
    "et": "estonian estoniano estonio estonien estnisch estone eesti",
    "eu": "basque basco vasco euskera baskisch euskara",
    "fa": "persian persa persan persisch persiano farsi فارسی",
    "fi": "finnish finlandes fines finnois finnisch finlandese suomi",
    "fr": "french frances francais franzosisch franzoesisch francese",
    "ga": "irish irlandes irlandais irisch irlandese gaeilge",
    "gl": "galician galego gallego galicien galicisch galiziano",
    "gn": "guarani",
    "he": "hebrew hebraico hebreo hebreu hebraisch hebraeisch ebraico עברית",
    "hi": "hindi indi हिन्दी",
    "hr": "croatian croata croate kroatisch croato hrvatski",
    "hu": "hungarian hungaro hongrois ungarisch ungherese magyar",
    "id": "indonesian indonesio indonesien indonesisch indonesiano",
    "is": "icelandic islandes islandais islandisch islandaisch islandese islenska",
    "it": "italian italiano italien italienisch",
    "ja": "japanese japones japonais japanisch giapponese 日本語 nihongo",
    "ko": "korean coreano coreen koreanisch 한국어",
    "la": "latin latim latein latino",
    "lt": "lithuanian lituano lituanien litauisch lietuviu",
    "lv": "latvian letao leton letton lettisch lettone latviesu",
    "ms": "malay malaio malayo malais malaiisch malese melayu",
    "nl": "dutch holandes neerlandes neerlandais hollandais niederlandisch niederlaendisch hollandisch "
    "olandese nederlands",
    "no": "norwegian noruegues noruego norvegien norwegisch norvegese norsk",
    "pl": "polish polones polaco polonais polnisch polacco polski",
    "pt": "portuguese portugues portugais portugiesisch portoghese brasileiro",
    "ro": "romanian romeno rumano roumain rumanisch rumaenisch rumeno romana",
    "ru": "russian russo ruso russe russisch русскии",
    "sk": "slovak eslovaco slovaque slowakisch slovacco slovencina",
    "sl": "slovenian esloveno slovene slowenisch sloveno slovenscina",
    "sq": "albanian albanes albanais albanisch albanese shqip",
    "sr": "serbian servio serbio serbe serbisch serbo српски srpski",
    "sv": "swedish sueco suedois schwedisch svedese svenska",
    "sw": "swahili suaili suajili suaheli",
    "th": "thai tailandes thailandais thailandisch tailandese ไทย",
    "tl": "tagalog filipino",
    "tr": "turkish turco turc turkisch tuerkisch turkce",
    "uk": "ukrainian ucraniano ukrainien ukrainisch ucraino українська",
    "ur": "urdu اردو",
    "vi": "vietnamese vietnamita vietnamien vietnamesisch",
    "zh": "chinese chines chino chinois chinesisch cinese mandarin mandarim 中文 汉语 漢語 普通话",
}
LANGUAGE_NAMES: dict[str, str] = {folded(n): code for code, names in _NAMES.items() for n in names.split()}
LANGUAGE_NAMES |= {folded(n): "vi" for n in ("Tiếng Việt",)} | {folded("Bahasa Indonesia"): "id"}

_TAG = re.compile(r"([a-z]{2})(?:[-_][a-z0-9]{2,8}){0,3}")


def check_language(answer: Answer) -> Accepted | None:
    """Accept a language's name, its ISO 639-1 code or a tag that begins with it; the value is the code."""
    text = folded(answer.text).strip(" .!")
    code = LANGUAGE_NAMES.get(text)
    if code is None and (match := _TAG.fullmatch(text)) and match[1] in CODES:
        code = match[1]
    return as_text(code)
