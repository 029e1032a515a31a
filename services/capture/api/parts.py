"""Form bodies to fields: `application/x-www-form-urlencoded` and `multipart/form-data`."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from services.capture.domain.channels import File, FormFields
from shared.kit.errors import Rejected

MAX_FIELDS = 500
MAX_PART_HEADER_BYTES = 4_096


def parse_form(body: bytes, content_type: str) -> FormFields:
    """The fields of a form in their order. Raises `Rejected` with 400 where the body breaks, 413 for too many."""
    media_type, options = parse_options_header(content_type)
    charset = options.get(b"charset", b"utf-8").decode("latin-1")
    if media_type == b"multipart/form-data":
        boundary = options.get(b"boundary", b"")
        if not boundary:
            raise _broken("its Content-Type names no boundary")
        return _Parts(charset).parsed(body, boundary)
    pairs = [pair for pair in body.split(b"&") if pair]
    _check_count(len(pairs))
    return [_pair(pair, charset) for pair in pairs]


def _pair(pair: bytes, charset: str) -> tuple[str, str]:
    name, _, value = pair.replace(b"+", b" ").partition(b"=")
    return decoded(unquote_to_bytes(name), charset), decoded(unquote_to_bytes(value), charset)


def decoded(raw: bytes, charset: str) -> str:
    """Text in the character set that is named, or UTF-8; bytes that are neither are read one by one, so none is lost."""
    for encoding in dict.fromkeys((charset, "utf-8")):
        try:
            return raw.decode(encoding)
        except (UnicodeError, LookupError):
            continue
    return raw.decode("latin-1")


class _Parts:
    """Collects the parts of a multipart body as its parser meets them."""

    def __init__(self, charset: str) -> None:
        self._charset = charset
        self._fields: list[tuple[str, str | File]] = []
        self._headers: dict[bytes, bytes] = {}
        self._name = bytearray()
        self._value = bytearray()
        self._data = bytearray()
        self._ended = False

    def parsed(self, body: bytes, boundary: bytes) -> FormFields:
        """Every field. Raises `Rejected`."""
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_part_data": lambda data, start, end: self._data.extend(data[start:end]),
                "on_part_end": self._end,
                "on_header_field": lambda data, start, end: self._header(self._name, data[start:end]),
                "on_header_value": lambda data, start, end: self._header(self._value, data[start:end]),
                "on_header_end": self._header_end,
                "on_end": self._finish,
            },
        )
        try:
            parser.write(body)
            parser.finalize()
        except FormParserError:
            raise _broken("it breaks off or its parts are not parted by the boundary") from None
        if not self._ended:
            raise _broken("its last boundary is missing")
        return self._fields

    def _begin(self) -> None:
        _check_count(len(self._fields) + 1)
        self._headers = {}
        self._data = bytearray()

    def _header(self, into: bytearray, piece: bytes) -> None:
        if len(into) + len(piece) > MAX_PART_HEADER_BYTES:
            raise _broken("a part's header is too long")
        into.extend(piece)

    def _header_end(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name, self._value = bytearray(), bytearray()

    def _end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        media_type, details = parse_options_header(self._headers.get(b"content-type", b""))
        charset = details.get(b"charset", self._charset.encode()).decode("latin-1")
        name = decoded(options.get(b"name", b""), self._charset)
        if b"filename" in options:
            filename = decoded(options[b"filename"], self._charset)
            self._fields.append((name, File(filename, media_type.decode("latin-1"), bytes(self._data))))
        else:
            self._fields.append((name, decoded(bytes(self._data), charset)))

    def _finish(self) -> None:
        self._ended = True


def _check_count(count: int) -> None:
    if count > MAX_FIELDS:
        raise Rejected(
            f"The form has more than {MAX_FIELDS} fields.",
            status=413,
            code="too-many-items",
            field="body",
            fix=f"Send at most {MAX_FIELDS} fields.",
        )


def _broken(why: str) -> Rejected:
    return Rejected(
        f"The form cannot be read: {why}.",
        status=400,
        code="not-a-form",
        field="body",
        fix="Send the fields as application/x-www-form-urlencoded or multipart/form-data, as a browser does.",
    )
