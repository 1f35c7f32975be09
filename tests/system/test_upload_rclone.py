# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that fetch from an object store themselves: a real `rclone serve s3` on the host's loopback."""

from __future__ import annotations

import re

import pytest

from tests.support.hosts import REPOSITORY
from tests.support.layout import crema_d_names, write_facenet, write_features
from tests.support.uploads import ROLE, Background, feature_set, inodes, role_variables
from tests.support.waiting import limit

KEY, SECRET = "AKIATESTKEY0001", "verysecretvalue0123456789"
STORE = {
    "RCLONE_CONFIG_STORE_TYPE": "s3",
    "RCLONE_CONFIG_STORE_PROVIDER": "Rclone",
    "RCLONE_CONFIG_STORE_ENDPOINT": "http://127.0.0.1:9000",
    "RCLONE_CONFIG_STORE_ACCESS_KEY_ID": KEY,
    "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY": SECRET,
}
FILES = 30


@pytest.fixture(scope="module")
def store(start_host, tmp_path_factory):
    """A host with rclone, and a store with 30 features and 2 files of another kind."""
    host = start_host("store")
    host.put(REPOSITORY / ".venv/bin/rclone", "/usr/local/bin/rclone")
    content = tmp_path_factory.mktemp("store")
    write_features(content, crema_d_names(FILES), dense=True)
    for number in range(2):
        write_facenet(content / f"video{number}.npz")
    host.run("mkdir -p /store/bucket")
    host.put(content, "/store/bucket/wav")
    return host


def serve(host, arguments=""):
    """Starts the store again; it answers when this returns."""
    host.run("pkill -f 'rclone [s]erve' || true; sleep 0.2")
    command = f"rclone serve s3 --addr 127.0.0.1:9000 --auth-key {KEY},{SECRET} {arguments} /store"
    host.run(f"setsid {command} </dev/null >/tmp/serve.log 2>&1 & for i in $(seq {limit(100)}); do"
             " python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 9000))' 2>/dev/null && break;"
             " sleep 0.1; done")


def test_a_wrong_key_and_an_unknown_bucket_are_reported(store, play):
    serve(store)
    wrong = {**STORE, "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY": "notthesecret987"}
    cases = [
        (wrong, "store:bucket/wav", "the store refuses the credentials"),
        (STORE, "store:nosuchbucket/wav", "does not exist in the store"),
        ({}, "store:bucket/wav", "rclone has no such remote"),
    ]
    for environment, source, words in cases:
        result = play(store, ROLE, role_variables(feature_set(source)), env=environment)
        assert result.rc == 2
        message = result.results(store, "trainprep.features.feature_upload")[0]["result"]["msg"]
        assert words in message and "\n" not in message, message
        assert "notthesecret987" not in result.stdout + str(result.events)
    assert store.run("ls -A /data", check=False).stdout == ""


def test_check_mode_reports_what_it_would_fetch(store, play):
    serve(store)
    result = play(store, ROLE, role_variables(feature_set("store:bucket/wav")), env=STORE, check=True)
    assert result.rc == 0, result.stdout
    assert re.search(r"wav: would fetch 32 files, [0-9.]+ MB, to /data/wav", result.stdout)
    short = play(store, ROLE, role_variables(feature_set("store:bucket/wav", expected=40)), env=STORE, check=True)
    assert short.rc == 2 and "its source holds too few features, 8 fewer than the 40 that are expected" in " ".join(short.stdout.split())
    assert store.run("ls -A /data", check=False).stdout == ""


def test_a_store_that_stops_is_reported_and_the_next_run_resumes(store, hosts, play):
    """The store dies by SIGKILL; what has arrived stays; no secret shows anywhere meanwhile."""
    serve(store, "--bwlimit 2M")
    variables = role_variables(feature_set("store:bucket/wav"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in STORE.items():
            patch.setenv(name, value)
        run = Background(hosts, store, variables)

    def arrived():
        return {name: inode for name, inode in inodes(store, "/data/.wav.incoming").items() if not name.endswith(".partial")}

    assert run.wait_for(lambda: len(arrived()) >= 4, "the fourth file")
    processes = store.run("cat /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout
    assert "rclone copy" in processes and SECRET not in processes.replace(f"{KEY},{SECRET}", "")
    store.run("kill -9 $(pgrep -f 'rclone [s]erve')")
    code, output = run.end()
    assert code == 2 and "cannot be fetched" in output and "run again, it goes on from there" in output, output
    assert SECRET not in output and KEY not in output
    assert SECRET not in store.run("cat /data/.wav.incoming/.fetch/*").stdout
    assert store.run("test -e /data/wav", check=False).returncode == 1
    kept = arrived()
    serve(store)
    result = play(store, ROLE, variables, env=STORE)
    assert result.rc == 0, result.stdout
    assert SECRET not in result.stdout + str(result.events) and KEY not in result.stdout + str(result.events)
    done = result.results(store, "trainprep.features.feature_upload")[0]["result"]["sets"]["wav"]
    assert done["left_out"] == 2 and done["resumed"] >= len(kept) >= 4
    there = inodes(store, "/data/wav")
    assert len(there) == FILES and there.items() >= {n: i for n, i in kept.items() if n.startswith("cremad")}.items()
    assert store.run("ls -A /data").stdout == "wav\n"
    assert store.run("cd /data/wav && sha256sum *").stdout == store.run("cd /store/bucket/wav && sha256sum cremad*").stdout


def test_buckets_with_the_credentials_that_the_host_has(store, play):
    """By s3://, with and without settings of the controller, and described on the fly; no key is handed on."""
    serve(store)
    store.run(f"mkdir -p /root/.aws && printf '[default]\\naws_access_key_id={KEY}\\naws_secret_access_key={SECRET}\\n'"
              " > /root/.aws/credentials")
    endpoint = STORE["RCLONE_CONFIG_STORE_ENDPOINT"]
    settings = {"TYPE": "s3", "PROVIDER": "Rclone", "ENDPOINT": endpoint, "ENV_AUTH": "true"}
    on_the_host = {"RCLONE_S3_PROVIDER": "Rclone", "RCLONE_S3_ENDPOINT": endpoint}
    cases = [
        ("s3://bucket/wav", ROLE, {f"RCLONE_CONFIG_S3_{name}": value for name, value in settings.items()}),
        ("s3://bucket/wav", [{**ROLE[0], "environment": on_the_host}], {}),
        (f":s3,provider=Rclone,env_auth=true,endpoint='{endpoint}':bucket/wav", ROLE, {}),
    ]
    for number, (source, plays, environment) in enumerate(cases):
        result = play(store, plays, role_variables(feature_set(source, f"/data/bucket{number}")), env=environment)
        assert result.rc == 0, result.stdout
        assert len(inodes(store, f"/data/bucket{number}")) == FILES
        assert SECRET not in result.stdout + str(result.events)


def test_missing_rclone_is_reported_with_the_package(start_host, play):
    host = start_host("plain")
    result = play(host, ROLE, role_variables(feature_set("store:bucket/wav")), env=STORE)
    message = result.results(host, "trainprep.features.feature_upload")[0]["result"]["msg"]
    assert "rclone is missing on the host" in message
