# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An EC2 on loopback: moto, with the addresses of instances told as EC2 tells them.

As a script it serves on the port that it is given.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import boto3

from tests.support.waiting import wait_for

REPOSITORY = Path(__file__).resolve().parents[2]
REGION = "eu-west-1"
# Credentials, profiles and an instance role of this machine have no say.
NOWHERE = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}


class Ec2:
    """A server of its own, and the environment in which AWS's tools use it."""

    def __init__(self, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with log.open("w") as output:
            command = [sys.executable, "-m", "tests.support.ec2", str(port)]
            self.server = subprocess.Popen(command, cwd=REPOSITORY, stdout=output, stderr=output)

        def answers() -> bool:
            assert self.server.poll() is None, log.read_text()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_for(answers, "an answer of moto", pause=0.1)
        self.environment = {
            **NOWHERE,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": REGION,
        }
        self.client = boto3.client(
            "ec2", region_name=REGION, endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id="testing", aws_secret_access_key="testing",
        )  # fmt: skip
        self._image = self.client.describe_images()["Images"][0]["ImageId"]

    def launch(self, tags: Mapping[str, str], **options: Any) -> str:
        """Starts one instance and returns the name that the inventory gives it."""
        tagged = [{"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]
        started = self.client.run_instances(
            ImageId=self._image, MinCount=1, MaxCount=1, InstanceType="g5.xlarge", TagSpecifications=tagged, **options
        )
        number = started["Instances"][0]["InstanceId"]
        return f"{tags['Name']}_{number}" if "Name" in tags else number

    def subnet(self, **options: Any) -> str:
        """A subnet; with ``Ipv6Native=True`` one whose instances have no IPv4 address. None gives public addresses."""
        vpc = self.client.create_vpc(CidrBlock="10.1.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]
        block = vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].replace("/56", "/64")
        addresses = {"Ipv6CidrBlock": block} if options.get("Ipv6Native") else {"Ipv6CidrBlock": block, "CidrBlock": "10.1.1.0/24"}
        return self.client.create_subnet(VpcId=vpc["VpcId"], **addresses, **options)["Subnet"]["SubnetId"]

    def stop(self) -> None:
        self.server.terminate()
        self.server.wait()


def as_ec2_tells(body: bytes) -> bytes:
    """moto tells the IPv6 address of an instance in an IPv6-only subnet as its private IPv4 address; EC2 tells none."""
    return re.sub(rb"<privateIpAddress>[0-9a-f]*:[0-9a-f:]*</privateIpAddress>", b"", body)


def serve(port: int) -> None:
    """moto's server behind `as_ec2_tells`."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import run_simple

    moto = DomainDispatcherApplication(create_backend_app)

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer: list[Any] = []
        body = as_ec2_tells(b"".join(moto(environ, lambda status, headers, _error=None: answer.extend((status, headers)))))
        headers = [(key, value) for key, value in answer[1] if key.lower() != "content-length"]
        start_response(answer[0], [*headers, ("Content-Length", str(len(body)))])
        return [body]

    run_simple("127.0.0.1", port, application, threaded=True)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
