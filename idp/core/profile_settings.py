"""The settings of profiles and of the pictures in them, sections of `core/settings`."""

from pathlib import Path
from typing import Final, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from idp.core.scopes import claims_for_scopes
from idp.core.setting_sections import Section

PROFILE_CLAIMS: Final = claims_for_scopes(("profile", "email", "address", "phone")) - {
    "email_verified",
    "phone_number_verified",
    "updated_at",
}
"""The standard claims that a profile page can be about."""


class Profile(Section):
    """What people may see and change of their own profile. Operators change everything (`idp user update`)."""

    read_only: tuple[str, ...] = ()
    """Claims that people see and cannot change, such as `name family_name email`: somebody else keeps them."""
    hidden: tuple[str, ...] = ()
    """Claims that the profile pages do not mention; nor can people change them there."""

    @field_validator("read_only", "hidden")
    @classmethod
    def _are_claims(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - PROFILE_CLAIMS)
        if unknown:
            raise ValueError(f"'{unknown[0]}' is none of {', '.join(sorted(PROFILE_CLAIMS))}")
        return value

    def is_shown(self, claim: str) -> bool:
        """True if people see the claim on their pages."""
        return claim not in self.hidden

    def is_editable(self, claim: str) -> bool:
        """True if people may change the claim themselves."""
        return claim not in self.hidden and claim not in self.read_only


class Avatars(Section):
    """Pictures that people upload, and where they are kept: in a directory or in an S3 bucket."""

    directory: Path = Path("var/avatars")
    """Directory of the pictures. All servers and workers need the same one, on a shared volume, or a bucket."""
    max_bytes: int = Field(5 * 1024 * 1024, ge=64 * 1024, le=20 * 1024 * 1024)
    """Largest picture that can be uploaded, in bytes."""
    s3_bucket: str | None = None
    """Bucket of the pictures, instead of the directory. Needs the extra `idp[s3]`. It should not be public."""
    s3_prefix: str = ""
    """What the names of objects begin with, such as `avatars/`."""
    s3_endpoint: str | None = None
    """URL of an S3 server other than Amazon's."""
    s3_region: str | None = None
    """Region of the bucket."""
    s3_access_key_id: SecretStr | None = None
    """Access key. Without it: whatever boto3 finds, such as the role of the machine."""
    s3_secret_access_key: SecretStr | None = None
    """Its secret."""

    @model_validator(mode="after")
    def _key_is_whole(self) -> Self:
        if (self.s3_access_key_id is None) != (self.s3_secret_access_key is None):
            raise ValueError("s3_access_key_id and s3_secret_access_key go together: set both or neither")
        if self.s3_bucket is None and (self.s3_endpoint or self.s3_access_key_id):
            raise ValueError("s3_bucket is missing: set it, or leave the other s3_ settings out")
        return self
