"""Blobs in a bucket of S3 or of anything that speaks its protocol. Needs the extra `idp[s3]`."""

from typing import Any, Final

from idp.core.errors import ConfigurationError, Unavailable
from idp.core.profile_settings import Avatars
from idp.storage.blobs.protocol import checked_name

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError:  # without the extra
    boto3 = None

_TIMEOUT_SECONDS: Final = 3
_ATTEMPTS: Final = 2
_ABSENT: Final = frozenset({"NoSuchKey", "404"})


class S3Blobs:
    """One object for each blob, in the bucket's root or under a prefix. The bucket need not, and should not, be public.

    Raises ConfigurationError without boto3.
    """

    def __init__(self, settings: Avatars) -> None:
        if boto3 is None:
            raise ConfigurationError("IDP_AVATARS__S3_BUCKET is set, but boto3 is missing: install idp[s3]")
        key, secret = settings.s3_access_key_id, settings.s3_secret_access_key
        # A session of our own: the default one is no business of threads that share it.
        self._client: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=settings.s3_endpoint,
            region_name=settings.s3_region,
            aws_access_key_id=key.get_secret_value() if key else None,
            aws_secret_access_key=secret.get_secret_value() if secret else None,
            config=Config(
                connect_timeout=_TIMEOUT_SECONDS,
                read_timeout=_TIMEOUT_SECONDS,
                retries={"total_max_attempts": _ATTEMPTS},
                # Servers other than Amazon's know buckets by path, and not all know the newer checksums.
                s3={"addressing_style": "path" if settings.s3_endpoint else "auto"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        self._bucket = settings.s3_bucket
        self._prefix = settings.s3_prefix

    def put(self, name: str, content: bytes, media_type: str) -> None:
        """An object comes to be whole or not at all."""
        self._call("put_object", name, Body=content, ContentType=media_type, CacheControl="private")

    def get(self, name: str) -> bytes | None:
        """The object's content."""
        try:
            answer = self._call("get_object", name)
        except KeyError:
            return None
        try:
            with answer["Body"] as body:
                content: bytes = body.read()
        except (BotoCoreError, OSError) as error:
            raise Unavailable("the bucket stopped answering") from error
        return content

    def delete(self, name: str) -> None:
        """S3 itself is content if there is none."""
        try:
            self._call("delete_object", name)
        except KeyError:
            return

    def _call(self, operation: str, name: str, **arguments: object) -> Any:
        """Raises KeyError if there is no such object, and Unavailable for whatever else goes wrong."""
        key = self._prefix + checked_name(name)
        try:
            return getattr(self._client, operation)(Bucket=self._bucket, Key=key, **arguments)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            if code in _ABSENT:
                raise KeyError(name) from error
            raise Unavailable(f"the bucket refused {operation}: {code}") from error
        except (BotoCoreError, OSError) as error:
            raise Unavailable("the bucket cannot be reached") from error
