# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real hosts for the tests: containers reached over SSH as an unprivileged user with sudo, and plays against them."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Union

from tests.support.image import SYSTEMD_OPTIONS, ensure_image, ensure_systemd_image
from tests.support.waiting import limit, run, wait_for

REPOSITORY = Path(__file__).resolve().parents[2]
SUPPORT = REPOSITORY / "tests" / "support"
OWNER_LABEL = "trainprep.features.owner"

# Set by scripts/coverage: a folder in which what modules run through on hosts is noted.
COVERAGE = os.environ.get("TRAINPREP_COVERAGE", "")
# Ansible's own way to have modules measured, from ansible-core 2.19 on.
MEASURED = {"_ANSIBLE_ANSIBALLZ_COVERAGE_CONFIG": '{"config": "/coverage/coveragerc", "output": "/coverage/data"}'}

# What a host without these packages lacks, for the tests of what is said then.
TOOLS = {"acl": ("/usr/bin/setfacl", "/usr/bin/getfacl"), "rsync": ("/usr/bin/rsync",), "tmux": ("/usr/bin/tmux",)}


def this_process() -> str:
    """The owner of the containers that this process starts: when it is gone they are left over."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _docker(*arguments: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["docker", *arguments], check=False, text=True, capture_output=True, **options)
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(arguments)}: {done.stderr.strip()}")
    return done


def remove_left_over() -> None:
    """Removes the containers of earlier test runs on this machine that were killed."""
    listing = _docker("ps", "-a", "--filter", f"label={OWNER_LABEL}", "--format", "{{.ID}} {{.Label \"%s\"}}" % OWNER_LABEL)
    for line in listing.stdout.splitlines():
        container, owner = line.split()
        machine, pid = owner.rsplit(":", 1)
        if machine == socket.gethostname() and not Path("/proc", pid).exists():
            _docker("rm", "-f", "-v", container, check=False)


def coverage_mounts() -> List[str]:
    """The package that measures, for the host's Python, and where its results go."""
    if not COVERAGE:
        return []
    package = Path(importlib.util.find_spec("coverage").origin).parent
    return ["--volume", f"{package}:/usr/lib/python3/dist-packages/coverage:ro", "--volume", f"{COVERAGE}:/coverage"]


@dataclass
class Host:
    """A container with sshd, its port published on 127.0.0.1."""

    name: str
    port: int
    key: Path
    known_hosts: Path
    address: str = "127.0.0.1"
    user: str = "ubuntu"
    shell: str = "bash"

    @property
    def ssh_options(self) -> List[str]:
        """Options that make ssh use this run's key and known hosts only."""
        return ["-F", "/dev/null", "-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "StrictHostKeyChecking=yes",
                "-o", "IdentitiesOnly=yes"]

    @property
    def variables(self) -> Dict[str, Any]:
        return {
            "ansible_host": self.address,
            "ansible_port": self.port,
            "ansible_user": self.user,
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_common_args": " ".join(self.ssh_options),
        }

    @property
    def inventory_line(self) -> str:
        """This host in an INI inventory."""
        return self.name + "".join(f" {name}={json.dumps(value) if ' ' in str(value) else value}"
                                   for name, value in self.variables.items())

    def run(self, command: Union[str, Sequence[str]], user: str = "root", check: bool = True,
            input: Optional[str] = None) -> subprocess.CompletedProcess[str]:
        """Runs a shell command (or an argument list) inside, not over SSH; fails the test with its output unless ``check`` is off."""
        words = [self.shell, "-c", command] if isinstance(command, str) else list(command)
        done = subprocess.run(["docker", "exec", "-i", "--user", user, self.name, *words], check=False, text=True,
                              capture_output=True, input="" if input is None else input,
                              timeout=limit(600))
        if check and done.returncode:
            raise AssertionError(f"{self.name}: {command!r} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def ssh(self, command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a shell command over SSH, as the connecting user."""
        done = subprocess.run(["ssh", *self.ssh_options, "-i", str(self.key), "-p", str(self.port), f"{self.user}@{self.address}", command],
                              check=False, text=True, capture_output=True, stdin=subprocess.DEVNULL)
        if check and done.returncode:
            raise AssertionError(f"{self.name}: ssh {command!r} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def python(self, program: str, user: str = "root", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a Python program inside."""
        return self.run(["python3", "-"], user=user, check=check, input=program)

    def put(self, source: Union[str, Path], destination: str, owner: Optional[str] = None) -> None:
        """Copies a file or directory in; it belongs to ``owner`` then, else to root."""
        _docker("cp", str(source), f"{self.name}:{destination}")
        self.run(["chown", "-R", owner or "root:root", destination])

    def lay_out(self, *arguments: str) -> str:
        """Runs ``layout.py`` inside: ``lay_out("--root", "/", "--scale", "small", "--owner", "ubuntu")``."""
        return self.run(["python3", "-", *arguments], input=(SUPPORT / "layout.py").read_text()).stdout

    def tree(self, *directories: str) -> str:
        """Everything below ``directories`` (default: /home, /data, /mnt, /opt, /srv) with type, mode, owner, size, times, link text: to
        compare before and after."""
        places = directories or ("/home", "/data", "/mnt", "/opt", "/srv")
        return self.run(["find", *places, "-printf", r"%p|%y|%m|%u|%g|%s|%T@|%C@|%l\n"], check=False).stdout

    def remove(self) -> None:
        _docker("rm", "-f", "-v", self.name, check=False)


@dataclass
class PlayResult:
    """What one run of ansible-playbook did."""

    rc: int
    stdout: str
    recap: Dict[str, Dict[str, int]] = field(default_factory=dict)
    events: List[Dict[str, Any]] = field(default_factory=list)
    ssh_executions: Dict[str, int] = field(default_factory=dict)
    ssh_commands: Dict[str, List[str]] = field(default_factory=dict)

    def facts(self, host: Union[str, Host]) -> Dict[str, Any]:
        """The ``ansible_facts`` that tasks set for ``host``, last one wins."""
        name = host.name if isinstance(host, Host) else host
        merged: Dict[str, Any] = {}
        for event in self.events:
            if event.get("host") == name:
                merged.update(event["result"].get("ansible_facts") or {})
        return merged

    def results(self, host: Union[str, Host], action: Optional[str] = None) -> List[Dict[str, Any]]:
        """The events of ``host``, of one action (``trainprep.features.feature_links``) if named."""
        name = host.name if isinstance(host, Host) else host
        return [event for event in self.events if event.get("host") == name and (action is None or event.get("action") == action)]


class Hosts:
    """Starts hosts and plays; `close` removes all of it. Keys, inventories and sockets lie in ``scratch``."""

    def __init__(self, prefix: str = "tp", scratch: Optional[Path] = None, owner: Optional[str] = None) -> None:
        self.prefix = prefix
        self.owner = owner or this_process()
        # Short: the path of a control socket may not exceed some 100 characters.
        self.scratch = scratch or Path(tempfile.mkdtemp(prefix="tp-", dir="/tmp"))
        self.key = self.scratch / "key"
        self.known_hosts = self.scratch / "known_hosts"
        self.started: List[Host] = []
        self.image = ensure_image()
        remove_left_over()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", str(self.key)], check=True)
        self.known_hosts.touch()
        self._counters = self.scratch / "bin"
        self._counters.mkdir()
        for program in ("ssh", "scp", "sftp"):
            shutil.copy(SUPPORT / "ssh_counter", self._counters / program)
        self._plays = 0

    def start(self, name_prefix: str = "host", *, without: Iterable[str] = (), args: Sequence[str] = (),
              layout: Optional[Sequence[str]] = None, name: Optional[str] = None, systemd: bool = False,
              image: Optional[str] = None, shell: str = "bash") -> Host:
        """A new host. ``without`` removes tools ("acl", "rsync", "tmux"); ``args`` go to ``docker run``; ``layout`` to `Host.lay_out`.
        With ``systemd`` it is booted, and logins are logind's. ``image``: another one than `ensure_image`.
        ``shell``: the one of `Host.run`."""
        name = name or f"{self.prefix}-{name_prefix}-{secrets.token_hex(3)}"
        _docker("run", "--detach", "--name", name, "--hostname", name_prefix, "--label", f"{OWNER_LABEL}={self.owner}",
                "--publish", "127.0.0.1::22", *coverage_mounts(), *(SYSTEMD_OPTIONS if systemd else ()), *args,
                ensure_systemd_image() if systemd else image or self.image)
        port = int(_docker("port", name, "22/tcp").stdout.splitlines()[0].rsplit(":", 1)[1])
        host = Host(name, port, self.key, self.known_hosts, shell=shell)
        self.started.append(host)
        keys = "/home/ubuntu/.ssh/authorized_keys"
        public = host.run(f"umask 077; cat > {keys}; chown ubuntu: {keys}; cat /etc/ssh/ssh_host_ed25519_key.pub",
                          input=self.key.with_suffix(".pub").read_text()).stdout.split()  # fmt: skip
        with self.known_hosts.open("a") as file:
            file.write(f"[127.0.0.1]:{port} {public[0]} {public[1]}\n")
        for tool in without:
            host.run(["rm", "-f", *TOOLS[tool]])
        self._wait_for(host)
        if systemd:
            # Until then logins are refused. "degraded" will do: a container lacks what some units want.
            host.run(["systemctl", "is-system-running", "--wait"], check=False)
        if layout:
            host.lay_out(*layout)
        return host

    @staticmethod
    def _wait_for(host: Host) -> None:
        def answers() -> bool:
            with contextlib.suppress(OSError), socket.create_connection((host.address, host.port), timeout=5) as connection:
                connection.settimeout(5)
                return connection.recv(4) == b"SSH-"
            return False

        try:
            wait_for(answers, "an answer of sshd", pause=0.05)
        except AssertionError:
            raise AssertionError(f"{host.name}: sshd does not answer: {_docker('logs', host.name).stderr}") from None

    def play(self, hosts: Union[Host, Sequence[Host], str, Path], playbook: Union[str, Path, Sequence[Mapping[str, Any]]],
             extra_vars: Optional[Mapping[str, Any]] = None, check: bool = False, diff: bool = False,
             args: Sequence[str] = (), env: Optional[Mapping[str, str]] = None) -> PlayResult:
        """Runs ansible-playbook, as a user would, with this repository's ansible.cfg.

        ``hosts``: hosts, or the path of an inventory. ``playbook``: a path (relative to the repository, or an FQCN), or a list of
        plays. Any end of the run is a result; the test judges it.
        """
        self._plays += 1
        scratch = self.scratch / f"play{self._plays}"
        scratch.mkdir()
        if isinstance(hosts, (str, Path)):
            inventory = Path(hosts)
            members: List[Host] = list(self.started)
        else:
            members = [hosts] if isinstance(hosts, Host) else list(hosts)
            inventory = scratch / "inventory.ini"
            inventory.write_text("".join(host.inventory_line + "\n" for host in members))
        if isinstance(playbook, (str, Path)):
            book = str(playbook)
        else:
            book = str(scratch / "playbook.yml")
            Path(book).write_text(json.dumps(list(playbook)))
        command = [str(REPOSITORY / ".venv/bin/ansible-playbook"), "-i", str(inventory), book, *args]
        if extra_vars:
            command += ["-e", json.dumps(dict(extra_vars))]
        command += ["--check"] * check + ["--diff"] * diff
        environment = self.environment(scratch)
        environment.update(env or {})
        done = run(command, seconds=600, cwd=REPOSITORY, env=environment)
        return self._read(done.returncode, done.stdout, scratch, members)

    def environment(self, scratch: Path) -> Dict[str, str]:
        """The environment of a play whose events and remote executions are noted in ``scratch``."""
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MOLECULE_"))}
        return {
            **keep,
            "PATH": f"{self._counters}:{REPOSITORY / '.venv/bin'}:{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.scratch / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CALLBACK_PLUGINS": str(SUPPORT / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "events",
            "TRAINPREP_EVENTS": str(scratch / "events.jsonl"),
            "TRAINPREP_SSH_LOG": str(scratch / "ssh.log"),
            **(MEASURED if COVERAGE else {}),
        }

    @staticmethod
    def _read(rc: int, stdout: str, scratch: Path, members: Sequence[Host]) -> PlayResult:
        result = PlayResult(rc, stdout)
        events = scratch / "events.jsonl"
        if events.exists():
            for line in events.read_text().splitlines():
                event = json.loads(line)
                if event["event"] == "recap":
                    result.recap = event["hosts"]
                else:
                    result.events.append(event)
        names = {str(host.port): host.name for host in members}
        result.ssh_commands = {host.name: [] for host in members}
        log = scratch / "ssh.log"
        for line in log.read_text().splitlines() if log.exists() else ():
            port, command = line.split("\t")[::2]
            if port in names:
                result.ssh_commands[names[port]].append(command)
        result.ssh_executions = {name: len(commands) for name, commands in result.ssh_commands.items()}
        return result

    def remove(self, hosts: Sequence[Host]) -> None:
        """Remove hosts that this object has started, all at once."""
        if hosts:
            _docker("rm", "-f", "-v", *(host.name for host in hosts), check=False)
        self.started = [host for host in self.started if host not in hosts]

    def close(self) -> None:
        self.remove(self.started)
        shutil.rmtree(self.scratch, ignore_errors=True)
