# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""More logs in the form of public trainers: values of single steps, of trials and of summaries are in no curve."""

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils._training.test_trainers import check_log

# By repository (and file): the log, the curves, the epoch and the number of epochs at its end.
TRAINERS = {
    "ultralytics/yolov5, train.py": (
        "      Epoch    GPU_mem   box_loss   obj_loss   cls_loss  Instances       Size\n"
        "       0/99      1.74G    0.04618    0.06766    0.01721        180        640: 100%|██████████| 8/8 [00:03<00:00,  2.5it/s]\n"
        "                 Class     Images  Instances          P          R      mAP50   mAP50-95: 100%|██████████| 2/2 [00:01<00:00]\n"
        "                   all         64        464       0.75        0.5      0.625      0.375\n"
        "       1/99      1.74G    0.04518    0.06666    0.01621        180        640:  50%|█████     | 4/8 [00:01<00:01,  2.5it/s]",
        {}, 1, 99,
    ),
    "WongKinYiu/yolov7, train.py": (
        "     Epoch   gpu_mem       box       obj       cls     total    labels  img_size\n"
        "     4/299     11.9G   0.06542   0.02254   0.02142    0.1094        35       640: 100%|██████████| 100/100 [00:50<00:00, "
        " 2.0it/s]\n"
        "               Class      Images      Labels           P           R      mAP@.5  mAP@.5:.95: 100%|██████████| 4/4 [00:02<00:00]\n"
        "                 all         128         929       0.125       0.250      0.0625      0.0312",
        {}, 4, 299,
    ),
    "AlexeyAB/darknet": (
        " (next mAP calculation at 1000 iterations) \n"
        " 999: 2.450000, 2.660000 avg loss, 0.001000 rate, 5.250000 seconds, 63936 images, 10.5 hours left\n"
        " Loaded: 0.000050 seconds",
        {}, None, None,
    ),
    "open-mmlab/mmcv, TextLoggerHook of mmdetection 2": (
        "2026-01-01 12:00:00,001 - mmdet - INFO - Epoch [1][50/7330]\tlr: 1.978e-03, eta: 1 day, 0:30:00, time: 0.505, data_time: 0.05,"
        " memory: 3500, loss_rpn_cls: 0.5, loss_bbox: 0.25, acc: 75.5, loss: 1.75\n"
        "2026-01-01 13:00:00,001 - mmdet - INFO - Epoch(val) [1][5000]\tbbox_mAP: 0.1250, bbox_mAP_50: 0.2500, bbox_mAP_s: 0.0625\n"
        "2026-01-01 13:00:10,001 - mmdet - INFO - Epoch [2][50/7330]\tlr: 2.000e-02, eta: 23:00:00, time: 0.5, memory: 3500, loss: 1.5",
        {"val_bbox_map": [(1, 0.125)], "val_bbox_map_50": [(1, 0.25)], "val_bbox_map_s": [(1, 0.0625)]}, 2, None,
    ),
    "PaddlePaddle/PaddleOCR": (
        "[2026/01/01 12:00:00] ppocr INFO: epoch: [1/500], global_step: 10, lr: 0.000100, acc: 0.000000, norm_edit_dis: 0.015625, loss:"
        " 25.500000, avg_reader_cost: 0.1 s, avg_batch_cost: 0.5 s, avg_samples: 64.0, ips: 95.5 samples/s, eta: 1:00:00\n"
        "[2026/01/01 12:01:00] ppocr INFO: cur metric, acc: 0.5, norm_edit_dis: 0.75, fps: 950.5\n"
        "[2026/01/01 12:01:00] ppocr INFO: best metric, acc: 0.625, norm_edit_dis: 0.75, fps: 950.5, best_epoch: 1\n"
        "[2026/01/01 12:01:10] ppocr INFO: epoch: [2/500], global_step: 20, lr: 0.000200, acc: 0.25, loss: 20.5",
        {}, 2, 500,
    ),
    "PaddlePaddle/PaddleClas": (
        "[2026/01/01 12:00:00] ppcls INFO: [Train][Epoch 1/120][Iter: 0/250]lr(LinearWarmup): 0.00001000, top1: 0.00000, CELoss: 6.50000,"
        " loss: 6.50000, batch_cost: 1.5s, reader_cost: 1.25, ips: 40.5 samples/s, eta: 10:00:00\n"
        "[2026/01/01 12:10:00] ppcls INFO: [Train][Epoch 1/120][Avg]top1: 0.01250, CELoss: 6.25000, loss: 6.25000\n"
        "[2026/01/01 12:11:00] ppcls INFO: [Eval][Epoch 1][Iter: 0/10]CELoss: 5.75, loss: 5.75, top1: 0.0625, batch_cost: 1.5s\n"
        "[2026/01/01 12:11:10] ppcls INFO: [Eval][Epoch 1][Avg]CELoss: 5.50000, loss: 5.50000, top1: 0.06250\n"
        "[2026/01/01 12:11:10] ppcls INFO: [Eval][Epoch 1][best metric: 0.0625]",
        {"loss": [(1, 6.25)], "val_loss": [(1, 5.5)]}, 1, 120,
    ),
    "PaddlePaddle/PaddleNLP": (
        "[2026-01-01 12:00:00,001] [    INFO] - global step 100, epoch: 1, batch: 100, loss: 0.51250, speed: 5.50 step/s\n"
        "eval loss: 0.40625, accu: 0.81250\n"
        "[2026-01-01 12:01:00,001] [    INFO] - global step 200, epoch: 2, batch: 50, loss: 0.31250, speed: 5.50 step/s",
        {"val_loss": [(1, 0.40625)]}, 2, None,
    ),
    "coqui-ai/Trainer": (
        "\n\x1b[4m\x1b[1m > EPOCH: 0/1000\x1b[0m\n --> /w/run-1\n\n\x1b[1m > TRAINING (2026-01-01 12:00:00) \x1b[0m\n\n"
        "\x1b[1m   --> TIME: 2026-01-01 12:00:01 -- STEP: 25/324 -- GLOBAL_STEP: 25\x1b[0m\n"
        "     | > loss_disc: 2.5  (2.625)\n     | > loss: 30.5  (31.5)\n     | > current_lr_0: 0.0002 \n     | > step_time: 0.5  (0.6)\n\n"
        "\x1b[1m > EVALUATION \x1b[0m\n\n\x1b[1m   --> STEP: 0\x1b[0m\n     | > loss: 28.5  (28.5)\n\n"
        "  \x1b[1m--> EVAL PERFORMANCE\x1b[0m\n     | > avg_loader_time:\x1b[92m 0.0625 \x1b[0m(-0.01)\n"
        "     | > avg_loss:\x1b[92m 27.5 \x1b[0m(-1.5)\n\n"
        "\x1b[4m\x1b[1m > EPOCH: 1/1000\x1b[0m",
        {}, 1, 1000,
    ),
    "OpenNMT/OpenNMT-py": (
        "[2026-01-01 12:00:00,001 INFO] Step 50/100000; acc: 4.5; ppl: 9500.5; xent: 9.25; lr: 0.00001; sents: 900; bsz: 4000/4000/16;"
        " 5500/5500 tok/s;     30 sec;\n"
        "[2026-01-01 12:10:00,001 INFO] Train perplexity: 95.5\n[2026-01-01 12:10:00,001 INFO] Train accuracy: 30.5\n"
        "[2026-01-01 12:10:00,001 INFO] Validation perplexity: 250.5\n[2026-01-01 12:10:00,001 INFO] Validation accuracy: 30.5",
        {}, None, None,
    ),
    "k2-fsa/icefall": (
        "2026-01-01 12:00:00,001 INFO [train.py:876] Epoch 1, batch 50, loss[loss=0.75, simple_loss=1.5, pruned_loss=7.5, over 6500.00"
        " frames. ], tot_loss[loss=0.875, simple_loss=1.5, pruned_loss=7.75, over 90000.00 frames. ], batch size: 20, lr: 2.90e-03, \n"
        "2026-01-01 12:01:00,001 INFO [train.py:910] Epoch 1, validation: loss=0.5, simple_loss=0.75, pruned_loss=6.5, over 944034.00"
        " frames. \n"
        "2026-01-01 12:01:00,001 INFO [train.py:911] Maximum memory allocated so far is 9000MB",
        {"val_loss": [(1, 0.5)], "val_simple_loss": [(1, 0.75)], "val_pruned_loss": [(1, 6.5)]}, 1, None,
    ),
    "wenet-e2e/wenet": (
        "2026-01-01 12:00:00,001 INFO Epoch 3 TRAIN info lr 1e-05 rank 0\n"
        "2026-01-01 12:00:10,001 DEBUG TRAIN Batch 3/100 loss 95.5 loss_att 60.5 loss_ctc 175.5 lr 0.00000500 rank 0\n"
        "2026-01-01 12:10:00,001 INFO Epoch 3 CV info cv_loss 25.5 rank 0",
        {}, 3, None,
    ),
    "facebookresearch/demucs": (
        "[01-01 12:00:00][demucs.solver][INFO] - Training...\n"
        "[01-01 12:00:30][demucs.solver][INFO] - Train | Epoch 1 | 160/800 | 2.5 it/sec | Loss 0.2750 | Reco 0.2750\n"
        "[01-01 12:05:00][demucs.solver][INFO] - Train Summary | Epoch 1 | Loss=0.2500 | Reco=0.2500\n"
        "[01-01 12:05:01][demucs.solver][INFO] - Cross validation...\n"
        "[01-01 12:05:30][demucs.solver][INFO] - Valid | Epoch 1 | 50/100 | 9.5 it/sec | Loss 0.2250 | Nsdr 1.250\n"
        "[01-01 12:06:00][demucs.solver][INFO] - Valid Summary | Epoch 1 | Loss=0.2125 | Reco=0.2125 | Nsdr=1.375 | Best=0.2125\n"
        "[01-01 12:06:00][demucs.solver][INFO] - New best valid loss 0.2125",
        {"loss": [(1, 0.25)]}, 1, None,
    ),
    "mosaicml/composer, ConsoleLogger": (
        "[epoch=1][batch=20/100]:\n\t Train time/epoch: 0\n\t Train loss/train/total: 2.2500\n"
        "\t Train metrics/train/MulticlassAccuracy: 0.1250\n\t Train lr-DecoupledSGDW/group0: 0.1000\n"
        "[Eval batch=1/10] Eval on eval data\n[Eval batch=10/10] Eval on eval data:\n\t Eval metrics/eval/MulticlassAccuracy: 0.2500\n"
        "[epoch=2][batch=20/100]:\n\t Train time/epoch: 1\n\t Train loss/train/total: 1.7500",
        {}, 2, None,
    ),
    "Lightning-AI/litgpt, finetune": (
        "Epoch 1 | iter 10 step 1 | loss train: 1.250, val: n/a | iter time: 350.50 ms (step)\n"
        "Epoch 1 | iter 20 step 2 | loss train: 1.125, val: 1.500 | iter time: 350.50 ms (step)\n"
        "iter 20: val loss 1.5000, val time: 9500.50 ms\n"
        "Epoch 2 | iter 30 step 3 | loss train: 1.000, val: 1.500 | iter time: 350.50 ms (step)",
        {}, 2, None,
    ),
    "huggingface/transformers, version 5": (
        "{'loss': '0.6931', 'grad_norm': '1.5', 'learning_rate': '5e-07', 'epoch': '0.5'}\n"
        "{'eval_loss': '0.625', 'eval_runtime': '9.5', 'eval_samples_per_second': '95.5', 'epoch': '1'}\n"
        "{'train_runtime': '95.5', 'train_samples_per_second': '10.5', 'train_loss': '0.6875', 'epoch': '1'}",
        {"loss": [(0.5, 0.6931)], "learning_rate": [(0.5, 5e-07)], "val_loss": [(1, 0.625)]}, 1, None,
    ),
    "huggingface/transformers, examples' last metrics": (
        "{'loss': 0.5, 'learning_rate': 2e-05, 'epoch': 1.0}\n"
        "***** train metrics *****\n  epoch                    =        3.0\n  total_flos               =  9500000GF\n"
        "  train_loss               =     0.4375\n  train_runtime            = 0:04:00.50\n  train_samples            =       1000\n",
        {"loss": [(1, 0.5)], "learning_rate": [(1, 2e-05)]}, 3, None,
    ),
    "huggingface/trl, DPOTrainer": (
        "{'loss': 0.6931, 'grad_norm': 1.5, 'learning_rate': 5e-07, 'rewards/chosen': 0.0125, 'rewards/accuracies': 0.5,"
        " 'logps/chosen': -250.5, 'epoch': 0.1}\n"
        "{'eval_loss': 0.625, 'eval_rewards/accuracies': 0.75, 'eval_runtime': 9.5, 'epoch': 0.1}",
        {"loss": [(0.1, 0.6931)], "learning_rate": [(0.1, 5e-07)], "val_loss": [(0.1, 0.625)]}, 0.1, None,
    ),
    "axolotl-ai-cloud/axolotl": (
        "[2026-01-01 12:00:00,001] [INFO] [axolotl.train.train:100] [PID:9] [RANK:0] Starting trainer...\n"
        "  1%|          | 1/100 [00:05<09:00,  5.5s/it]{'loss': 1.25, 'grad_norm': 1.5, 'learning_rate': 2e-05, 'memory/max_active"
        " (GiB)': 9.5, 'ppl': 3.5, 'epoch': 0.02}\n"
        "{'loss': 1.25, 'grad_norm': 1.5, 'learning_rate': 2e-05, 'memory/max_active (GiB)': 9.5, 'ppl': 3.5, 'epoch': 0.02}",
        {"loss": [(0.02, 1.25)], "learning_rate": [(0.02, 2e-05)], "perplexity": [(0.02, 3.5)]}, 0.02, None,
    ),
    "hiyouga/LLaMA-Factory": (
        "[INFO|2026-01-01 12:00:00] llamafactory.train.callbacks:143 >> {'loss': 1.2500, 'learning_rate': 4.9000e-05, 'epoch': 0.10,"
        " 'throughput': 950.5}\n"
        "{'loss': 1.25, 'grad_norm': 0.5, 'learning_rate': 4.9e-05, 'epoch': 0.1}\n"
        "{'eval_loss': 1.125, 'eval_runtime': 9.5, 'epoch': 1.0}\n"
        "***** eval metrics *****\n  epoch                   =        1.0\n  eval_loss               =     1.1250\n",
        {"loss": [(0.1, 1.25)], "learning_rate": [(0.1, 4.9e-05)], "val_loss": [(1, 1.125)]}, 1, None,
    ),
    "huggingface/transformers, Whisper fine-tuned": (
        "{'loss': 0.25, 'grad_norm': 4.5, 'learning_rate': 9.5e-06, 'epoch': 0.98}\n"
        "{'eval_loss': 0.3125, 'eval_wer': 35.25, 'eval_runtime': 95.5, 'epoch': 0.98}\n"
        " 20%|██        | 1000/5000 [1:00:00<4:00:00,  3.6s/it]",
        {"loss": [(0.98, 0.25)], "learning_rate": [(0.98, 9.5e-06)], "val_loss": [(0.98, 0.3125)], "val_wer": [(0.98, 35.25)]}, 0.98, None,
    ),
    "huggingface/diffusers, train_dreambooth_lora.py": (
        "01/01/2026 12:00:00 - INFO - __main__ - ***** Running training *****\n01/01/2026 12:00:00 - INFO - __main__ -   Num Epochs = 100\n"
        "Steps:  10%|█         | 50/500 [00:30<04:30,  1.6it/s, loss=0.125, lr=0.0001]\r"
        "Steps:  10%|█         | 51/500 [00:31<04:29,  1.6it/s, loss=0.25, lr=0.0001]",
        {}, None, None,
    ),
    "keras-team/keras-tuner": (
        "Search: Running Trial #2\n\nValue             |Best Value So Far |Hyperparameter\n32                |64                |units\n\n"
        "Epoch 1/2\n40/40 - 3s - 80ms/step - accuracy: 0.5 - loss: 1.5 - val_accuracy: 0.75 - val_loss: 1.25\n"
        "Epoch 2/2\n40/40 - 3s - 80ms/step - accuracy: 0.625 - loss: 1.0 - val_accuracy: 0.625 - val_loss: 1.125\n"
        "\nTrial 2 Complete [00h 00m 06s]\nval_accuracy: 0.75\n\nBest val_accuracy So Far: 0.875\nTotal elapsed time: 00h 00m 12s\n",
        {
            "accuracy": [(1, 0.5), (2, 0.625)],
            "loss": [(1, 1.5), (2, 1.0)],
            "val_accuracy": [(1, 0.75), (2, 0.625)],
            "val_loss": [(1, 1.25), (2, 1.125)],
        },
        2, 2,
    ),
    "ray-project/ray, rllib": (
        "Training started with configuration:\n\nTraining finished iteration 3 at 2026-01-01 12:00:00. Total running time: 1min 10s\n"
        "│ env_runners/episode_return_mean     45.5 │\n│ num_env_steps_sampled_lifetime     12000 │\n"
        "| PPO_CartPole-v1_0 | RUNNING | 127.0.0.1:9 |   3 |  9.5 | 12000 |  45.5 |",
        {}, None, None,
    ),
    "microsoft/Swin-Transformer": (
        "[2026-01-01 12:00:00 swin_tiny](main.py 244): INFO Train: [0/300][0/1251]\teta 10:00:00 lr 0.000001\t wd 0.0500\ttime 5.5"
        " (5.5)\tloss 7.0 (7.0)\tgrad_norm 2.5 (2.5)\tmem 9000MB\n"
        "[2026-01-01 12:10:00 swin_tiny](main.py 251): INFO EPOCH 0 training takes 0:10:00\n"
        "[2026-01-01 12:11:00 swin_tiny](main.py 180): INFO Accuracy of the network on the 50000 test images: 3.3%\n"
        "[2026-01-01 12:11:00 swin_tiny](main.py 182): INFO Max accuracy: 3.25%",
        {}, 0, None,
    ),
    "facebookresearch/dino": (
        "Epoch: [3/100]  [  10/1000]  eta: 0:10:00  loss: 10.500000 (10.750000)  lr: 0.000125 (0.000120)  time: 0.5  max mem: 9000\n"
        "Averaged stats: loss: 10.250000 (10.500000)  lr: 0.000125 (0.000122)",
        {}, 3, 100,
    ),
    "zylo117/Yet-Another-EfficientDet-Pytorch": (
        "Step: 99. Epoch: 1/500. Iteration: 100/100. Cls loss: 1.50000. Reg loss: 0.50000. Total loss: 2.00000: 100%|█| 100/100\n"
        "Val. Epoch: 1/500. Classification loss: 1.25000. Regression loss: 0.50000. Total loss: 1.75000",
        {"cls_loss": [(1, 1.5)], "reg_loss": [(1, 0.5)]}, 1, 500,
    ),
    "jaywalnut310/vits": (
        "INFO:ljs:Train Epoch: 1 [50%]\nINFO:ljs:[2.5, 3.5, 9.5, 22.5, 1.5, 5.5, 100, 0.0002]\nINFO:ljs:====> Epoch: 1", {}, 1, None,
    ),
    "RVC-Project/Retrieval-based-Voice-Conversion-WebUI": (
        "INFO:mi-test:Train Epoch: 2 [50%]\nINFO:mi-test:[100, 0.0001]\n"
        "INFO:mi-test:loss_disc=4.500, loss_gen=3.500, loss_fm=9.500,loss_mel=22.500, loss_kl=5.500\n"
        "INFO:mi-test:====> Epoch: 2 [2026-01-01 12:00:00] | (0:00:10.500000)",
        {}, 2, None,
    ),
    "junyanz/pytorch-CycleGAN-and-pix2pix": (
        "(epoch: 1, iters: 100, time: 0.250, data: 0.125) D_A: 0.5 G_A: 0.25 cycle_A: 1.5 idt_A: 0.5\n"
        "End of epoch 1 / 200 \t Time Taken: 60 sec\nlearning rate 0.0002000 -> 0.0001990\n"
        "(epoch: 2, iters: 100, time: 0.250, data: 0.125) D_A: 0.25 G_A: 0.5",
        {}, 2, None,
    ),
    "NVlabs/stylegan3": (
        "tick 1     kimg 4.0      time 1m 00s       sec/tick 60.5    sec/kimg 15.12   maintenance 5.0    cpumem 5.50   gpumem 30.50", {},
        None, None,
    ),
    "thu-ml/tianshou": (
        "Epoch #1:  50%|#####     | 5000/10000 [00:05<00:05, 950.5it/s, env_step=5000, len=200, loss=0.125, rew=25.50]\r"
        "Epoch #1: 10001it [00:10, 950.5it/s, env_step=10000, len=200, loss=0.125, rew=25.50]\n"
        "Epoch #1: test_reward: 45.500000 ± 5.500000, best_reward: 45.500000 ± 5.500000 in #1",
        {}, 1, None,
    ),
    "apache/mxnet": (
        "INFO:root:Epoch[0] Batch [0-100]\tSpeed: 950.50 samples/sec\taccuracy=0.25\n"
        "INFO:root:Epoch[0] Train-accuracy=0.5\nINFO:root:Epoch[0] Time cost=9.5\nINFO:root:Epoch[0] Validation-accuracy=0.625",
        {"accuracy": [(0, 0.5)], "val_accuracy": [(0, 0.625)]}, 0, None,
    ),
    "flairNLP/flair": (
        "2026-01-01 12:00:00,001 epoch 1 - iter 10/100 - loss 1.25 - time (sec): 1.50 - samples/sec: 95.50 - lr: 0.100000\n"
        "2026-01-01 12:00:30,001 EPOCH 1 done: loss 0.75 - lr: 0.100000\n"
        "2026-01-01 12:00:40,001 DEV : loss 0.5 - f1-score (micro avg)  0.75\n"
        "2026-01-01 12:00:41,001 saving best model",
        {}, 1, None,
    ),
    "dreamquark-ai/tabnet": (
        "epoch 0  | loss: 0.87500 | val_0_auc: 0.75    |  0:00:01s\nepoch 1  | loss: 0.62500 | val_0_auc: 0.8125  |  0:00:02s\n"
        "\nEarly stopping occurred at epoch 9 with best_epoch = 1 and best_val_0_auc = 0.8125",
        {"val_0_auc": [(0, 0.75), (1, 0.8125)]}, 1, None,
    ),
    "joeynmt/joeynmt": (
        "2026-01-01 12:00:00,001 - INFO - joeynmt.training - EPOCH 1\n"
        "2026-01-01 12:00:10,001 - INFO - joeynmt.training - Epoch   1, Step:      100, Batch Loss:     5.500000, Batch Acc: 0.050000,"
        " Tokens per Sec:     9000, Lr: 0.000200\n"
        "2026-01-01 12:05:00,001 - INFO - joeynmt.training - Epoch   1: total training loss 900.50",
        {}, 1, None,
    ),
    "allenai/allennlp": (
        "2026-01-01 12:00:00,001 - INFO - allennlp.training.gradient_descent_trainer - Epoch 0/39\n"
        "accuracy: 0.5, batch_loss: 0.75, loss: 0.875 ||: 100%|##########| 100/100 [00:10<00:00,  9.5it/s]\n"
        "accuracy: 0.625, batch_loss: 0.5, loss: 0.625 ||: 100%|##########| 10/10 [00:01<00:00,  9.5it/s]\n"
        "2026-01-01 12:00:12,001 - INFO - allennlp.training.callbacks.console_logger - accuracy           |     0.500  |     0.625",
        {}, 0, 39,
    ),
    "explosion/spaCy, train": (
        "ℹ Pipeline: ['tok2vec', 'ner']\nE    #       LOSS TOK2VEC  LOSS NER  ENTS_F  ENTS_P  ENTS_R  SCORE \n"
        "---  ------  ------------  --------  ------  ------  ------  ------\n  0     200         50.50    950.50   25.50   30.50  "
        " 20.50    0.25",
        {}, None, None,
    ),
    "skorch-dev/skorch": (
        "  epoch    train_loss    valid_acc    valid_loss     dur\n-------  ------------  -----------  ------------  ------\n"
        "      1        0.6875       0.5000        0.6750  0.0500",
        {}, None, None,
    ),
    "pytorch/torchtitan": (
        "[titan] 2026-01-01 12:00:00,001 - root - INFO - step: 10  loss:  7.5000  grad_norm:  1.5  memory:  9.50GiB(10.50%)  tps: 900  mfu:"
        " 9.75%",
        {}, None, None,
    ),
    "allenai/OLMo": (
        "2026-01-01 12:00:00.001\tgpu-1:0\tolmo.train:900\tINFO\t[step=10/1000,epoch=0]\n    train/CrossEntropyLoss=9.500\n"
        "    train/Perplexity=9,500\n    throughput/device/tokens_per_second=9,000",
        {}, 0, None,
    ),
    "Lightning-AI/pytorch-lightning, RichProgressBar": (
        "Epoch 0/9  ━━━━━━━━━━━━━━━━━━━━ 10/100 0:00:01 • 0:00:09 9.50it/s v_num: 0.000 train_loss: 9.500\r"
        "Epoch 0/9  ━━━━━━━━━━━━━━━━━━━━ 100/100 0:00:10 • 0:00:00 9.50it/s v_num: 0.000 train_loss: 0.500 val_loss: 0.375\n"
        "Epoch 1/9  ━━━━━━━━━━━━━━━━━━━━ 50/100 0:00:05 • 0:00:05 9.50it/s v_num: 0.000 train_loss: 0.450 val_loss: 0.375",
        {}, 1, 9,
    ),
    "NVIDIA-Omniverse/IsaacGymEnvs (rl_games)": (
        "fps step: 9000 fps step and policy inference: 8000 fps total: 7000 epoch: 5/500 frames: 65536\n"
        "=> saving checkpoint 'runs/Ant/nn/last_Ant_ep_5_rew_12.5.pth'",
        {}, 5, 500,
    ),
    "Unity-Technologies/ml-agents": (
        "[INFO] 3DBall. Step: 12000. Time Elapsed: 30.500 s. Mean Reward: 1.250. Std of Reward: 0.750. Training.", {}, None, None,
    ),
    "optuna/optuna": (
        "[I 2026-01-01 12:00:00,001] Trial 0 finished with value: 0.75 and parameters: {'lr': 0.001}. Best is trial 0 with value: 0.75.",
        {}, None, None,
    ),
    "scikit-learn/scikit-learn, GradientBoostingClassifier": (
        "      Iter       Train Loss   Remaining Time \n         1           1.2500            9.50s\n         2           1.1250      "
        "      9.00s",
        {}, None, None,
    ),
    "AI-Hypercomputer/maxtext": (
        "completed step: 5, seconds: 1.500, TFLOP/s/device: 95.500, Tokens/s/device: 9000.500, total_weights: 65536, loss: 9.750\n"
        "eval metrics after step: 5, loss=9.500, total_weights=65536.0",
        {}, None, None,
    ),
    "graphdeco-inria/gaussian-splatting": (
        "Training progress:  23%|██▎       | 7000/30000 [05:00<15:00, 25.50it/s, Loss=0.0512345]\n"
        "\n[ITER 7000] Evaluating test: L1 0.05 PSNR 25.5 [01/01 12:00:00]",
        {}, None, None,
    ),
}


@pytest.mark.parametrize(("text", "curves", "epoch", "epochs"), TRAINERS.values(), ids=TRAINERS)
def test_a_trainer_s_log(text, curves, epoch, epochs):
    check_log(text, curves, epoch, epochs)
