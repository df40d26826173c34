"""An S3 of this machine alone: moto's server, which keeps objects in its memory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_STARTING_SECONDS = 60.0


class S3Server:
    """A process that answers as S3 does, on the loopback interface."""

    def __init__(self, folder: Path) -> None:
        path = folder / "s3.log"
        with path.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", "0"],
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + _STARTING_SECONDS
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", path.read_text())):
            assert self._process.poll() is None, path.read_text()
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.05)
        self.address = found[0]

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which every client talks to this server, and to no other."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
        }


class Bucket:
    """A bucket as its owner sees it, by Amazon's own client."""

    def __init__(self, name: str) -> None:
        import boto3

        self.name = name
        self.client: Any = boto3.client("s3")
        self.client.create_bucket(Bucket=name)

    @property
    def url(self) -> str:
        """The URL of a folder in it."""
        return f"s3://{self.name}/everyone's"

    def objects(self) -> dict[str, tuple[str, object]]:
        """Return the hash and the time of every object by its name below the folder."""
        found = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        skip = len("everyone's/")
        return {one["Key"][skip:]: (one["ETag"], one["LastModified"]) for one in found}

    def read(self, name: str) -> bytes:
        """Return what an object holds."""
        return bytes(self.client.get_object(Bucket=self.name, Key=_key(name))["Body"].read())

    def write(self, name: str, content: bytes) -> None:
        """Replace an object, or make it."""
        self.client.put_object(Bucket=self.name, Key=_key(name), Body=content)


def _key(name: str) -> str:
    return f"everyone's/{name}"
