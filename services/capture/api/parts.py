"""Form bodies to fields: `application/x-www-form-urlencoded` and `multipart/form-data`."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from services.capture.domain.channels import File, FormFields
from services.capture.domain.charsets import decoded as read_as
from shared.kit.errors import Rejected

MAX_FIELDS = 500
MAX_HEADER_BYTES = 8 * 1024


def parse_form(body: bytes, content_type: str, *, max_field_bytes: int) -> FormFields:
    """The fields of a form that is here already, files kept. Raises `Rejected`: 400 where it breaks, 413 for too much."""
    reader = FormReader(content_type, max_field_bytes=max_field_bytes, keep_files=True)
    reader.write(body)
    return reader.fields()


def _pair(pair: bytes, charset: str) -> tuple[str, str]:
    name, _, value = pair.replace(b"+", b" ").partition(b"=")
    return decoded(unquote_to_bytes(name), charset), decoded(unquote_to_bytes(value), charset)


def decoded(raw: bytes, charset: str) -> str:
    """Text in the character set that is named, or UTF-8; bytes that are neither are read one by one, so none is lost."""
    text = read_as(raw, dict.fromkeys((charset, "utf-8")))
    return raw.decode("latin-1") if text is None else text


class FormReader:
    """Reads a form as it arrives. Its fields are bounded together; of files only the name and the type are kept unless
    `keep_files`, so that one more megabyte of an attachment costs no memory. What is in files goes to `file_to` where that is
    given, piece by piece."""

    def __init__(
        self,
        content_type: str,
        *,
        max_field_bytes: int,
        keep_files: bool = False,
        file_to: Callable[[bytes], None] | None = None,
    ) -> None:
        media_type, options = parse_options_header(content_type)
        self._charset = options.get(b"charset", b"utf-8").decode("latin-1")
        self._left = max_field_bytes
        self._limit = max_field_bytes
        self._keep_files = keep_files
        self._file_to = file_to
        self._is_file = False
        self._fields: list[tuple[str, str | File]] = []
        self._headers: dict[bytes, bytes] = {}
        self._name = bytearray()
        self._value = bytearray()
        self._data = bytearray()
        self._kept = True
        self._ended = False
        self._parser: MultipartParser | None = None
        if media_type == b"multipart/form-data":
            self._parser = self._multipart(options.get(b"boundary", b""))

    def write(self, chunk: bytes) -> None:
        """What arrived next. Raises `Rejected`: 400, 413."""
        if self._parser is None:
            self._take(chunk)
            return
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise _broken("its parts are not parted by the boundary") from None

    def fields(self) -> FormFields:
        """Every field in its order, once all has arrived. Raises `Rejected`."""
        if self._parser is None:
            pairs = [pair for pair in bytes(self._data).split(b"&") if pair]
            _check_count(len(pairs))
            return [_pair(pair, self._charset) for pair in pairs]
        if not self._ended:
            raise _broken("its last boundary is missing")
        return self._fields

    def _multipart(self, boundary: bytes) -> MultipartParser:
        if not boundary:
            raise _broken("its Content-Type names no boundary")
        try:
            return MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_part_data": lambda data, start, end: self._take(data[start:end]),
                    "on_part_end": self._end,
                    "on_header_field": lambda data, start, end: self._header(self._name, data[start:end]),
                    "on_header_value": lambda data, start, end: self._header(self._value, data[start:end]),
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_end,
                    "on_end": self._finish,
                },
            )
        except FormParserError:
            raise _broken("its Content-Type names too long a boundary") from None

    def _take(self, data: bytes) -> None:
        if self._is_file and self._file_to is not None:
            self._file_to(data)
            return
        if not self._kept:
            return
        self._left -= len(data)
        if self._left < 0:
            raise Rejected(
                f"The form's fields are over the limit of {self._limit} bytes.",
                status=413,
                code="too-large",
                field="body",
                fix="Send less.",
            )
        self._data.extend(data)

    def _begin(self) -> None:
        _check_count(len(self._fields) + 1)
        self._headers = {}
        self._data = bytearray()
        self._kept = True
        self._is_file = False

    def _header(self, into: bytearray, piece: bytes) -> None:
        if len(into) + len(piece) > MAX_HEADER_BYTES:
            raise _broken("a part's header is too long")
        into.extend(piece)

    def _header_end(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name, self._value = bytearray(), bytearray()

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._is_file = b"filename" in options
        self._kept = self._keep_files or not self._is_file

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
