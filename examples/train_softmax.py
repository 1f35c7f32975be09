#!/usr/bin/env python3
# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Learns emotion classes from WAV2VEC features: softmax regression over mean-pooled frames. Needs numpy only.

A small trainer with the habits of a real one: it globs *.npz in each of its --data_dirs (not recursively), skips with a
printed line what it cannot read, splits training and validation by file, prints lines as Keras does, and keeps the best
model in a time-stamped directory.
"""

import argparse
import glob
import os
import sys
import time

import numpy as np

EMOTIONS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")


def read_features(path, name):
    """One clip: its frames' mean, shape (dimensions,), and its class. No pickle is read."""
    with np.load(path, allow_pickle=False) as archive:
        frames = archive[name]
        if frames.ndim != 2 or not len(frames):
            raise ValueError(f"array '{name}' has the shape {frames.shape}")
        if "emotion_class" in archive.files:
            label = int(archive["emotion_class"])
        elif "label" in archive.files:
            label = int(np.argmax(archive["label"]))
        else:
            label = EMOTIONS.index(str(archive["emotion"]).upper()[:3])
    return frames.mean(axis=0, dtype=np.float64), label


def load(directories, name):
    """All clips of the directories: (clips, dimensions) and (clips,)."""
    pooled, labels = [], []
    for directory in directories:
        paths = sorted(glob.glob(os.path.join(directory, "*.npz")))
        before = len(labels)
        for path in paths:
            try:
                mean, label = read_features(path, name)
                if pooled and len(mean) != len(pooled[0]):
                    raise ValueError(f"{len(mean)} dimensions, not {len(pooled[0])}")
            except Exception as error:  # any file may be broken in any way
                print(f"Skipping {path}: {error}")
                continue
            pooled.append(mean)
            labels.append(label)
        print(f"{directory}: {len(labels) - before} feature files")
    print(f"Loaded {len(labels)} feature files")
    return np.array(pooled), np.array(labels, dtype=int)


def softmax(scores):
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def evaluate(model, x, y):
    """Mean cross-entropy and accuracy; y is one-hot."""
    chances = softmax(x @ model["weights"] + model["bias"])
    loss = -np.mean(np.log(np.maximum((chances * y).sum(axis=1), 1e-12)))
    return loss, np.mean(chances.argmax(axis=1) == y.argmax(axis=1))


def train_epoch(model, x, y, options, chooser):
    """One pass of mini-batch gradient descent, with the noise and mixup of the options."""
    order = chooser.permutation(len(x))
    for start in range(0, len(x), options.batch_size):
        batch = order[start : start + options.batch_size]
        inputs, wanted = x[batch], y[batch]
        if options.noise:
            inputs = inputs + chooser.normal(0, options.noise, inputs.shape)
        if options.mixup:
            share = chooser.beta(options.mixup, options.mixup)
            other = chooser.permutation(len(batch))
            inputs = share * inputs + (1 - share) * inputs[other]
            wanted = share * wanted + (1 - share) * wanted[other]
        error = (softmax(inputs @ model["weights"] + model["bias"]) - wanted) / len(batch)
        model["weights"] -= options.learning_rate * (inputs.T @ error + options.decay * model["weights"])
        model["bias"] -= options.learning_rate * error.sum(axis=0)


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_dirs", nargs="+", required=True)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--patience", type=int, default=6, help="epochs without a better val_loss before it stops")
    parser.add_argument("--noise", type=float, default=0.0, help="standard deviation of noise on the inputs")
    parser.add_argument("--mixup", type=float, default=0.0, help="alpha of mixup; 0: none")
    parser.add_argument("--learning_rate", type=float, default=0.1)
    parser.add_argument("--decay", type=float, default=1e-3)
    parser.add_argument("--array", default="wav2vec_features")
    parser.add_argument("--validation", type=float, default=0.2, help="share of the files that are not trained on")
    parser.add_argument("--checkpoints", default="checkpoints")
    parser.add_argument("--name", default="softmax", help="how the names of the checkpoints' directories begin")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def main():
    options = parse()
    x, labels = load(options.data_dirs, options.array)
    if len(labels) < 2:
        print("ERROR: fewer than two feature files in " + ", ".join(options.data_dirs))
        return 2
    classes = max(len(EMOTIONS), labels.max() + 1)
    y = np.eye(classes)[labels]
    chooser = np.random.default_rng(options.seed)
    order = chooser.permutation(len(x))
    held_back = min(len(x) - 1, max(1, int(len(x) * options.validation)))
    validation, training = order[:held_back], order[held_back:]
    middle, width = x[training].mean(axis=0), x[training].std(axis=0) + 1e-6
    x = (x - middle) / width
    print(f"Training on {len(training)} files, validating on {len(validation)}")

    folder = os.path.join(options.checkpoints, options.name + "_" + time.strftime("%Y%m%d_%H%M%S"))
    os.makedirs(folder, exist_ok=True)
    best_path = os.path.join(folder, "best_softmax_model.npz")
    model = {"weights": np.zeros((x.shape[1], classes)), "bias": np.zeros(classes)}
    best, best_epoch = np.inf, 0
    for epoch in range(1, options.epochs + 1):
        print(f"Epoch {epoch}/{options.epochs}")
        started = time.monotonic()
        train_epoch(model, x[training], y[training], options, chooser)
        loss, accuracy = evaluate(model, x[training], y[training])
        val_loss, val_accuracy = evaluate(model, x[validation], y[validation])
        batches = -(-len(training) // options.batch_size)
        print(
            f"{batches}/{batches} - {time.monotonic() - started:.0f}s - loss: {loss:.4f} - accuracy: {accuracy:.4f}"
            f" - val_loss: {val_loss:.4f} - val_accuracy: {val_accuracy:.4f}"
        )
        if val_loss < best:
            best, best_epoch = val_loss, epoch
            np.savez(best_path + ".new.npz", middle=middle, width=width, **model)
            os.replace(best_path + ".new.npz", best_path)
            print(f"val_loss improved to {val_loss:.4f}, saving checkpoint {best_path}")
        elif epoch - best_epoch >= options.patience:
            print(f"Early stopping: no better val_loss for {options.patience} epochs")
            break
    print(f"Training complete: best val_loss: {best:.4f} in epoch {best_epoch}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
