# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that several modules of this collection share."""


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  sets:
    description:
      - The feature sets of the host.
      - Paths start with V(/), or with V(~) for the home of the training user, or with V(~name).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The set's name, and its key in the facts.
        type: str
        required: true
      target:
        description: The directory that the trainer reads.
        type: str
        required: true
      legacy:
        description:
          - Directories where earlier models left features, in order of preference; scanned with all their folders, but for those that
            O(sets[].hidden) is about.
          - If a directory has several files of one name, the least deep ones count. If these differ, that is a conflict. Deeper ones are
            left out with a warning.
          - Globs are expanded on the host.
        type: list
        elements: str
        default: []
      patterns:
        description: Globs of the file names in legacy directories or the source that may belong to this set.
        type: list
        elements: str
        default: ['*.npz']
      exclude:
        description:
          - Globs of file names that do not belong to this set although O(sets[].patterns) match them.
          - A glob that ends in C(/) names folders, at any depth, that are not entered for this set.
        type: list
        elements: str
        default: []
      hidden:
        description:
          - Whether to enter hidden folders, and those of snapshots, trash and systems, inside legacy directories and the source
            (C(.snapshot), C(.zfs), C(.Trash-1000), C(lost+found), C(@eaDir), C(#recycle), C($RECYCLE.BIN) and their like).
          - One that is listed in O(sets[].legacy) itself is always entered.
          - A skipped folder is never treated as empty. If nothing is found elsewhere, these folders are scanned, and features in them are
            finds like those of C(search_roots).
        type: bool
        default: false
      reads:
        description: Globs that the trainer applies to the target, by default the C(patterns). Every file there that matches is classified.
        type: list
        elements: str
      format:
        description:
          - With V(auto) files are classified by their content, not by their name. Known formats are NumPy's V(.npz) and V(.npy),
            safetensors, torch's V(.pt), HDF5, Parquet, Arrow, tar and zip; any other file is of another kind.
          - With V(any) any file that is not empty is a feature, and its bytes are its identity.
        type: str
        choices: [auto, any]
        default: auto
      arrays:
        description:
          - Which arrays make a file a feature, as array name to C(dtype) and C(shape). Only the arrays named here count.
          - V(null) in a shape matches any length. Empty means that any intact file is a feature.
          - Arrays can be read from V(.npz), V(.npy), safetensors and torch's files only.
        type: dict
        default: {}
      verify:
        description:
          - With V(quick) the structure of each file is verified, with V(full) the CRC-32 of every array too, and of formats
            without checksums all that their libraries read to open them.
          - A file with holes (e.g. of an interrupted download) is verified in full in any case.
        type: str
        choices: [quick, full]
        default: quick
      layout:
        description:
          - With V(flat) links are at the top of the target, with V(tree) sub-folders are kept.
          - With V(tree) the target is read as Python's C(glob) reads it (C(**/)).
            Hidden folders do not count, and links to directories are followed.
        type: str
        choices: [flat, tree]
        default: flat
      expected:
        description: At least this many features make the set ready.
        type: int
      required:
        description:
          - With V(false) the set may stay empty. With V(any) at least one of the sets so marked must hold features.
        type: raw
        default: true
      mount:
        description: A path that must be a mount point before anything is decided.
        type: str
      source:
        description: >-
          Where the features can be uploaded from, a directory on the controller, an rclone remote V(name:path), or
          V(s3://bucket/prefix) or V(gs://bucket/prefix), which the host reads with its own credentials.
        type: str
  user:
    description:
      - The training user, who has to be able to read the features.
      - By default the connecting user.
    type: str
"""
