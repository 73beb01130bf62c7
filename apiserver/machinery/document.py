"""An answer that stays the same for the life of the process: its bytes and their entity tag, computed once."""

from dataclasses import dataclass
from hashlib import sha512

from apiserver.machinery.encoding import encode
from apiserver.machinery.errors import Object


@dataclass(frozen=True, slots=True)
class Document:
    """`etag` is quoted, as the header has it; `hash` is the same without quotes, as OpenAPI's index has it."""

    body: bytes
    hash: str

    @classmethod
    def of(cls, value: Object) -> "Document":
        """Compact JSON with sorted keys and its SHA-512 in upper-case hex (wire.md 1.6, 1.9)."""
        body = encode(value)
        return cls(body, sha512(body).hexdigest().upper())

    @property
    def etag(self) -> str:
        return f'"{self.hash}"'
