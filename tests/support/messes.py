# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts in every state that a shell script, a crash or a missing volume leaves, as cases with what has to come of them."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.support.cases import Case, one_set

DEFAULTS = yaml.safe_load((Path(__file__).parents[2] / "roles/prepare_features/defaults/main.yml").read_text())
OLD = "features('old', 'a', 'b')"


def case(setup=OLD, **keys):
    """A case with one set that differs from the plain one by ``keys`` (``D/`` in a text is the case's directory)."""
    return Case(setup, lambda d: one_set(d, **filled(keys, d)))


def several(setup, *sets, **variables):
    """A case with these sets, each from ``NAME.old`` into ``NAME``."""

    def of(d):
        plain = one_set(d)["prepare_features_sets"][0]
        return {"prepare_features_sets": [
            {**plain, "target": f"{d}/{one['name']}", "legacy": [f"{d}/{one['name']}.old"], **one} for one in sets
        ], **variables}

    return Case(setup, of)


def filled(value, d):
    if isinstance(value, dict):
        return {key: filled(item, d) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, d) for item in value]
    return value.replace("D/", f"{d}/") if isinstance(value, str) else value


def links(*texts):
    """name -> text (below the case's directory) from ``old/a`` or ``a=old/x/a`` words."""
    pairs = (text.split("=") if "=" in text else (text.rsplit("/", 1)[-1], text) for text in texts)
    return {f"{name}.npz": f"{path}.npz" for name, path in pairs}


INTO_VOLUME = "[link(f'target/{n}.npz', f'{d}/volume/old/{n}.npz') for n in 'abc']"

# Status null: the role stops. case -> (the case, what its sentences must say besides the training user)
UNKNOWN = {
    "dangling_legacy": (case("link('old', 'volume/old')"), ["D/old is a dangling link to volume/old"]),
    "dangling_above": (
        case("link('home', 'volume'); features('target', 'a')", legacy=["D/home/old"]), ["D/home is a dangling link"]),
    "closed_ancestor": (
        case("features('closed/old', 'a'); os.chmod('closed', 0o700)", legacy=["D/closed/old"],
             prepare_features_become=False),
        ["D/closed/old cannot be reached (Permission denied)"],
    ),
    "closed_target": (
        case("features('closed/target', 'a'); os.chmod('closed', 0o700); " + OLD, target="D/closed/target",
             prepare_features_become=False),
        ["D/closed/target cannot be reached (Permission denied)"],
    ),
    "closed_folder": (
        case("features('old/x', 'a'); os.chmod('old/x', 0o711)", prepare_features_become=False),
        ["D/old/x cannot be listed (Permission denied)"],
    ),
    "closed_in_glob": (
        case("features('closed/m1/wav', 'a'); os.chmod('closed', 0o711)", legacy=["D/closed/*/wav"],
             prepare_features_become=False),
        ["D/closed cannot be listed (Permission denied)"],
    ),
    "links_into_volume": (
        case(INTO_VOLUME, legacy=["D/volume/old"], source="/tmp"),
        ["3 links in D/target dangle into a legacy directory", "mount the volume of D/volume/old"],
    ),
    "links_into_volume_not_pruned": (
        case(INTO_VOLUME, legacy=["D/volume/old"], source="/tmp", prepare_features_prune="stray"),
        ["3 links in D/target dangle into a legacy directory", "mount the volume of D/volume/old"],
    ),
    "links_into_emptied": (
        case("os.makedirs('volume/old'); " + INTO_VOLUME, legacy=["D/volume/old"], source="/tmp"),
        ["3 links in D/target dangle", "prepare_features_prune to dangling"],
    ),
    "not_mounted": (case("features('old', 'a'); os.mkdir('volume')", mount="D/volume"), ["D/volume is not a mount point"]),
    "mount_absent": (case(mount="D/volume"), ["D/volume is not a mount point"]),
    "legacy_is_file": (case("write('old', b'x')"), ["D/old is not a directory"]),
    "legacy_is_loop": (case("link('old', 'old')"), ["D/old is a loop of links"]),
    "dangling_inside": (case("link('old/a.npz', 'gone')"), ["1 link in D/old dangles (e.g. a.npz to gone)"]),
    "one_of_two_sets": (
        several("link('b.old', 'gone'); features('a.old', 'x')", {"name": "a"}, {"name": "b"}),
        ["D/b.old is a dangling link"],
    ),
}

# Status 0 and nothing to upload from. case -> (the case, what its sentence must say)
NOTHING = {
    "nothing": (case(""), ["'clips' in D/target, D/old", "no 'source'"]),
    "nothing_but_directories": (case("os.mkdir('old'); os.mkdir('target')"), ["D/target, D/old"]),
    "nothing_in_glob": (case("", legacy=["D/m*/wav"]), ["D/m*/wav"]),
    "other_kind_alone": (case("others('old', 'a'); write('old/b.npz', b'')"), ["D/target, D/old"]),
    "found_where_nobody_listed": (
        case("features('else/where', 'a', 'b')", prepare_features_search_roots=["D/"]),
        ["D/else/where (2)", "'legacy'", "prepare_features_on_discovery"],
    ),
    "only_snapshots_left": (
        case("features('old/.snapshot/daily.0', 'a'); features('old/.snapshot/daily.1', 'a', 'b', seed='z')", source="/tmp"),
        ["D/old/.snapshot (3)", "'legacy'", "prepare_features_on_discovery"],
    ),
    "any_and_none": (
        several("", {"name": "a", "required": "any"}, {"name": "b", "required": "any"}), ["'a' in D/a", "'b' in D/b"]),
    "any_alone_empty": (
        several("features('b.old', 'x')", {"name": "a", "required": "any"}, {"name": "b"}), ["'a' in D/a, D/a.old"]),
    "true_beside_any": (
        several("features('b.old', 'x')", {"name": "a", "required": True}, {"name": "b", "required": "any"}),
        ["'a' in D/a, D/a.old"],
    ),
}

# Conflicts: found before the first change.
CONFLICT = {
    "two_directories": (
        case("features('old', 'a', 'b'); features('older', 'a', seed='z')", legacy=["D/old", "D/older"]),
        ["a.npz", "D/old/a.npz and D/older/a.npz", "prepare_features_on_conflict"],
    ),
    "one_directory": (
        case("features('old/x', 'a', seed='1'); features('old/y', 'a', seed='2')"), ["D/old/x/a.npz and D/old/y/a.npz"]),
}

# In order afterwards. case -> (the case, the links that the target then holds)
READY = {
    "plain": (case(), links("old/a", "old/b")),
    "target_below_missing": (case(target="D/x/y/target"), {}),
    "loops_inside": (case(OLD + "; link('old/self', '.'); link('old/x/up', '..')"), links("old/a", "old/b")),
    "folders": (case("features('old/x/y', 'a'); features('old', 'b')"), links("a=old/x/y/a", "old/b")),
    "nested_copy": (
        case(OLD + "; shutil.copytree('old', 'copy'); shutil.move('copy', 'old/sample')"), links("old/a", "old/b")),
    "copy_in_another": (
        case(OLD + "; shutil.copytree('old', 'older'); features('older', 'c')", legacy=["D/old", "D/older"]),
        links("old/a", "old/b", "older/c"),
    ),
    "alias_listed_first": (
        case(OLD + "; link('alias', 'old')", legacy=["D/alias", "D/old", "D/alias"]), links("old/a", "old/b")),
    "alias_alone": (case(OLD + "; link('alias', 'old')", legacy=["D/alias"]), links("a=alias/a", "b=alias/b")),
    "linked_by_alias_before": (
        case(OLD + "; link('alias', 'old'); link('target/a.npz', d + '/alias/a.npz')", legacy=["D/old", "D/alias"]),
        links("a=alias/a", "old/b"),
    ),
    "glob": (
        case("features('m1/wav', 'a'); features('m2/wav', 'b'); write('m3')", legacy=["D/m*/wav"]),
        links("a=m1/wav/a", "b=m2/wav/b"),
    ),
    "specials_beside": (
        case(OLD + "; os.mkfifo('old/f.npz'); os.mknod('old/n.npz', 0o20666, os.makedev(1, 3))"), links("old/a", "old/b")),
    "damaged_beside": (case(OLD + "; write('old/c.npz', b'PK'); write('old/d.npz')"), links("old/a", "old/b")),
    "one_clip_two_names": (case("features('old', 'a', 'b', seed='same')"), links("old/a")),
    "conflict_first": (
        case("features('old', 'a', 'b'); features('older', 'c'); features('older', 'a', seed='z')",
             legacy=["D/old", "D/older"], prepare_features_on_conflict="first"),
        links("old/a", "old/b", "older/c"),
    ),
    "snapshots_and_wastebaskets": (
        case(OLD + "; features('old/.snapshot/daily.0', 'a', seed='1'); features('old/.Trash-1000/files', 'a', 'c', seed='2')"),
        links("old/a", "old/b"),
    ),
    "snapshots_alone_listed": (
        case("features('old/.snapshot/daily.0', 'a', seed='1'); features('old/.Trash-1000/files', 'b')",
             legacy=["D/old/.snapshot/daily.0", "D/old"]),
        links("a=old/.snapshot/daily.0/a"),
    ),
    "snapshots_linked": (
        case("features('old/.snapshot/daily.0', 'a')", prepare_features_on_discovery="link"), links("a=old/.snapshot/daily.0/a")),
    "hidden_entered": (case("features('old/.kept', 'a')", hidden=True), links("a=old/.kept/a")),
    "folder_excluded": (
        case(OLD + "; features('old/x/backup-1', 'a', 'c', seed='z')", exclude=["backup*/"]), links("old/a", "old/b")),
    "deeper_ones_left_out": (case(OLD + "; features('old/2023/x', 'a', seed='z')"), links("old/a", "old/b")),
    "tree": (
        case("features('old/x', 'a', seed='1'); features('old/y', 'a', seed='2'); features('old', 'b')", layout="tree"),
        links("x/a=old/x/a", "y/a=old/y/a", "old/b"),
    ),
    "real_one_there": (case(OLD + "; features('target', 'a')"), links("old/b")),
    "real_one_there_differs": (case(OLD + "; features('target', 'a', seed='z')"), links("old/b")),
    "there_under_another_name": (case(OLD + "; features('target', 'c', seed='a')"), links("old/b")),
    "hard_link_there": (case(OLD + "; os.mkdir('target'); os.link('old/a.npz', 'target/z.npz')"), links("old/b")),
    "dangling_is_replaced": (
        case(OLD + "; link('target/a.npz', '/nowhere/a.npz')"), links("old/a", "old/b")),
    "foreign_link_stays": (
        case(OLD + "; features('else', 'f'); link('target/f.npz', '../else/f.npz')"),
        {**links("old/a", "old/b"), "f.npz": "../else/f.npz"},
    ),
    "other_kind_in_target": (case(OLD + "; others('target', 'q')"), links("old/a", "old/b")),
    "expected_met": (case(expected=2), links("old/a", "old/b")),
    "found_and_linked": (
        case("features('else/where', 'a', 'b')", prepare_features_search_roots=["D/"], prepare_features_on_discovery="link"),
        links("a=else/where/a", "b=else/where/b"),
    ),
    "all_in_target": (case("features('target', 'a')"), {}),
    "pruned_dangling": (
        case(OLD + "; link('target/c.npz', d + '/old/c.npz'); link('target/notes', 'gone')", prepare_features_prune="dangling"),
        {**links("old/a", "old/b"), "notes": "gone"},
    ),
    "required_false": (case("", required=False), {}),
    "any_and_one": (
        several("features('b.old', 'x')", {"name": "a", "required": "any"}, {"name": "b", "required": "any"}), {}),
    "false_beside_true": (several("features('b.old', 'x')", {"name": "a", "required": False}, {"name": "b"}), {}),
}

# Not ready in the end, though what could be done was done. case -> (the case, sentences, links)
UNREADY = {
    "expected_missed": (case(expected=3), ["D/target holds 2 of at least 3 expected features"], links("old/a", "old/b")),
    "copies_do_not_count": (
        case("features('old', 'a', 'c', 'd'); features('old', 'b', seed='a')", expected=4),
        ["D/target holds 3 of at least 4 expected features; b.npz is a copy of a.npz"], links("old/a", "old/c", "old/d"),
    ),
    "damaged_in_the_way": (
        case(OLD + "; write('target/a.npz', b'PK')"),
        ["1 wanted name in D/target is taken (e.g. a.npz is a file that is damaged"], links("old/b"),
    ),
    "other_kind_in_the_way": (
        case(OLD + "; others('target', 'a')"),
        ["a.npz is a file of another kind (has arrays timestamps, video_features instead of wav2vec_features)"],
        links("old/b"),
    ),
    "fifo_in_the_way": (
        case(OLD + "; os.mkdir('target'); os.mkfifo('target/a.npz')"), ["a.npz is not a regular file"], links("old/b")),
    "damaged_in_target": (
        case(OLD + "; write('target/q.npz')"), ["1 file in D/target is damaged (e.g. q.npz, which is empty)"], links("old/a", "old/b")),
    "dangling_in_target": (
        case(OLD + "; link('target/q.npz', 'gone')"),
        ["1 link in D/target dangles (e.g. q.npz to gone)"], {**links("old/a", "old/b"), "q.npz": "gone"},
    ),
    "pruned_to_nothing": (
        case("os.makedirs('volume/old'); " + INTO_VOLUME, legacy=["D/volume/old"], prepare_features_prune="dangling"),
        ["no features for the set 'clips' in D/target, D/volume/old"], {},
    ),
}

# Both targets full of links to everything, as `ln -sf` in a loop over all directories left them, and a file of somebody's.
SCRIPTS = """
make_layout(d, "small")
write('data/wav2vec_features/README', b'mine')
write('data/wav2vec_crema_d/notes.npz.txt', b'mine')
for home in (WAV2VEC_DIR, ALIAS_DIR, AUDIO_DIR, NPZ_FILES_DIR):
    for name in os.listdir(home):
        for target in ('wav2vec_features', 'wav2vec_crema_d'):
            path = f'data/{target}/{name}'
            if os.path.lexists(path):
                os.unlink(path)
            os.symlink(f'{d}/{home}/{name}', path)
"""


def scripts(more="", **variables):
    return Case(SCRIPTS + more, lambda d: {
        "prepare_features_sets": [
            {**one, "target": d + one["target"], "legacy": [d + path for path in one["legacy"]]}
            for one in DEFAULTS["prepare_features_sets"]
        ],
        **variables,
    })


MESS = {
    "not_enforced": case(expected=3, prepare_features_require_ready=False),
    "scripts": scripts(),
    "scripts_pruned": scripts(prepare_features_prune="stray"),
    "scripts_dangling_only": scripts(prepare_features_prune="dangling"),
    # The second host of the field notes: the old model's directory is gone, only links into it are left.
    "scripts_gone": scripts("shutil.rmtree('home/ubuntu/audio_emotion')", prepare_features_prune="stray"),
}


def cases_of(*groups):
    return {name: row[0] for group in groups for name, row in group.items()}
