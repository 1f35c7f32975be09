# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs in the form of public trainers, with values of our own: for each the right curves or none, and the right epoch or none."""

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._training.causes import find_errors
from ansible_collections.trainprep.features.plugins.module_utils._training.history import History
from ansible_collections.trainprep.features.plugins.module_utils._training.log import split

# By repository (and file): the log, the curves, the epoch and the number of epochs at its end.
TRAINERS = {
    "keras-team/keras, fit in a terminal": (
        "Epoch 1/3\n\x1b[1m 1/40\x1b[0m \x1b[37m━━━\x1b[0m \x1b[1m9s\x1b[0m 1s/step - accuracy: 0.1 - loss: 9.5\b\b\b\x1b[1m40/40\x1b[0m"
        " \x1b[32m━━━\x1b[0m"
        " \x1b[1m3s\x1b[0m 9ms/step - accuracy: 0.25 - loss: 1.75 - val_accuracy: 0.5 - val_loss: 1.5\nEpoch 2/3\n\x1b[1m 3/40\x1b[0m"
        " 1s/step - loss: 8.0",
        {"accuracy": [(1, 0.25)], "loss": [(1, 1.75)], "val_accuracy": [(1, 0.5)], "val_loss": [(1, 1.5)]}, 2, 3,
    ),
    "keras-team/keras, fit and evaluate with verbose=2": (
        "Epoch 1/2\n40/40 - 3s - 80ms/step - loss: 1.5 - val_loss: 1.25\nEpoch 2/2\n40/40 - 3s - 80ms/step - loss: 1.0 - val_loss: 1.125\n"
        "13/13 - 0s - 9ms/step - loss: 7.5\nTest loss: 7.5",
        {"loss": [(1, 1.5), (2, 1.0)], "val_loss": [(1, 1.25), (2, 1.125)], "test_loss": [(2, 7.5)]}, 2, 2,
    ),
    "Lightning-AI/pytorch-lightning, TQDMProgressBar": (
        "Sanity Checking DataLoader 0: 100%|██████████| 2/2 [00:00<00:00, 20.5it/s]\n"
        "Epoch 0:  50%|█████     | 5/10 [00:01<00:01, 4.9it/s, v_num=3, train_loss=5.5]\rEpoch 0: 100%|██████████| 10/10 [00:02<00:00,"
        " 4.9it/s, v_num=3,"
        " train_loss=2.5]\rValidation DataLoader 0: 100%|██████████| 4/4 [00:00<00:00]\rEpoch 0: 100%|██████████| 10/10 [00:02<00:00,"
        " 4.1it/s, v_num=3,"
        " train_loss=2.5, val_loss=1.5]\nEpoch 1:  10%|█         | 1/10 [00:00<00:01, v_num=3, train_loss=1.75, val_loss=1.5]",
        {"loss": [(0, 2.5)], "val_loss": [(0, 1.5)]}, 1, None,
    ),
    "huggingface/transformers, Trainer": (
        " 25%|██▌       | 500/2000 [01:00<03:00,  8.3it/s]{'loss': 0.5, 'grad_norm': 1.5, 'learning_rate': 2e-05, 'epoch': 0.5}\n"
        "{'loss': 0.5, 'grad_norm': 1.5, 'learning_rate': 2e-05, 'epoch': 0.5}\n{'eval_loss': 0.375, 'eval_accuracy': 0.75, 'epoch': 1.0}\n"
        "{'loss': 0.25, 'grad_norm': 1.0, 'learning_rate': 1e-05, 'epoch': 1.5}\n"
        "{'train_runtime': 240.0, 'train_samples_per_second': 99.5, 'train_loss': 0.4375, 'epoch': 2.0}",
        {
            "loss": [(0.5, 0.5), (1.5, 0.25)],
            "learning_rate": [(0.5, 2e-5), (1.5, 1e-5)],
            "val_loss": [(1, 0.375)],
            "val_accuracy": [(1, 0.75)],
        },
        2, None,
    ),
    "ultralytics/ultralytics": (
        "      Epoch    GPU_mem   box_loss   cls_loss   dfl_loss  Instances       Size\n"
        "       3/50      2.51G      1.25      2.5      1.5        32        640: 100%|██████████| 8/8 [00:03<00:00,  2.5it/s]\n"
        "                 Class     Images  Instances      Box(P          R      mAP50  mAP50-95): 100%|██████████| 4/4 [00:01<00:00, "
        " 3.1it/s]\n"
        "                   all        128        929      0.75      0.5      0.625       0.375",
        {}, 3, 50,
    ),
    "fastai/fastai, Recorder": (
        "epoch     train_loss  valid_loss  accuracy  time    \n0         0.875       0.75        0.5       00:12     \n"
        "1         0.625       0.5         0.75      00:12     ",
        {}, None, None,
    ),
    "pytorch/examples, imagenet": (
        "=> creating model 'resnet18'\nEpoch: [0][   1/5005]\tTime  1.250 ( 1.250)\tData  1.0 ( 1.0)\tLoss 7.0e+00 (7.0e+00)\tAcc@1  "
        " 0.00 (  0.00)\n"
        "Epoch: [0][  11/5005]\tTime  0.250 ( 0.350)\tLoss 6.5e+00 (6.8e+00)\tAcc@1   0.39 (  0.10)\nTest: [  1/196]\tTime  2.1 ("
        " 2.1)\tLoss 6.75e+00 (6.75e+00)\n"
        " *   Acc@1 3.250 Acc@5 9.750\nEpoch: [1][   1/5005]\tTime  1.3 ( 1.3)\tLoss 5.5e+00 (5.5e+00)",
        {}, 1, None,
    ),
    "pytorch/examples, mnist": (
        "Train Epoch: 1 [0/60000 (0%)]\tLoss: 2.250000\nTrain Epoch: 1 [59520/60000 (99%)]\tLoss: 0.125000\n\n"
        "Test set: Average loss: 0.0625, Accuracy: 9812/10000 (98%)\n\nTrain Epoch: 2 [0/60000 (0%)]\tLoss: 0.1\n",
        {"test_loss": [(1, 0.0625)]}, 2, None,
    ),
    "pytorch/tutorials, quickstart": (
        "Epoch 1\n-------------------------------\nloss: 2.250000  [   64/60000]\nloss: 2.125000  [ 6464/60000]\nTest Error: \n"
        " Accuracy: 50.0%, Avg loss: 2.0 \n\n"
        "Epoch 2\n-------------------------------\nloss: 1.750000  [   64/60000]\nDone!",
        {}, 2, None,
    ),
    "pytorch/tutorials, transfer learning": (
        "Epoch 0/24\n----------\ntrain Loss: 0.625 Acc: 0.75\nval Loss: 0.25 Acc: 0.875\n\nEpoch 1/24\n----------\ntrain Loss: 0.5 Acc:"
        " 0.8",
        {"loss": [(0, 0.625), (1, 0.5)], "accuracy": [(0, 0.75), (1, 0.8)], "val_loss": [(0, 0.25)], "val_accuracy": [(0, 0.875)]}, 1, 24,
    ),
    "pytorch/vision, references/classification": (
        "Epoch: [0]  [   0/1251]  eta: 0:50:00  lr: 0.1  img/s: 99.5  loss: 7.0 (7.0)  acc1: 0.0 (0.0)  time: 2.4  data: 1.9  max mem:"
        " 9000\n"
        "Epoch: [0] Total time: 0:05:00\nTest:   [  0/196]  eta: 0:01:00  loss: 6.5 (6.5)  acc1: 1.5 (1.5)\nTest:  Acc@1 3.250 Acc@5"
        " 9.750",
        {}, 0, None,
    ),
    "facebookresearch/detr": (
        "Epoch: [4]  [    0/14786]  eta: 3:00:00  lr: 0.0001  class_error: 99.5  loss: 35.5 (35.5)  loss_ce: 4.5 (4.5)  time: 0.75 "
        " data: 0.4\n"
        "Averaged stats: lr: 0.0001  class_error: 98.5  loss: 30.25 (32.5)\nTest:  [   0/2500]  eta: 0:30:00  class_error: 97.5  loss:"
        " 28.5 (28.5)",
        {"learning_rate": [(4, 0.0001)]}, 4, None,
    ),
    "facebookresearch/mae": (
        "Epoch: [7]  [ 20/312]  eta: 0:03:00  lr: 0.000125  loss: 0.75 (0.8)  time: 0.5  data: 0.01  max mem: 9000\nAveraged stats: lr:"
        " 0.000125  loss: 0.7 (0.75)",
        {"learning_rate": [(7, 0.000125)]}, 7, None,
    ),
    "huggingface/pytorch-image-models (timm)": (
        "Train: 0 [   0/1251 (  0%)]  Loss: 6.95 (6.95)  Time: 2.0s, 128.0/s  LR: 1.0e-05  Data: 1.5 (1.5)\n"
        "Test: [   0/195]  Time: 1.5 (1.5)  Loss:   6.75 ( 6.75)  Acc@1:   0.5 (  0.5)\n"
        "Train: 1 [  50/1251 (  4%)]  Loss: 6.5 (6.75)  Time: 0.5s  LR: 1.0e-04",
        {}, 1, None,
    ),
    "espnet/espnet": (
        "[gpu-1] 2026-01-01 12:00:00,001 (trainer:300) INFO: 1/20epoch started\n"
        "[gpu-1] 2026-01-01 12:01:00,001 (trainer:762) INFO: 1epoch:train:1-50batch: iter_time=0.1, loss_ctc=9.5, loss=8.5, acc=0.25,"
        " optim0_lr0=1e-05\n"
        "[gpu-1] 2026-01-01 12:02:00,001 (trainer:357) INFO: 1epoch results: [train] iter_time=0.1, loss=7.5, acc=0.3, [valid] loss=6.5,"
        " acc=0.4\n"
        "[gpu-1] 2026-01-01 12:02:01,001 (trainer:411) INFO: The best model has been updated: valid.acc",
        {}, 1, 20,
    ),
    "facebookresearch/fairseq": (
        "2026-01-01 12:00:00 | INFO | fairseq.trainer | begin training epoch 1\n2026-01-01 12:01:00 | INFO | train_inner | epoch 001:   "
        " 100 / 500 loss=9.5,"
        " nll_loss=9.25, ppl=600, wps=9000, num_updates=100, lr=1e-05\n2026-01-01 12:02:00 | INFO | valid | epoch 001 | valid on 'valid'"
        " subset | loss 8.5 | ppl 250\n"
        "2026-01-01 12:02:01 | INFO | fairseq.checkpoint_utils | Preparing to save checkpoint for epoch 1 @ 500 updates\n"
        "2026-01-01 12:03:00 | INFO | train_inner | epoch 002:    100 / 500 loss=8.0, nll_loss=7.5, ppl=180",
        {}, 2, None,
    ),
    "open-mmlab/mmengine": (
        "01/01 12:00:00 - mmengine - INFO - Epoch(train) [1][ 50/100]  lr: 1.0e-03  eta: 0:10:00  time: 0.25  data_time: 0.01  memory:"
        " 900  loss: 2.5  acc: 0.5\n"
        "01/01 12:00:30 - mmengine - INFO - Saving checkpoint at 1 epochs\n01/01 12:00:40 - mmengine - INFO - Epoch(val) [1][20/20]   "
        " coco/bbox_mAP: 0.125\n"
        "01/01 12:01:00 - mmengine - INFO - Epoch(train) [2][ 50/100]  lr: 1.0e-03  loss: 2.25",
        {"val_coco_bbox_map": [(1, 0.125)]}, 2, None,
    ),
    "facebookresearch/detectron2": (
        "[01/01 12:00:00 d2.utils.events]:  eta: 1:30:00  iter: 19  total_loss: 5.5  loss_cls: 4.5  loss_box_reg: 0.25  time: 0.5  lr:"
        " 0.0005  max_mem: 900M",
        {}, None, None,
    ),
    "MIC-DKFZ/nnUNet": (
        "2026-01-01 12:00:00.000001: Epoch 3 \n2026-01-01 12:00:00.000002: Current learning rate: 0.00997 \n2026-01-01 12:01:00.000001:"
        " train_loss -0.25 \n"
        "2026-01-01 12:01:00.000002: val_loss -0.5 \n2026-01-01 12:01:00.000003: Pseudo dice [np.float32(0.75)] \n2026-01-01"
        " 12:01:00.000004: Epoch time: 60.0 s ",
        {}, 3, None,
    ),
    "pyg-team/pytorch_geometric, gcn.py": (
        "Epoch: 001, Loss: 1.9375, Train: 0.2500, Val: 0.1250, Test: 0.1875\nEpoch: 002, Loss: 1.8750, Train: 0.5000, Val: 0.3750, Test:"
        " 0.4375",
        {}, 2, None,
    ),
    "pytorch/examples, dcgan": (
        "[0/25][0/782] Loss_D: 1.5 Loss_G: 5.5 D(x): 0.5 D(G(z)): 0.25 / 0.125\n[0/25][1/782] Loss_D: 1.25 Loss_G: 6.5", {}, None, None,
    ),
    "karpathy/nanoGPT": ("step 250: train loss 1.9375, val loss 2.0625\niter 250: loss 1.9, time 300.50ms, mfu 12.50%", {}, None, None),
    "pytorch/examples, word_language_model": (
        "| epoch   1 |   200/ 2983 batches | lr 20.00 | ms/batch  9.50 | loss  7.50 | ppl  1800.00\n"
        "-----\n| end of epoch   1 | time: 30.00s | valid loss  5.50 | valid ppl   250.00\n-----",
        {}, 1, None,
    ),
    "leggedrobotics/rsl_rl": (
        "                       Learning iteration 51/100                        \n\n                       Computation: 9000 steps/s"
        " (collection: 0.5s, learning 0.1s)\n"
        "             Mean action noise std: 0.95\n          Mean value_function loss: 0.0125\n               Mean surrogate loss:"
        " -0.0050\n"
        "                       Mean reward: 12.50\n",
        {}, None, None,
    ),
    "DLR-RM/stable-baselines3": (
        "----------------------------------\n| rollout/           |           |\n|    ep_rew_mean     | 25.5      |\n| train/           "
        "  |           |\n"
        "|    loss            | 0.125     |\n----------------------------------",
        {}, None, None,
    ),
    "dmlc/xgboost": ("[0]\tvalidation_0-logloss:0.68750\tvalidation_1-logloss:0.68125\n[1]\tvalidation_0-logloss:0.65", {}, None, None),
    "microsoft/LightGBM": (
        "[LightGBM] [Info] Start training from score 0.5\n[10]\tvalid_0's binary_logloss: 0.625\tvalid_1's"
        " binary_logloss: 0.65",
        {}, None, None,
    ),
    "catboost/catboost": ("0:\tlearn: 0.6875\ttest: 0.6750\tbest: 0.6750 (0)\ttotal: 50ms\tremaining: 5s", {}, None, None),
    "huggingface/accelerate, nlp_example.py": (
        "epoch 0: {'accuracy': 0.75, 'f1': 0.8125}\nepoch 1: {'accuracy': 0.8, 'f1': 0.85}", {}, 1, None,
    ),
    "kohya-ss/sd-scripts": (
        "\nepoch 1/10\nsteps:  10%|█         | 10/100 [00:10<01:30,  1.00it/s, avr_loss=0.125]\rsteps:  20%|██        | 20/100"
        " [00:20<01:20, avr_loss=0.1]\n\nepoch 2/10\n",
        {}, 2, 10,
    ),
    "speechbrain/speechbrain": (
        "speechbrain.utils.train_logger - epoch: 1, lr: 1.00e+00 - train loss: 3.125 - valid loss: 2.5, valid CER: 40.5, valid WER: 60.5\n"
        "speechbrain.utils.train_logger - epoch: 2, lr: 8.00e-01 - train loss: 2.125 - valid loss: 2.25, valid CER: 30.5, valid WER: 50.5",
        {
            "learning_rate": [(1, 1.0), (2, 0.8)],
            "loss": [(1, 3.125), (2, 2.125)],
            "val_loss": [(1, 2.5), (2, 2.25)],
            "val_cer": [(1, 40.5), (2, 30.5)],
            "val_wer": [(1, 60.5), (2, 50.5)],
        },
        2, None,
    ),
    "mlfoundations/open_clip": (
        "2026-01-01,12:00:00 | INFO | Start epoch 0\n2026-01-01,12:00:10 | INFO | Train Epoch: 0 [  512/10000 (5%)] Data (t): 0.1 Batch"
        " (t): 0.3, 512/s LR: 0.000005"
        " Logit Scale: 14.25 Contrastive_loss: 5.5 (5.5) Loss: 5.5 (5.5)\n2026-01-01,12:05:00 | INFO | Eval Epoch: 1"
        " imagenet-zeroshot-val-top1: 0.125",
        {}, 1, None,
    ),
    "NVIDIA/Megatron-LM": (
        " [2026-01-01 12:00:00] iteration      100/   1000 | consumed samples:  6400 | elapsed time per iteration (ms): 250.5 | learning"
        " rate: 1.0E-05 |"
        " lm loss: 8.125E+00 | loss scale: 1.0 | grad norm: 1.5 |",
        {}, None, None,
    ),
    "scikit-learn/scikit-learn, MLPClassifier": (
        "Iteration 1, loss = 1.25\nIteration 2, loss = 1.125\nValidation score: 0.750000", {}, None, None,
    ),
    "NVIDIA/NeMo": (
        "Epoch 0:  10%|█         | 10/100 [00:10<01:30,  1.0it/s, v_num=1-02, reduced_train_loss=9.5, "
        "global_step=9.0, consumed_samples=80.0, train_step_timing in s=0.5]\rEpoch 0: 100%|██████████| "
        "100/100 [01:40<00:00,  1.0it/s, v_num=1-02, reduced_train_loss=7.25, global_step=99.0, "
        "consumed_samples=800.0, val_loss=6.5]\n"
        "Epoch 0, global step 100: 'val_loss' reached 6.50000 (best 6.50000), saving model to "
        "'/w/nemo/checkpoints/x.nemo' as top 3\n",
        {"reduced_train_loss": [(0, 7.25)], "val_loss": [(0, 6.5)]}, 0, None,
    ),
    "deepspeedai/DeepSpeed": (
        "[2026-01-01 12:00:00,001] [INFO] [logging.py:96:log_dist] [Rank 0] step=10, skipped=0, lr=[1e-05, "
        "1e-05], mom=[(0.9, 0.999), (0.9, 0.999)]\n"
        "[2026-01-01 12:00:01,001] [INFO] [timer.py:260:stop] epoch=0/micro_step=10/global_step=10, "
        "RunningAvgSamplesPerSec=95.5, CurrSamplesPerSec=96.5, MemAllocated=9.5GB, MaxMemAllocated=12.5GB\n",
        {}, 0, None,
    ),
    "pytorch/torchtune": (
        "1|40|Loss: 1.25:  10%|█         | 40/400 [01:00<09:00,  1.5s/it]\r1|400|Loss: 0.75: 100%|██████████| "
        "400/400 [10:00<00:00,  1.5s/it]\n"
        "2|401|Loss: 0.5:   0%|          | 1/400",
        {}, None, None,
    ),
    "facebookresearch/fairseq, hydra_train": (
        "[2026-01-01 12:00:00,001][train_inner][INFO] - {\"epoch\": 1, \"update\": 0.5, \"loss\": \"9.5\", \"ppl\": "
        "\"600\", \"lr\": \"1e-05\"}\n"
        "[2026-01-01 12:01:00,001][valid][INFO] - {\"epoch\": 1, \"valid_loss\": \"8.5\", \"valid_ppl\": \"250\", "
        "\"valid_num_updates\": \"100\"}\n",
        {
            "loss": [(1, 9.5)],
            "perplexity": [(1, 600.0)],
            "learning_rate": [(1, 1e-05)],
            "val_loss": [(1, 8.5)],
            "val_perplexity": [(1, 250.0)],
        },
        1, None,
    ),
    "Project-MONAI/tutorials": (
        "----------\n"
        "epoch 1/600\n"
        "1/16, train_loss: 0.6875\n"
        "16/16, train_loss: 0.625\n"
        "epoch 1 average loss: 0.6500\n"
        "----------\n"
        "epoch 2/600\n"
        "1/16, train_loss: 0.5\n"
        "epoch 2 average loss: 0.5500\n"
        "saved new best metric model\n"
        "current epoch: 2 current mean dice: 0.2500\n"
        "best mean dice: 0.2500 at epoch: 2\n",
        {}, 2, 600,
    ),
    "Megvii-BaseDetection/YOLOX": (
        "2026-01-01 12:00:00 | INFO     | yolox.core.trainer:270 - epoch: 1/300, iter: 10/100, gpu mem: "
        "9000Mb, mem: 9.5Gb, iter_time: 0.5s, data_time: 0.001s, total_loss: 12.5, iou_loss: 4.5, l1_loss: "
        "0.0, conf_loss: 5.5, cls_loss: 2.5, lr: 1.0e-06, size: 640, ETA: 5:00:00\n"
        "2026-01-01 12:10:00 | INFO     | yolox.core.trainer:203 - ---> start train epoch2\n",
        {}, 2, 300,
    ),
    "google/flax, examples/mnist": (
        "I0101 12:00:00.000001 1 train.py:150] epoch:  1, train_loss: 0.2500, train_accuracy: 92.50, "
        "test_loss: 0.0625, test_accuracy: 98.00\n"
        "I0101 12:01:00.000001 1 train.py:150] epoch:  2, train_loss: 0.0625, train_accuracy: 98.12, "
        "test_loss: 0.0500, test_accuracy: 98.50\n",
        {
            "loss": [(1, 0.25), (2, 0.0625)],
            "accuracy": [(1, 92.5), (2, 98.12)],
            "test_loss": [(1, 0.0625), (2, 0.05)],
            "test_accuracy": [(1, 98.0), (2, 98.5)],
        },
        2, None,
    ),
    "pytorch/ignite": (
        "2026-01-01 12:00:00,001 ignite.distributed INFO: x\n"
        "Epoch[1] Iteration[100/938] Loss: 0.75\n"
        "Training Results - Epoch: 1  Avg accuracy: 0.50 Avg loss: 0.40\n"
        "Validation Results - Epoch: 1  Avg accuracy: 0.60 Avg loss: 0.30\n",
        {"accuracy": [(1, 0.5)], "loss": [(1, 0.4)], "val_accuracy": [(1, 0.6)], "val_loss": [(1, 0.3)]}, 1, None,
    ),
    "huggingface/sentence-transformers, version 2": (
        "Epoch:   0%|          | 0/1 [00:00<?, ?it/s]\n"
        "Iteration:  50%|█████     | 50/100 [00:10<00:10,  5.0it/s]\n"
        "Epoch: 100%|██████████| 1/1 [00:20<00:00, 20.0s/it]\n",
        {}, None, None,
    ),
    "catalyst-team/catalyst": (
        "train (1/3) accuracy01: 0.75 | accuracy03: 0.9 | loss: 0.75 | loss/mean: 0.75 | lr: 0.001 | "
        "momentum: 0.9\n"
        "valid (1/3) accuracy01: 0.875 | loss: 0.5 | lr: 0.001 | momentum: 0.9\n"
        "* Epoch (1/3) \n",
        {}, 1, 3,
    ),
    "tensorflow/models": (
        "I0101 12:00:00.000001 140000000000000 controller.py:310] train | step:   1000 | steps/sec:    5.5 | "
        "output: \n"
        "    {'learning_rate': 0.0125, 'training_loss': 1.5}\n"
        " eval | step:   1000 | running complete evaluation...\n"
        " eval | step:   1000 | eval time:    9.5 sec | output: \n"
        "    {'accuracy': 0.5, 'validation_loss': 1.75}\n",
        {}, None, None,
    ),
}


def check_log(text, curves, epoch, epochs):
    history = History()
    history.read(split(text))
    history.finish(over=True)
    assert history.series.curves() == curves
    assert (history.epochs.number, history.epochs.total) == (epoch, epochs)
    assert find_errors(split(text)) == []


@pytest.mark.parametrize(("text", "curves", "epoch", "epochs"), TRAINERS.values(), ids=TRAINERS)
def test_a_trainer_s_log(text, curves, epoch, epochs):
    check_log(text, curves, epoch, epochs)
