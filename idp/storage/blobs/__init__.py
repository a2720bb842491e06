"""Blobs: what is too large for a row. One protocol, two implementations: a directory and an S3 bucket."""

from idp.core.profile_settings import Avatars
from idp.storage.blobs.directory import DirectoryBlobs
from idp.storage.blobs.protocol import BlobStore
from idp.storage.blobs.s3 import S3Blobs

__all__ = ["BlobStore", "DirectoryBlobs", "S3Blobs", "open_blobs"]


def open_blobs(settings: Avatars) -> BlobStore:
    """The store that the settings name: the bucket if there is one, else the directory. Raises ConfigurationError."""
    return S3Blobs(settings) if settings.s3_bucket else DirectoryBlobs(settings.directory)
