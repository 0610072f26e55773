"""The words of six languages that answers are made of, folded: no accents, lower case."""

from __future__ import annotations


def word_set(words: str) -> frozenset[str]:
    """Return the words of a text, a set that reads as a list of words in the source."""
    return frozenset(words.split())


LANGUAGES = ("en", "pt", "es", "fr", "de", "it")

_MONTHS = (
    "january jan janeiro enero ene janvier janv januar janner jaenner gennaio gen",
    "february feb fevereiro fev febrero fevrier fevr februar feber febbraio febb",
    "march mar marco marzo mars marz maerz mrz",
    "april apr abril abr avril avr aprile",
    "may maio mai mayo maggio mag",
    "june jun junho junio juin juni giugno giu",
    "july jul julho julio juillet juil juli luglio lug",
    "august aug agosto ago aout",
    "september sep sept setembro set septiembre setiembre septembre settembre",
    "october oct outubro out octubre octobre oktober okt ottobre ott",
    "november nov novembro noviembre novembre",
    "december dec dezembro dez diciembre dic decembre dezember dicembre",
)
# Not "mar", which is March as well as Tuesday.
_WEEKDAYS = (
    "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun "
    "segunda terca quarta quinta sexta sabado domingo feira seg ter qua qui sex sab dom "
    "lunes martes miercoles jueves viernes lun mie jue vie "
    "lundi mardi mercredi jeudi vendredi samedi dimanche mer jeu ven sam dim "
    "montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag "
    "lunedi martedi mercoledi giovedi venerdi sabato domenica gio "
)
MONTHS: dict[str, int] = {word: n for n, words in enumerate(_MONTHS, 1) for word in words.split()}

# Keys are the folded words joined by one blank, as cleaning.words_of sees them.
DAYS: dict[str, int] = {
    **dict.fromkeys(("today", "hoje", "hoy", "aujourd hui", "heute", "oggi"), 0),
    **dict.fromkeys(("tomorrow", "amanha", "manana", "demain", "morgen", "domani"), 1),
    **dict.fromkeys(("yesterday", "ontem", "ayer", "hier", "gestern", "ieri"), -1),
    **dict.fromkeys(
        ("day after tomorrow", "the day after tomorrow", "depois de amanha", "pasado manana", "apres demain"),
        2,
    ),
    **dict.fromkeys(("ubermorgen", "uebermorgen", "dopodomani"), 2),
    **dict.fromkeys(("day before yesterday", "the day before yesterday", "anteontem", "anteayer"), -2),
    **dict.fromkeys(("avant hier", "vorgestern", "l altro ieri", "altro ieri"), -2),
}

DATE_FILLERS = word_set(_WEEKDAYS + "the of on de del do da la le el il em no dia am den der dem d du of in l")
ORDINAL_ENDINGS = word_set("st nd rd th er re e eme o a os as")

HOUR_FILLERS = word_set(
    "h hs hrs hr hora horas hour hours heure heures uhr ora ore min minutes at o clock oclock as a la las "
    "le les alle um gegen da de du di del della do in the"
)
HOUR_MORNING = word_set("am manha manana matin morgens vormittags mattina mattino morning")
HOUR_NIGHT = word_set("noite noche soir abends sera evening")
HOUR_AFTERNOON = word_set("pm tarde noite noche soir nachmittags abends pomeriggio sera afternoon evening")
HOURS: dict[str, str] = {
    **dict.fromkeys(("noon", "midday", "at noon", "meio dia", "ao meio dia", "mediodia", "medio dia"), "12:00"),
    **dict.fromkeys(("al mediodia", "midi", "a midi", "mittag", "mittags", "mezzogiorno"), "12:00"),
    **dict.fromkeys(("midnight", "at midnight", "meia noite", "medianoche", "media noche", "minuit"), "00:00"),
    **dict.fromkeys(("a minuit", "mitternacht", "mezzanotte"), "00:00"),
}

_YES = (
    "yes|y|yeah|yep|yup|ya|sure|of course|true|t|on|ok|okay|okey|k|correct|right|yes please|please|"
    "sim|s|claro|certo|com certeza|isso|pode|verdadeiro|sim por favor|"
    "si|vale|por supuesto|verdadero|cierto|de acuerdo|si por favor|"
    "oui|ouais|vrai|bien sur|d accord|oui merci|oui s il vous plait|oui s il te plait|"
    "ja|j|jawohl|klar|wahr|richtig|genau|gerne|ja bitte|ja gerne|"
    "vero|certo|d accordo|va bene|certamente|si grazie|1|👍|✅|✔|☑|👌"
)
_NO = (
    "no|n|nope|nah|never|false|f|off|not|incorrect|wrong|no thanks|no thank you|"
    "nao|falso|nao obrigado|nao obrigada|nunca|errado|"
    "no gracias|incorrecto|claro que no|"
    "non|faux|non merci|pas du tout|"
    "nein|nee|falsch|nein danke|no grazie|per niente|0|👎|❌|✖|✗|🚫"
)
YES = frozenset(_YES.split("|"))
NO = frozenset(_NO.split("|"))

# Particles that are no name's first letter-case puzzle: always small inside a name.
NAME_PARTICLES = word_set("da de do das dos del")
# Particles that are also names and initials (Van, E): small only where the user did not write them large.
NAME_PARTICLES_AS_TYPED = word_set(
    "e y di du dello della dei degli van von der den het ter ten zu zur zum la le las los el al bin ibn"
)
