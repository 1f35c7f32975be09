# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The EC2 inventory, unmodified: the real plugin and boto3 against an EC2 that answers on loopback; its instances are containers."""

from __future__ import annotations

import re
from ipaddress import ip_address

import pytest

from tests.support.ec2 import Ec2
from tests.support.hosts import REPOSITORY

INVENTORY = "inventory/ec2"
PLAYBOOK = "prepare_features.yml"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    started = Ec2(tmp_path_factory.mktemp("ec2") / "log")
    yield started
    started.stop()


@pytest.fixture(scope="module")
def ec2(server):
    return server.environment


@pytest.fixture(scope="module")
def instances(server):
    """Two instances of one name, one without a name, two without a public address, and one that is none of ours."""
    names = [
        server.launch({"Name": "gpu", "Role": "training", "Environment": "staging"}),
        server.launch({"Name": "gpu", "Role": "training"}),
        server.launch({"Role": "training", "Environment": "staging"}),
        server.launch({"Name": "within", "Role": "training"}, SubnetId=server.subnet()),
        server.launch({"Name": "ipv6", "Role": "training"}, SubnetId=server.subnet(Ipv6Native=True), Ipv6AddressCount=1),
    ]
    server.launch({"Name": "web", "Role": "web"})
    return names


def test_main_job_on_the_instances(ec2, instances, start_host, play):
    machine = start_host("ec2", layout=["--root", "/", "--scale", "small", "--owner", "ubuntu"])
    # The instances' addresses lead nowhere here: only the address and port are replaced, all else is the inventory's.
    reach = {
        "ansible_host": machine.address,
        "ansible_port": machine.port,
        "ansible_ssh_common_args": " ".join(machine.ssh_options),
        "ec2_private_key_file": str(machine.key),
    }
    result = play(INVENTORY, PLAYBOOK, {**reach, "training_hosts": f"env_staging:!{instances[2]}"}, env=ec2)
    assert result.rc == 0, result.stdout
    assert list(result.recap) == [instances[0]]
    assert result.facts(instances[0])["feature_sets"]["wav2vec"]["features"] == 8
    assert machine.run("find -L /data -name '*.npz' | wc -l").stdout.strip() == "32"


def groups(play, env, *args) -> dict[str, list[str]]:
    shown = {"groups": "{{ groups }}", "address": "{{ ansible_host }}", "peer": "{{ prepare_features_peer_address }}"}
    tasks = [{"ansible.builtin.debug": {"msg": shown}}]
    result = play(INVENTORY, [{"hosts": "all", "gather_facts": False, "tasks": tasks}], env=env, args=args)
    assert result.rc == 0, result.stdout
    return {event["host"]: event["result"]["msg"] for event in result.events if event["event"] == "ok"}


def test_groups_names_and_addresses(ec2, instances, play):
    public = groups(play, ec2)
    assert sorted(public) == sorted(instances)
    known = next(iter(public.values()))["groups"]
    assert sorted(known["training"]) == sorted(known["role_training"]) == sorted(known["type_g5_xlarge"]) == sorted(instances)
    assert sorted(known["env_staging"]) == sorted([instances[0], instances[2]])
    assert sorted(known["env_none"]) == sorted([instances[1], *instances[3:]])
    assert sorted(known["region_eu_west_1"]) == sorted(instances)
    private = groups(play, ec2, "-e", "ec2_address=private")
    for name in instances[:3]:
        assert private[name]["address"].startswith("10.")
        assert not public[name]["address"].startswith("10.")
    within, ipv6 = instances[3:]
    assert private[within]["address"] == public[within]["address"] and public[within]["address"].startswith("10.1.1.")
    # Among themselves hosts use what is reached from within, whatever the controller uses.
    assert all(public[name]["peer"] == private[name]["peer"] == private[name]["address"] for name in instances)
    assert private[ipv6]["address"] == public[ipv6]["address"] and ip_address(public[ipv6]["address"]).version == 6


@pytest.mark.parametrize(
    ("changes", "extra_vars", "said"),
    [
        ({"TRAINING_ROLE": "nobody"}, {}, "no host of the inventory matches 'all'"),
        ({"AWS_REGION": "us-west-2"}, {}, "no host of the inventory matches 'all'"),
        ({}, {"training_hosts": "env_production"}, "no host of the inventory matches 'env_production'"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, {}, "Unable to locate credentials"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, {}, "Could not connect to the endpoint URL"),
    ],
)
def test_no_host_is_an_error(ec2, instances, play, changes, extra_vars, said):
    result = play(INVENTORY, PLAYBOOK, extra_vars, env={**ec2, "AWS_MAX_ATTEMPTS": "1", **changes})
    assert result.rc not in (0, 2), result.stdout
    assert said in " ".join(result.stdout.split())
    assert result.recap == {}


def messages(output: str) -> list[str]:
    """What Ansible printed as errors and warnings, without deprecations, which amazon.aws has in each run."""
    parts = re.split(r"(?=\[(?:ERROR|WARNING|DEPRECATION WARNING)\]: )", " ".join(output.split()))
    return [part.strip() for part in parts if part.strip() and "eprecat" not in part]


def test_missing_credentials_are_one_message(ec2, play):
    nothing = {**ec2, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    [message] = messages(play(INVENTORY, PLAYBOOK, env=nothing).stdout)
    assert message.startswith(f"[ERROR]: inventory {REPOSITORY / INVENTORY / 'aws_ec2.yml'} (amazon.aws.aws_ec2): ")
    assert "Unable to locate credentials" in message and "AWS_PROFILE" in message and len(message) < 300
    # A user who lets unreadable inventories pass keeps the hosts of the others, with Ansible's own messages.
    passing = {**nothing, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "false"}
    both = play(INVENTORY, NAMES, {"ansible_host": "gpu-1"}, env=passing, args=["-i", "gpu-1,"])
    assert both.rc == 0 and named(both) == ["gpu-1"] and len(messages(both.stdout)) > 2


NAMES = [{"hosts": "all", "gather_facts": False, "tasks": [{"ansible.builtin.debug": {"var": "inventory_hostname"}}]}]


def named(result) -> list[str]:
    return [event["host"] for event in result.events if event["event"] == "ok"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("hosts.yml", "training: {hosts: {gpu-1: {}, gpu-2: {}}}\n"),
        ("hosts.json", '{"training": {"hosts": {"gpu-1": {}, "gpu-2": {}}}}\n'),
        ("hosts.ini", "[training]\ngpu-[1:2]\n"),
        ("hosts", "[training]\ngpu-[1:2]\n"),
        ("hosts.toml", "[training.hosts.gpu-1]\n[training.hosts.gpu-2]\n"),
        ("hosts.sh", """#!/bin/sh\necho '{"training": {"hosts": ["gpu-1", "gpu-2"]}, "_meta": {"hostvars": {}}}'\n"""),
        ("generator.yml", "plugin: ansible.builtin.generator\nhosts: {name: 'gpu-{{ n }}'}\nlayers: {n: [1, 2]}\n"),
    ],
)
def test_inventories_of_other_kinds(play, tmp_path, name, content):
    (tmp_path / name).write_text(content)
    (tmp_path / name).chmod(0o755 if content.startswith("#!") else 0o644)
    result = play(tmp_path / name, NAMES)
    assert (result.rc, sorted(named(result)), messages(result.stdout.partition("PLAY [")[0])) == (0, ["gpu-1", "gpu-2"], [])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("gpu.yml", "plugin: amazon.aws.aws_ec2\n", "could not be verified by inventory plugin 'amazon.aws.aws_ec2'"),
        ("broken.yml", "training: {hosts: {\n", "Completely failed to parse inventory source"),
    ],
)
def test_an_unreadable_inventory_is_an_error(play, tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    result = play(tmp_path / name, PLAYBOOK)
    assert result.rc not in (0, 2) and said in messages(result.stdout)[-1]


def test_missing_boto3_is_reported(ec2, play, tmp_path):
    (tmp_path / "boto3.py").write_text("raise ImportError('not installed')\n")
    result = play(INVENTORY, PLAYBOOK, env={**ec2, "PYTHONPATH": str(tmp_path)})
    assert result.rc not in (0, 2), result.stdout
    assert "Failed to import the required Python library (botocore and boto3)" in " ".join(result.stdout.split())


def test_static_inventory_without_hosts_is_an_error(play):
    result = play("inventory/static", PLAYBOOK)
    assert result.rc not in (0, 2)
    assert "name hosts in the inventory (-i)" in " ".join(result.stdout.split())
