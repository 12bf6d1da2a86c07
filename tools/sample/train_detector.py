#!/usr/bin/env python3
"""Trains the shape detector and exports it the way real exports look (BN folded, SiLU as Sigmoid+Mul).

    python train_detector.py ../../data/sample/detector.onnx

Loss and assignment follow the published recipes: task-aligned assignment
(TOOD), binary cross-entropy on soft class targets, complete-IoU and
distribution focal loss (GFL) on the boxes.
"""
import argparse
import copy
import math
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import evaluate
import render
from models import REG_MAX, Detector


def training_set(n, size):
    xs, boxes = np.empty((n, 3, size, size), np.uint8), []
    for i in range(n):
        img, found = render.scene("train", i)
        out, r, left, top = evaluate.letterbox(img, size)
        xs[i] = out.transpose(2, 0, 1)
        b = np.array([[c, x * r + left, y * r + top, (x + w) * r + left, (y + h) * r + top]
                      for c, x, y, w, h, _ in found], np.float32).reshape(-1, 5)
        boxes.append(torch.from_numpy(b))
    return torch.from_numpy(xs), boxes


def flip(x, boxes, size, g):
    """Mirrors and transposes a batch: eight views of every picture."""
    for axis in (0, 1):
        if torch.rand(1, generator=g) < .5:
            x = x.flip(3 - axis)
            boxes = [torch.stack([b[:, 0]] + [(size - b[:, 1 + (k + 2) % 4]) if k % 2 == axis else b[:, 1 + k]
                                              for k in range(4)], 1) for b in boxes]
    if torch.rand(1, generator=g) < .5:
        x = x.transpose(2, 3)
        boxes = [b[:, [0, 2, 1, 4, 3]] for b in boxes]
    return x, boxes


def iou_pairs(a, b, complete=False):
    """Elementwise IoU of broadcastable boxes x1 y1 x2 y2, or complete IoU."""
    wh = (torch.min(a[..., 2:], b[..., 2:]) - torch.max(a[..., :2], b[..., :2])).clamp(min=0)
    inter = wh[..., 0] * wh[..., 1]
    wa, ha = a[..., 2] - a[..., 0], a[..., 3] - a[..., 1]
    wb, hb = b[..., 2] - b[..., 0], b[..., 3] - b[..., 1]
    iou = inter / (wa * ha + wb * hb - inter + 1e-7)
    if not complete:
        return iou
    hull = torch.max(a[..., 2:], b[..., 2:]) - torch.min(a[..., :2], b[..., :2])
    diag = (hull ** 2).sum(-1) + 1e-7
    dist = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) ** 2).sum(-1) / 4
    v = (4 / math.pi ** 2) * (torch.atan(wb / (hb + 1e-7)) - torch.atan(wa / (ha + 1e-7))) ** 2
    with torch.no_grad():
        alpha = v / (v - iou + 1 + 1e-7)
    return iou - dist / diag - alpha * v


@torch.no_grad()
def assign(gt, scores, boxes, centers, topk=8):
    """For one picture: which anchor learns which object, and how sure it should be.

    gt [M,5], scores [N,nc], boxes [N,4], centers [N,2], all in pixels.
    Returns (positive anchor indices, their object index, their soft target).
    """
    xy = gt[:, None, 1:]
    inside = torch.cat([centers[None] - xy[..., :2], xy[..., 2:] - centers[None]], 2).amin(2) > 0   # M,N
    iou = iou_pairs(xy, boxes[None]).clamp(min=0) * inside
    align = scores[:, gt[:, 0].long()].T.sqrt() * iou ** 6
    val, idx = align.topk(topk, 1)
    mask = torch.zeros_like(inside)
    mask.scatter_(1, idx, val > 0)
    # An anchor wanted by two objects goes to the one that it covers better.
    best = iou.argmax(0)
    several = mask.sum(0) > 1
    mask[:, several] = False
    mask[best[several], several] = True
    obj, anchor = mask.nonzero(as_tuple=True)
    al = align * mask
    norm = (iou * mask).amax(1) / al.amax(1).clamp(min=1e-9)
    return anchor, obj, (al * norm[:, None])[obj, anchor]


def loss_of(net, x, boxes):
    logits, cls = net.raw(x)
    d = net.distances(logits)
    pts, st = net.points, net.point_stride
    pred = (torch.cat([pts - d[:, :2], pts + d[:, 2:]], 1) * st).transpose(1, 2)     # B,N,4 pixels
    centers = (pts * st)[0].T
    prob = cls.detach().sigmoid().transpose(1, 2)
    target = torch.zeros_like(prob)
    b_i, a_i, truth, weight = [], [], [], []
    for i, gt in enumerate(boxes):
        if len(gt) == 0:
            continue
        anchor, obj, soft = assign(gt, prob[i], pred[i].detach(), centers)
        target[i, anchor, gt[obj, 0].long()] = soft
        b_i.append(torch.full_like(anchor, i))
        a_i.append(anchor)
        truth.append(gt[obj, 1:])
        weight.append(soft)
    total = target.sum().clamp(min=1)
    l_cls = F.binary_cross_entropy_with_logits(cls.transpose(1, 2), target, reduction="sum") / total
    b_i, a_i, truth, weight = torch.cat(b_i), torch.cat(a_i), torch.cat(truth), torch.cat(weight)
    l_box = ((1 - iou_pairs(pred[b_i, a_i], truth, complete=True)) * weight).sum() / total
    s, c = st[0, 0, a_i, None], centers[a_i]
    ltrb = (torch.cat([c - truth[:, :2], truth[:, 2:] - c], 1) / s).clamp(0, REG_MAX - 1.01)
    lo = ltrb.long()
    lp = logits.reshape(len(boxes), 4, REG_MAX, -1)[b_i, :, :, a_i].log_softmax(2)   # P,4,16
    right = ltrb - lo
    l_dfl = -(lp.gather(2, lo[..., None])[..., 0] * (1 - right)
              + lp.gather(2, lo[..., None] + 1)[..., 0] * right).mean(1)
    l_dfl = (l_dfl * weight).sum() / total
    return .5 * l_cls + 7.5 * l_box + 1.5 * l_dfl, (l_cls.item(), l_box.item(), l_dfl.item())


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("out")
    ap.add_argument("--images", type=int, default=4000)
    ap.add_argument("--epochs", type=int, default=5)
    ap.add_argument("--batch", type=int, default=16)
    ap.add_argument("--lr", type=float, default=4e-3)
    ap.add_argument("--size", type=int, default=192)
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    g = torch.Generator().manual_seed(a.seed)
    t0 = time.time()
    xs, boxes = training_set(a.images, a.size)
    print("rendered %d images, %.0f s" % (a.images, time.time() - t0), flush=True)
    net = Detector(len(render.SHAPES), a.size)
    print("%d parameters" % sum(p.numel() for p in net.parameters()), flush=True)
    decay = [p for p in net.parameters() if p.requires_grad and p.ndim > 1]
    free = [p for p in net.parameters() if p.requires_grad and p.ndim <= 1]
    opt = torch.optim.AdamW([{"params": decay, "weight_decay": .02}, {"params": free, "weight_decay": 0.0}], lr=a.lr)
    steps = a.epochs * (a.images // a.batch)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, a.lr, total_steps=steps, pct_start=.1, div_factor=20)
    ema = copy.deepcopy(net).eval()
    step = 0
    for epoch in range(a.epochs):
        net.train()
        order = torch.randperm(a.images, generator=g).tolist()
        sums, seen = np.zeros(3), 0
        for k in range(0, a.images - a.batch + 1, a.batch):
            ids = order[k:k + a.batch]
            x, b = flip(xs[ids].float().div(255), [boxes[i] for i in ids], a.size, g)
            loss, parts = loss_of(net, x.contiguous(), b)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 10.0)
            opt.step()
            sched.step()
            step += 1
            # The running mean of the weights is what ships; early on it must follow fast.
            keep = .998 * (1 - math.exp(-step / 200))
            with torch.no_grad():
                for p, q in zip(ema.state_dict().values(), net.state_dict().values()):
                    p.copy_(p * keep + q * (1 - keep)) if p.is_floating_point() else p.copy_(q)
            sums += parts
            seen += 1
        print("epoch %2d cls %.3f box %.3f dfl %.3f  %.0f s" % (epoch, *(sums / seen), time.time() - t0), flush=True)
        export(ema, a.out, a.size)


def export(net, path, size):
    # Evaluation mode folds BatchNormalization, as detector exports usually do.
    torch.onnx.export(net, torch.zeros(1, 3, size, size), path, opset_version=13,
                      input_names=["images"], output_names=["output0"])


if __name__ == "__main__":
    main()
