"""A real S3 server that nobody here wrote: Versity's gateway (Go), on a free port and a temporary directory."""

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3

from idp.core.profile_settings import Avatars
from tests.helpers.needs import need
from tests.helpers.processes import accepts_connections, free_port, password, start, stopping, wait_until

ACCESS_KEY = "idp-tests"
BUCKET = "pictures"
REGION = "us-east-1"


def versitygw() -> str | None:
    """The program: beside Python, where `make test` puts it, or on the path."""
    beside = Path(sys.executable).with_name("versitygw")
    return str(beside) if beside.is_file() else shutil.which("versitygw")


@contextlib.contextmanager
def s3_server(directory: Path) -> Iterator[dict[str, str]]:
    """The server with an empty bucket; the environment of an idp that keeps its pictures there."""
    program = versitygw()
    need(program, "versitygw is not installed: see the Makefile")
    port, secret = free_port(), password()
    data, log = directory / "s3", directory / "s3.log"
    data.mkdir()
    command = [str(program), "--quiet", "--port", f"127.0.0.1:{port}", "--region", REGION, "posix", str(data)]
    env = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": secret}
    process = start(command, log, env=env, cwd=directory)
    with stopping(process):
        wait_until(lambda: accepts_connections(port), process, log, "versitygw")
        endpoint = f"http://127.0.0.1:{port}"
        boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=secret,
        ).create_bucket(Bucket=BUCKET)
        yield {
            "IDP_AVATARS__S3_BUCKET": BUCKET,
            "IDP_AVATARS__S3_ENDPOINT": endpoint,
            "IDP_AVATARS__S3_REGION": REGION,
            "IDP_AVATARS__S3_ACCESS_KEY_ID": ACCESS_KEY,
            "IDP_AVATARS__S3_SECRET_ACCESS_KEY": secret,
        }


def avatar_settings(environment: dict[str, str], **more: str) -> Avatars:
    """The same as settings."""
    prefix = "IDP_AVATARS__"
    values = {name.removeprefix(prefix).lower(): value for name, value in environment.items()}
    return Avatars.model_validate(values | more)
