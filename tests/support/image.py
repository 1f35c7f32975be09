# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of a test host: built once per content of its inputs, with or without an image registry.

As a script it prints the image's name, having installed, started and built what was missing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import List, Optional

from tests.support.waiting import limit, wait_for

INPUTS = Path(__file__).resolve().parent / "image"
# Another of Debian's releases has other versions of every program: bullseye those of Rocky 9 (Python 3.9, rsync 3.2.3, OpenSSH 8.4).
SUITE = os.environ.get("TRAINPREP_SUITE", "bookworm")
PUBLIC_BASE = f"debian:{SUITE}-slim"


class Missing(Exception):
    """Something the tests need is not here and cannot be installed by them: says what, and the command."""


def _quiet(*command: str, timeout: Optional[float] = None) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=timeout, check=False).returncode == 0
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def install(programs: dict[str, str]) -> None:
    """Sees to it that each program (name: Debian package) is there: installs it as root on Debian, else says how to."""
    packages = sorted({package for program, package in programs.items() if not shutil.which(program)})
    if not packages:
        return
    names = " ".join(packages)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Missing(f"The tests need {names}. Install it (Debian, Ubuntu: sudo apt-get install --no-install-recommends {names}).")
    _say(f"Installing {names} ...")
    quiet_apt = ["apt-get", "-y", "-qq", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=300", "--no-install-recommends"]
    subprocess.run([*quiet_apt, "update"], check=True, stdout=subprocess.DEVNULL)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([*quiet_apt, "install", *packages], check=True, stdout=subprocess.DEVNULL, env=environment)


# What tests on this machine run, besides what Python brings.
TOOLS = {"ssh": "openssh-client", "ssh-keygen": "openssh-client", "rsync": "rsync"}


def ensure_engine() -> None:
    """A Docker engine that answers; as root a daemon is started where none runs. Raises `Missing`."""
    install({"docker": "docker.io", **TOOLS})
    if _quiet("docker", "info"):
        return
    if os.geteuid() != 0:
        raise Missing("Docker does not answer. Start it (sudo systemctl start docker) and let this account use it "
                      "(sudo usermod -aG docker $USER, then log in again).")
    install({"dockerd": "docker.io"})
    _say("Starting dockerd ...")
    with tempfile.NamedTemporaryFile(prefix="dockerd-", suffix=".log", delete=False) as log:
        subprocess.Popen(["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(lambda: _quiet("docker", "info"), "Docker", seconds=30, pause=0.1)
    except AssertionError:
        raise Missing(f"dockerd was started and does not answer: see {log.name}.") from None


def _packages() -> List[str]:
    lines = (INPUTS / "packages.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _base(tag: str) -> str:
    """The image to build from: Debian's public one, or one made here from Debian's packages."""
    own = f"trainprep-base:{tag}"
    if _quiet("docker", "image", "inspect", own):
        return own
    if _quiet("docker", "image", "inspect", PUBLIC_BASE) or _quiet("docker", "pull", "--quiet", PUBLIC_BASE, timeout=limit(60)):
        return PUBLIC_BASE
    install({"mmdebstrap": "mmdebstrap"})
    _say(f"No image can be pulled: making {own} from Debian's packages ...")
    with tempfile.TemporaryDirectory(prefix="trainprep-base-") as scratch:
        root = str(Path(scratch, "root.tar"))
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--include=" + ",".join(_packages()), SUITE, root],
                       check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["docker", "import", root, own], check=True, stdout=subprocess.DEVNULL)
    return own


def _tag(inputs: Path, start: str = "") -> str:
    digest = hashlib.sha256(start.encode())
    for file in sorted(inputs.iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def ensure_image() -> str:
    """The name of the test hosts' image, built if its inputs have no image yet. Raises `Missing`."""
    ensure_engine()
    tag = _tag(INPUTS, "" if SUITE == "bookworm" else SUITE)
    name = f"trainprep-host:{tag}"
    return name if _quiet("docker", "image", "inspect", name) else _build(name, _base(tag), INPUTS)


def ensure_systemd_image() -> str:
    """The same with systemd as its first process; run it with `SYSTEMD_OPTIONS`."""
    return ensure_other_image("systemd")


def ensure_other_image(kind: str) -> str:
    """An image made from that of `ensure_image` by `tests/support/image_KIND`.

    become: with doas, fish and tcsh, and no sudo for the connecting user; busybox: as Alpine has it; el: as Rocky and RHEL have it.
    """
    base, inputs = ensure_image(), INPUTS.with_name(f"image_{kind}")
    name = f"trainprep-{kind}:{_tag(inputs, base)}"
    return name if _quiet("docker", "image", "inspect", name) else _build(name, base, inputs)


# Not privileged: what systemd needs to mount and to manage its cgroups.
SYSTEMD_OPTIONS = (
    *("--cap-add", "SYS_ADMIN", "--cap-add", "SYS_PTRACE", "--security-opt", "seccomp=unconfined"),
    *("--security-opt", "apparmor=unconfined", "--cgroupns=private", "--tmpfs", "/run", "--tmpfs", "/run/lock"),
)


def _build(name: str, base: str, inputs: Path) -> str:
    _say(f"Building {name} from {base} ...")
    build = subprocess.run(["docker", "build", "--quiet", "--tag", name, "--build-arg", f"BASE={base}", str(inputs)],
                           check=False, capture_output=True, text=True)
    if build.returncode:
        raise Missing(f"The image {name} could not be built from {base}:\n{build.stderr}{build.stdout}")
    return name


if __name__ == "__main__":
    try:
        print(ensure_image())
    except Missing as missing:
        sys.exit(str(missing))
