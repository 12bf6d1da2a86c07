#!/usr/bin/env python3
"""Trains the texture classifier and exports it with its BatchNormalization nodes.

    python train_classifier.py ../../data/sample/classifier.onnx
"""
import argparse
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import evaluate
import render
from models import Classifier, InvertedResidual


def training_set(n):
    """Square 72 px crops of short-side-72 pictures; training takes 64 px out of them."""
    xs, ys = np.empty((n, 72, 72, 3), np.uint8), np.empty(n, np.int64)
    for i in range(n):
        img, ys[i] = render.patch("train", i)
        xs[i] = evaluate.center_crop(evaluate.short_side(img, 72), 72)
    return torch.from_numpy(xs), torch.from_numpy(ys)


def batch(xs, ids, g, mean, std):
    y, x = torch.randint(0, 9, (2,), generator=g).tolist()
    b = xs[ids, y:y + 64, x:x + 64].permute(0, 3, 1, 2).float().div(255).sub(mean).div(std)
    if torch.rand(1, generator=g) < .5:
        b = b.flip(3)
    if torch.rand(1, generator=g) < .5:
        b = b.flip(2)
    return b.contiguous()


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("out")
    ap.add_argument("--images", type=int, default=5000)
    ap.add_argument("--epochs", type=int, default=16)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--lr", type=float, default=0.2)
    ap.add_argument("--weight-decay", type=float, default=3e-4)
    ap.add_argument("--spread", type=float, default=1.0,
                    help="log-normal sigma of the first BN scales of a block (0: all start at 1)")
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    g = torch.Generator().manual_seed(a.seed)
    t0 = time.time()
    xs, ys = training_set(a.images)
    print("rendered %d images, %.0f s" % (a.images, time.time() - t0), flush=True)

    net = Classifier(len(render.TEXTURES))
    # Networks trained for weeks end up with BN scales that differ by orders of
    # magnitude between channels; the depthwise filters behind quiet channels
    # grow to make up for it. Starting the scales apart reaches the same state
    # in minutes (README, "How the loss arises").
    for m in net.modules():
        if isinstance(m, InvertedResidual) and len(m.body) == 8:
            bn = m.body[1]
            bn.weight.data = torch.exp(torch.randn(bn.weight.shape, generator=g) * a.spread).clamp(.02, 1.5)
    decay, free = [], []
    for m in net.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            # As usual for MobileNets, depthwise filters are not decayed.
            (free if getattr(m, "groups", 1) > 1 else decay).append(m.weight)
            if m.bias is not None:
                free.append(m.bias)
        elif isinstance(m, nn.BatchNorm2d):
            free += [m.weight, m.bias]
    opt = torch.optim.SGD([{"params": decay, "weight_decay": a.weight_decay},
                           {"params": free, "weight_decay": 0.0}], lr=a.lr, momentum=.9, nesterov=True)
    steps = a.epochs * (a.images // a.batch)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, a.lr, total_steps=steps, pct_start=.15, div_factor=10)
    mean = torch.tensor(evaluate.MEAN).view(1, 3, 1, 1)
    std = torch.tensor(evaluate.STD).view(1, 3, 1, 1)
    for epoch in range(a.epochs):
        net.train()
        order = torch.randperm(a.images, generator=g)
        loss_sum = right = seen = 0
        for k in range(0, a.images - a.batch + 1, a.batch):
            ids = order[k:k + a.batch]
            out = net(batch(xs, ids, g, mean, std))
            loss = F.cross_entropy(out, ys[ids], label_smoothing=.05)
            opt.zero_grad()
            loss.backward()
            opt.step()
            sched.step()
            loss_sum += loss.item()
            right += (out.argmax(1) == ys[ids]).sum().item()
            seen += a.batch
        print("epoch %2d loss %.3f train top-1 %.3f  %.0f s"
              % (epoch, loss_sum * a.batch / seen, right / seen, time.time() - t0), flush=True)

    net.eval()
    # PRESERVE keeps the exporter from folding BatchNormalization into the convolutions.
    torch.onnx.export(net, torch.zeros(1, 3, 64, 64), a.out, opset_version=13,
                      input_names=["input"], output_names=["output"],
                      dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
                      training=torch.onnx.TrainingMode.PRESERVE)


if __name__ == "__main__":
    main()
