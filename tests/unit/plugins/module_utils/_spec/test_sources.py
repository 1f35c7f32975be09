# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a set's features come from: which texts are stores, and what of the controller's environment is handed on."""

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._spec.sources import Store, parse_store, settings_of
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError


@pytest.mark.parametrize("source", ["/data/a:b", "./a:b", "~/a:b", "plain", "deep/er:x"])
def test_directories_of_the_controller(source):
    assert parse_store(source) is None


@pytest.mark.parametrize(
    ("source", "remote", "path", "backend"),
    [
        ("store:bucket/a", "store", "bucket/a", ""),
        ("store:", "store", "", ""),
        ("s3:bucket/a", "s3", "bucket/a", ""),
        ("s3://bucket/a/b", "s3", "bucket/a/b", "s3"),
        ("gs://bucket", "gs", "bucket", "gcs"),
        (":s3,provider=AWS,env_auth=true:bucket/x", "", "bucket/x", ""),
        (":s3,env_auth,endpoint=\"http://a:9,b\":bucket/x", "", "bucket/x", ""),
        (":s3,env_auth,endpoint='http://a:9':bucket/x", "", "bucket/x", ""),
        (":google cloud storage:bucket/x", "", "bucket/x", ""),
        (":s3:bucket/x:y", "", "bucket/x:y", ""),
    ],
)
def test_stores(source, remote, path, backend):
    assert parse_store(source) == Store(source, remote, path, backend)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (":", "is not one"),
        (":s3", "is not one"),
        (":s3:", "is not one"),
        (":s3,endpoint=http://a:9:bucket", "'secret'|bucket"),
        (":s3,secret_access_key=abc:bucket/x", "has the option 'secret_access_key'"),
        (":s3,env_auth,access_key_id=abc:bucket/x", "has the option 'access_key_id'"),
        ("ftp://host/x", "'ftp://' is not a store"),
        ("s3://", "names no bucket"),
    ],
)
def test_forms_that_cannot_be_meant_are_named(source, words):
    if words == "'secret'|bucket":
        # Without quotes the path begins at the second colon: rclone reads it so, and says what it cannot find.
        assert parse_store(source).path == "//a:9:bucket"
        return
    with pytest.raises(FeatureError, match=words) as error:
        parse_store(source)
    assert "abc" not in str(error.value), "what could be a secret is not repeated"


def test_a_named_remote_gets_its_variables_and_a_bucket_no_key():
    environment = {
        "RCLONE_CONFIG_S3_TYPE": "s3",
        "RCLONE_CONFIG_S3_ENV_AUTH": "true",
        "RCLONE_CONFIG_S3_ACCESS_KEY_ID": "A",
        "RCLONE_CONFIG_S3_SECRET_ACCESS_KEY": "B",
        "RCLONE_CONFIG_S3_SESSION_TOKEN": "C",
        "RCLONE_CONFIG_MY_STORE_TYPE": "s3",
        "AWS_SECRET_ACCESS_KEY": "D",
    }
    assert set(settings_of(parse_store("my-store:b"), environment)) == {"RCLONE_CONFIG_MY_STORE_TYPE"}
    assert len(settings_of(parse_store("s3:b"), environment)) == 5
    assert set(settings_of(parse_store("s3://b"), environment)) == {"RCLONE_CONFIG_S3_TYPE", "RCLONE_CONFIG_S3_ENV_AUTH"}
    assert settings_of(parse_store(":s3,env_auth=true:b"), environment) == {}
