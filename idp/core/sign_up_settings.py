"""The settings of people's registration, a section of `core/settings`."""

from dataclasses import dataclass
from typing import Final, Literal, Self

import idna
from pydantic import Field, field_validator, model_validator

from idp.core.setting_sections import Section

LONGEST_VERSION: Final = 64
"""Characters in the version of a document."""


@dataclass(frozen=True, slots=True)
class LegalDocument:
    """A text that people accept: what it is, where it is to be read, and which version is in force."""

    name: Literal["terms", "privacy"]
    url: str
    version: str


class SignUp(Section):
    """People who register themselves."""

    policy: Literal["closed", "invitation", "open"] | None = None
    """Who may register: nobody, whoever was invited, or everybody. Unset: everybody in development, the invited in
    production."""
    allowed_domains: tuple[str, ...] = ()
    """Only addresses of these domains may register; `*.example.com` stands for its subdomains. Empty: any."""
    denied_domains: tuple[str, ...] = ()
    """Addresses of these domains may not register, such as those of throw-away mailboxes."""
    name: Literal["required", "optional", "off"] = "optional"
    """Whether the registration page asks for a name."""
    terms_url: str | None = None
    """Terms of service that people have to accept."""
    terms_version: str | None = None
    """Which version of them is in force. Who accepted another one is asked at the next sign-in."""
    privacy_url: str | None = None
    """Privacy notice that people have to acknowledge."""
    privacy_version: str | None = None
    """Which version of it is in force."""
    quota_per_address: int = Field(20, ge=1)
    """Registrations that one network address may begin in an hour (IPv4 /32, IPv6 /64)."""
    mails_per_hour: int = Field(3, ge=1, le=20)
    """Mails with codes that one e-mail address gets in an hour, whoever asks for them."""

    @field_validator("allowed_domains", "denied_domains")
    @classmethod
    def _domains(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_pattern(domain) for domain in value)

    @model_validator(mode="after")
    def _documents_have_versions(self) -> Self:
        for name in ("terms", "privacy"):
            if (getattr(self, f"{name}_url") is None) != (getattr(self, f"{name}_version") is None):
                raise ValueError(f"{name}_url and {name}_version belong together: what was accepted must be known")
            url, version = getattr(self, f"{name}_url"), getattr(self, f"{name}_version")
            if url is not None and not (url.startswith(("https://", "http://")) and url.isprintable()):
                raise ValueError(f"{name}_url must be an http(s) URL")
            if version is not None and not (0 < len(version) <= LONGEST_VERSION and version.isprintable()):
                raise ValueError(f"{name}_version must be one line of 1 to {LONGEST_VERSION} characters")
        return self

    @property
    def documents(self) -> tuple[LegalDocument, ...]:
        """What people have to accept, in the versions that are in force."""
        found: list[LegalDocument] = []
        if self.terms_url and self.terms_version:
            found.append(LegalDocument("terms", self.terms_url, self.terms_version))
        if self.privacy_url and self.privacy_version:
            found.append(LegalDocument("privacy", self.privacy_url, self.privacy_version))
        return tuple(found)

    def admits(self, domain: str) -> bool:
        """True if addresses of this domain (in A-labels, lower case) may register."""
        if any(_is_among(domain, pattern) for pattern in self.denied_domains):
            return False
        return not self.allowed_domains or any(_is_among(domain, pattern) for pattern in self.allowed_domains)


def _pattern(text: str) -> str:
    """A domain, or `*.` and a domain, in A-labels as addresses are compared. Raises ValueError."""
    any_below, domain = ("*." if text.startswith("*.") else ""), text.removeprefix("*.")
    try:
        if "." not in domain.strip("."):
            raise ValueError
        return any_below + idna.encode(domain.rstrip("."), uts46=True, std3_rules=True).decode("ascii").lower()
    except ValueError:  # of which IDNAError is one
        raise ValueError(f"'{text}' is no domain: write example.com or *.example.com") from None


def _is_among(domain: str, pattern: str) -> bool:
    return domain.endswith(pattern[1:]) if pattern.startswith("*.") else domain == pattern
