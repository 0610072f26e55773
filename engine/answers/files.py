"""FILE, IMAGE, AUDIO, VIDEO, DOCUMENT and QRCODE: answers that come as attachments; the value is the URL."""

from __future__ import annotations

from collections.abc import Callable

from engine.answers.cleaning import storable, trimmed
from engine.answers.outcomes import Accepted, Answer, as_text
from engine.answers.words import word_set
from engine.events import Attachment

_EXTENSIONS: dict[str, frozenset[str]] = {
    "image": word_set("jpg jpeg png gif webp bmp tif tiff svg heic heif avif ico"),
    "audio": word_set("mp3 wav ogg oga opus m4a aac flac wma amr aiff weba"),
    "video": word_set("mp4 m4v mov avi mkv webm wmv mpg mpeg 3gp ogv"),
    "document": word_set("pdf doc docx odt rtf txt md csv tsv xls xlsx ods ppt pptx odp epub html htm xml json"),
}
_DOCUMENT_MIME_PARTS = (
    "pdf", "msword", "opendocument", "officedocument", "ms-excel", "ms-powerpoint", "rtf", "epub", "xml",
    "json",
)  # fmt: skip


def check_attachment(kind: str) -> Callable[[Answer], Accepted | None]:
    """Return the check that takes the first attachment of the kind (file: any kind)."""

    def check(answer: Answer) -> Accepted | None:
        return as_text(_url_of(answer.attachments, kind))

    return check


def check_qrcode(answer: Answer) -> Accepted | None:
    """Accept what a client has read from a QR code as text, else the URL of an image to read it from."""
    return as_text(answer.raw or _url_of(answer.attachments, "image"))


def _url_of(attachments: tuple[Attachment, ...], kind: str) -> str | None:
    for attachment in attachments:
        url = trimmed(attachment.url)
        if url and (kind == "file" or _is_of_kind(attachment, kind)):
            return url
    return None


def _is_of_kind(attachment: Attachment, kind: str) -> bool:
    """Messengers call a picture sent as a file a document: kind or mime type may say so, without either
    the extension of the name or of the URL's path.
    """
    if attachment.kind.lower() == kind:
        return True
    mime = attachment.mime_type.lower()
    if mime and mime != "application/octet-stream":
        is_document = mime.startswith("text/") or any(part in mime for part in _DOCUMENT_MIME_PARTS)
        family = mime.partition("/")[0]
        return family == kind or (kind == "document" and is_document and family in ("text", "application"))
    if attachment.kind.lower() in _EXTENSIONS:
        return False
    path = attachment.name or storable(attachment.url).partition("?")[0].partition("#")[0]
    extension = path.rpartition("/")[2].rpartition(".")[2].strip().lower()
    return extension in _EXTENSIONS[kind]
