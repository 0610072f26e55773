"""What a user reads when an answer does not fit: a sentence per type in six languages, each with an example.

`{example}` stands for the example of the type in that language, `{choices}` for a menu's numbered list;
both work in the configuration's own sentences as well.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.answers.words import LANGUAGES

# One example for all languages, or one for each where people write the thing differently.
_EXAMPLES: dict[str, str | tuple[str, str, str, str, str, str]] = {
    "text": ("hello", "olá", "hola", "bonjour", "hallo", "ciao"),
    "email": ("anna@example.com", "ana@example.com", "ana@example.com", "anne@example.com",
              "anna@example.com", "anna@example.com"),
    "date": ("24 Dec 2026", "24/12/2026", "24/12/2026", "24/12/2026", "24.12.2026", "24/12/2026"),
    "name": ("Anna Smith", "Ana da Silva", "Ana García", "Anne Dubois", "Anna Müller", "Anna Rossi"),
    "integer": "42",
    "float": ("3.5", "3,5", "3,5", "3,5", "3,5", "3,5"),
    "money": ("$1,234.50", "R$ 1.234,50", "1.234,50 €", "1 234,50 €", "1.234,50 €", "1.234,50 €"),
    "boolean": ("yes", "sim", "sí", "oui", "ja", "sì"),
    "hour": ("2:30 pm", "14h30", "14:30", "14h30", "14:30", "14:30"),
    "mobile": ("+1 202 555 0143", "+55 11 91234-5678", "+34 612 345 678", "+33 6 12 34 56 78",
               "+49 151 23456789", "+39 312 345 6789"),
    "zipcode": ("10001", "01310-100", "28013", "75001", "10115", "00184"),
    "language": ("English", "português", "español", "français", "Deutsch", "italiano"),
    "cpf": "529.982.247-25",
    "cnpj": "11.222.333/0001-81",
    "url": "https://example.com",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "color": ("blue", "azul", "azul", "bleu", "blau", "blu"),
    "creditcard": "4111 1111 1111 1111",
    "password": ("seven-blue-boats", "sete-barcos-azuis", "siete-barcos-azules", "sept-bateaux-bleus",
                 "sieben-blaue-boote", "sette-barche-blu"),
    "file": ("report.pdf", "relatorio.pdf", "informe.pdf", "rapport.pdf", "bericht.pdf", "relazione.pdf"),
    "image": ("photo.jpg", "foto.jpg", "foto.jpg", "photo.jpg", "foto.jpg", "foto.jpg"),
    "audio": "audio.mp3",
    "video": "video.mp4",
    "document": ("report.pdf", "relatorio.pdf", "informe.pdf", "rapport.pdf", "bericht.pdf", "relazione.pdf"),
    "qrcode": ("qrcode.png", "qrcode.png", "codigo-qr.png", "qrcode.png", "qrcode.png", "qrcode.png"),
    "login": ("anna.smith", "ana.silva", "ana.garcia", "anne.dubois", "anna.mueller", "anna.rossi"),
}  # fmt: skip

MENU = "menu"

_SENTENCES: dict[str, tuple[str, str, str, str, str, str]] = {
    MENU: (
        "Please choose one of these, by its text or its number:\n{choices}",
        "Por favor, escolha uma destas opções, pelo texto ou pelo número:\n{choices}",
        "Por favor, elija una de estas opciones, por su texto o su número:\n{choices}",
        "Veuillez choisir l'une de ces options, par son texte ou son numéro :\n{choices}",
        "Bitte wählen Sie eine dieser Möglichkeiten, mit Text oder Nummer:\n{choices}",
        "Scelga una di queste opzioni, con il testo o il numero:\n{choices}",
    ),
    "text": (
        "Please write something, for example: {example}",
        "Por favor, escreva alguma coisa, por exemplo: {example}",
        "Por favor, escriba algo, por ejemplo: {example}",
        "Veuillez écrire quelque chose, par exemple : {example}",
        "Bitte schreiben Sie etwas, zum Beispiel: {example}",
        "Scriva qualcosa, per esempio: {example}",
    ),
    "email": (
        "That does not look like an e-mail address. Please write it like this: {example}",
        "Isso não parece um endereço de e-mail. Por favor, escreva assim: {example}",
        "Eso no parece una dirección de correo. Por favor, escríbala así: {example}",
        "Cela ne ressemble pas à une adresse e-mail. Veuillez l'écrire ainsi : {example}",
        "Das sieht nicht nach einer E-Mail-Adresse aus. Bitte schreiben Sie sie so: {example}",
        "Questo non sembra un indirizzo e-mail. Lo scriva così: {example}",
    ),
    "date": (
        "I could not read that date. Please write it with the year, for example: {example}",
        "Não entendi essa data. Por favor, escreva com o ano, por exemplo: {example}",
        "No entendí esa fecha. Por favor, escríbala con el año, por ejemplo: {example}",
        "Je n'ai pas compris cette date. Veuillez l'écrire avec l'année, par exemple : {example}",
        "Dieses Datum habe ich nicht verstanden. Bitte schreiben Sie es mit Jahr, zum Beispiel: {example}",
        "Non ho capito questa data. La scriva con l'anno, per esempio: {example}",
    ),
    "name": (
        "Please write a name with letters only, for example: {example}",
        "Por favor, escreva um nome só com letras, por exemplo: {example}",
        "Por favor, escriba un nombre solo con letras, por ejemplo: {example}",
        "Veuillez écrire un nom avec des lettres seulement, par exemple : {example}",
        "Bitte schreiben Sie einen Namen nur aus Buchstaben, zum Beispiel: {example}",
        "Scriva un nome con sole lettere, per esempio: {example}",
    ),
    "integer": (
        "Please write a whole number, for example: {example}",
        "Por favor, escreva um número inteiro, por exemplo: {example}",
        "Por favor, escriba un número entero, por ejemplo: {example}",
        "Veuillez écrire un nombre entier, par exemple : {example}",
        "Bitte schreiben Sie eine ganze Zahl, zum Beispiel: {example}",
        "Scriva un numero intero, per esempio: {example}",
    ),
    "float": (
        "Please write a number, for example: {example}",
        "Por favor, escreva um número, por exemplo: {example}",
        "Por favor, escriba un número, por ejemplo: {example}",
        "Veuillez écrire un nombre, par exemple : {example}",
        "Bitte schreiben Sie eine Zahl, zum Beispiel: {example}",
        "Scriva un numero, per esempio: {example}",
    ),
    "money": (
        "Please write an amount of money, for example: {example}",
        "Por favor, escreva um valor em dinheiro, por exemplo: {example}",
        "Por favor, escriba un importe, por ejemplo: {example}",
        "Veuillez écrire un montant, par exemple : {example}",
        "Bitte schreiben Sie einen Geldbetrag, zum Beispiel: {example}",
        "Scriva un importo, per esempio: {example}",
    ),
    "boolean": (
        "Please answer yes or no, for example: {example}",
        "Por favor, responda sim ou não, por exemplo: {example}",
        "Por favor, responda sí o no, por ejemplo: {example}",
        "Veuillez répondre par oui ou non, par exemple : {example}",
        "Bitte antworten Sie mit Ja oder Nein, zum Beispiel: {example}",
        "Risponda sì o no, per esempio: {example}",
    ),
    "hour": (
        "I could not read that time of day. Please write it like this: {example}",
        "Não entendi esse horário. Por favor, escreva assim: {example}",
        "No entendí esa hora. Por favor, escríbala así: {example}",
        "Je n'ai pas compris cette heure. Veuillez l'écrire ainsi : {example}",
        "Diese Uhrzeit habe ich nicht verstanden. Bitte schreiben Sie sie so: {example}",
        "Non ho capito questo orario. Lo scriva così: {example}",
    ),
    "mobile": (
        "That does not look like a telephone number. Please write it with its area code, for example: {example}",
        "Isso não parece um telefone. Por favor, escreva com o DDD, por exemplo: {example}",
        "Eso no parece un teléfono. Por favor, escríbalo con su prefijo, por ejemplo: {example}",
        "Cela ne ressemble pas à un numéro de téléphone. Veuillez l'écrire en entier, par exemple : {example}",
        "Das sieht nicht nach einer Telefonnummer aus. Bitte schreiben Sie sie mit Vorwahl, zum Beispiel: {example}",
        "Questo non sembra un numero di telefono. Lo scriva con il prefisso, per esempio: {example}",
    ),
    "zipcode": (
        "That does not look like a postal code. Please write it like this: {example}",
        "Isso não parece um CEP. Por favor, escreva assim: {example}",
        "Eso no parece un código postal. Por favor, escríbalo así: {example}",
        "Cela ne ressemble pas à un code postal. Veuillez l'écrire ainsi : {example}",
        "Das sieht nicht nach einer Postleitzahl aus. Bitte schreiben Sie sie so: {example}",
        "Questo non sembra un codice postale. Lo scriva così: {example}",
    ),
    "language": (
        "I do not know that language. Please write its name or its code, for example: {example}",
        "Não conheço esse idioma. Por favor, escreva o nome ou o código, por exemplo: {example}",
        "No conozco ese idioma. Por favor, escriba su nombre o su código, por ejemplo: {example}",
        "Je ne connais pas cette langue. Veuillez écrire son nom ou son code, par exemple : {example}",
        "Diese Sprache kenne ich nicht. Bitte schreiben Sie ihren Namen oder ihr Kürzel, zum Beispiel: {example}",
        "Non conosco questa lingua. Scriva il nome o il codice, per esempio: {example}",
    ),
    "cpf": (
        "That CPF is not right. Please check its 11 digits and write it like this: {example}",
        "Esse CPF não está certo. Por favor, confira os 11 dígitos e escreva assim: {example}",
        "Ese CPF no es correcto. Por favor, revise sus 11 dígitos y escríbalo así: {example}",
        "Ce CPF n'est pas correct. Veuillez vérifier ses 11 chiffres et l'écrire ainsi : {example}",
        "Diese CPF stimmt nicht. Bitte prüfen Sie die 11 Ziffern und schreiben Sie sie so: {example}",
        "Questo CPF non è corretto. Controlli le 11 cifre e lo scriva così: {example}",
    ),
    "cnpj": (
        "That CNPJ is not right. Please check its 14 characters and write it like this: {example}",
        "Esse CNPJ não está certo. Por favor, confira os 14 caracteres e escreva assim: {example}",
        "Ese CNPJ no es correcto. Por favor, revise sus 14 caracteres y escríbalo así: {example}",
        "Ce CNPJ n'est pas correct. Veuillez vérifier ses 14 caractères et l'écrire ainsi : {example}",
        "Diese CNPJ stimmt nicht. Bitte prüfen Sie die 14 Zeichen und schreiben Sie sie so: {example}",
        "Questo CNPJ non è corretto. Controlli i 14 caratteri e lo scriva così: {example}",
    ),
    "url": (
        "That does not look like a web address. Please write it like this: {example}",
        "Isso não parece um endereço da web. Por favor, escreva assim: {example}",
        "Eso no parece una dirección web. Por favor, escríbala así: {example}",
        "Cela ne ressemble pas à une adresse web. Veuillez l'écrire ainsi : {example}",
        "Das sieht nicht nach einer Webadresse aus. Bitte schreiben Sie sie so: {example}",
        "Questo non sembra un indirizzo web. Lo scriva così: {example}",
    ),
    "uuid": (
        "That is not a UUID. Please write all its 32 hexadecimal digits, for example: {example}",
        "Isso não é um UUID. Por favor, escreva os 32 dígitos hexadecimais, por exemplo: {example}",
        "Eso no es un UUID. Por favor, escriba sus 32 dígitos hexadecimales, por ejemplo: {example}",
        "Ce n'est pas un UUID. Veuillez écrire ses 32 chiffres hexadécimaux, par exemple : {example}",
        "Das ist keine UUID. Bitte schreiben Sie alle 32 hexadezimalen Ziffern, zum Beispiel: {example}",
        "Questo non è un UUID. Scriva tutte le 32 cifre esadecimali, per esempio: {example}",
    ),
    "color": (
        "I do not know that colour. Please write its name or a code such as #1E90FF, for example: {example}",
        "Não conheço essa cor. Por favor, escreva o nome ou um código como #1E90FF, por exemplo: {example}",
        "No conozco ese color. Por favor, escriba su nombre o un código como #1E90FF, por ejemplo: {example}",
        "Je ne connais pas cette couleur. Veuillez écrire son nom ou un code comme #1E90FF, par exemple : {example}",
        "Diese Farbe kenne ich nicht. Bitte schreiben Sie ihren Namen oder einen Code wie #1E90FF, zum "
        "Beispiel: "
        "{example}",
        "Non conosco questo colore. Scriva il nome o un codice come #1E90FF, per esempio: {example}",
    ),
    "creditcard": (
        "That card number is not right. Please check it and write all its digits, for example: {example}",
        "Esse número de cartão não está certo. Por favor, confira e escreva todos os dígitos, por exemplo: {example}",
        "Ese número de tarjeta no es correcto. Por favor, revíselo y escriba todas las cifras, por ejemplo: {example}",
        "Ce numéro de carte n'est pas correct. Veuillez le vérifier et écrire tous les chiffres, par "
        "exemple : "
        "{example}",
        "Diese Kartennummer stimmt nicht. Bitte prüfen Sie sie und schreiben Sie alle Ziffern, zum Beispiel: {example}",
        "Questo numero di carta non è corretto. Lo controlli e scriva tutte le cifre, per esempio: {example}",
    ),
    "password": (
        "Please choose a password of at least 8 characters: several words are easy to keep, such as {example}",
        "Por favor, escolha uma senha de pelo menos 8 caracteres: várias palavras são fáceis de lembrar, "
        "como {example}",
        "Por favor, elija una contraseña de al menos 8 caracteres: varias palabras se recuerdan bien, como {example}",
        "Veuillez choisir un mot de passe d'au moins 8 caractères : plusieurs mots se retiennent bien, comme {example}",
        "Bitte wählen Sie ein Passwort mit mindestens 8 Zeichen: mehrere Wörter merkt man sich gut, wie {example}",
        "Scelga una password di almeno 8 caratteri: più parole si ricordano bene, come {example}",
    ),
    "file": (
        "Please attach a file, for example {example}",
        "Por favor, anexe um arquivo, por exemplo {example}",
        "Por favor, adjunte un archivo, por ejemplo {example}",
        "Veuillez joindre un fichier, par exemple {example}",
        "Bitte hängen Sie eine Datei an, zum Beispiel {example}",
        "Alleghi un file, per esempio {example}",
    ),
    "image": (
        "Please send a picture, for example {example}",
        "Por favor, envie uma imagem, por exemplo {example}",
        "Por favor, envíe una imagen, por ejemplo {example}",
        "Veuillez envoyer une image, par exemple {example}",
        "Bitte schicken Sie ein Bild, zum Beispiel {example}",
        "Mandi un'immagine, per esempio {example}",
    ),
    "audio": (
        "Please send a voice message or a sound file, for example {example}",
        "Por favor, envie uma mensagem de voz ou um áudio, por exemplo {example}",
        "Por favor, envíe un mensaje de voz o un audio, por ejemplo {example}",
        "Veuillez envoyer un message vocal ou un fichier audio, par exemple {example}",
        "Bitte schicken Sie eine Sprachnachricht oder eine Tondatei, zum Beispiel {example}",
        "Mandi un messaggio vocale o un file audio, per esempio {example}",
    ),
    "video": (
        "Please send a video, for example {example}",
        "Por favor, envie um vídeo, por exemplo {example}",
        "Por favor, envíe un vídeo, por ejemplo {example}",
        "Veuillez envoyer une vidéo, par exemple {example}",
        "Bitte schicken Sie ein Video, zum Beispiel {example}",
        "Mandi un video, per esempio {example}",
    ),
    "document": (
        "Please attach a document, such as a PDF or a text, for example {example}",
        "Por favor, anexe um documento, como um PDF ou um texto, por exemplo {example}",
        "Por favor, adjunte un documento, como un PDF o un texto, por ejemplo {example}",
        "Veuillez joindre un document, un PDF ou un texte, par exemple {example}",
        "Bitte hängen Sie ein Dokument an, etwa ein PDF oder einen Text, zum Beispiel {example}",
        "Alleghi un documento, come un PDF o un testo, per esempio {example}",
    ),
    "qrcode": (
        "Please send a picture of the QR code, for example {example}",
        "Por favor, envie uma imagem do código QR, por exemplo {example}",
        "Por favor, envíe una imagen del código QR, por ejemplo {example}",
        "Veuillez envoyer une image du code QR, par exemple {example}",
        "Bitte schicken Sie ein Bild des QR-Codes, zum Beispiel {example}",
        "Mandi un'immagine del codice QR, per esempio {example}",
    ),
    "login": (
        "Please write your user name or e-mail address, without blanks, for example: {example}",
        "Por favor, escreva seu usuário ou e-mail, sem espaços, por exemplo: {example}",
        "Por favor, escriba su usuario o correo, sin espacios, por ejemplo: {example}",
        "Veuillez écrire votre identifiant ou votre e-mail, sans espaces, par exemple : {example}",
        "Bitte schreiben Sie Ihren Benutzernamen oder Ihre E-Mail-Adresse ohne Leerzeichen, zum Beispiel: {example}",
        "Scriva il suo nome utente o la sua e-mail, senza spazi, per esempio: {example}",
    ),
}


def example_of(type: str, language: str) -> str:
    """Return what a good answer of the type looks like in one of the six languages; "" for a menu."""
    examples = _EXAMPLES.get(type, "")
    return examples if isinstance(examples, str) else examples[LANGUAGES.index(language)]


def sentence_of(type: str, tag: str, language: str, overrides: Mapping[str, str], choices: str = "") -> str:
    """Return the sentence for a type: the configuration's for the language's tag, for the language, for
    the type, else the built-in one. `tag` is as the session has it ("pt-BR"), `language` one of the six.
    """
    own = tag.replace("_", "-").partition("-")[0].lower()
    for key in (f"{type}.{tag}", f"{type}.{own}", type):
        if key in overrides:
            sentence = overrides[key]
            break
    else:
        sentence = _SENTENCES[type][LANGUAGES.index(language)]
    return sentence.replace("{example}", example_of(type, language)).replace("{choices}", choices)
