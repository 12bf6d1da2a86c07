#!/usr/bin/env python3
"""Measures a sample model with ONNX Runtime, in plain numpy: the reference numbers.

    python evaluate.py classifier ../../data/sample/classifier.onnx
    python evaluate.py detector   ../../data/sample/detector.onnx
"""
import argparse
import json
import os

import numpy as np
from PIL import Image

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "data", "sample")
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


# ------------------------------------------------------------ preprocessing
def resize(img, w, h):
    """Bilinear, half-pixel centres, two taps per axis (no antialiasing).

    This is what common C and C++ image code does. Values are rounded back to
    bytes, because the resized picture is a picture again.
    """
    ih, iw = img.shape[:2]
    if (iw, ih) == (w, h):
        return img

    def taps(n_in, n_out):
        x = (np.arange(n_out) + .5) * (n_in / n_out) - .5
        x = np.clip(x, 0, n_in - 1)
        i = np.minimum(x.astype(int), max(n_in - 2, 0))
        return i, np.minimum(i + 1, n_in - 1), (x - i).astype(np.float32)

    src = img.astype(np.float32)
    a, b, t = taps(ih, h)
    src = src[a] * (1 - t)[:, None, None] + src[b] * t[:, None, None]
    a, b, t = taps(iw, w)
    src = src[:, a] * (1 - t)[None, :, None] + src[:, b] * t[None, :, None]
    return np.floor(src + .5).clip(0, 255).astype(np.uint8)


def letterbox(img, size, pad=114):
    """Fits the picture into size x size. Returns (picture, ratio, left, top)."""
    h, w = img.shape[:2]
    r = min(size / h, size / w)
    nw, nh = int(round(w * r)), int(round(h * r))
    left, top = (size - nw) // 2, (size - nh) // 2
    out = np.full((size, size, 3), pad, np.uint8)
    out[top:top + nh, left:left + nw] = resize(img, nw, nh)
    return out, r, left, top


def short_side(img, n):
    h, w = img.shape[:2]
    if w <= h:
        return resize(img, n, int(h * n / w))
    return resize(img, int(w * n / h), n)


def center_crop(img, n):
    h, w = img.shape[:2]
    y, x = int(round((h - n) / 2)), int(round((w - n) / 2))
    return img[y:y + n, x:x + n]


def detector_input(img, size):
    out, r, left, top = letterbox(img, size)
    return out.transpose(2, 0, 1)[None].astype(np.float32) / 255, (r, left, top)


def classifier_input(img, short=72, crop=64):
    x = center_crop(short_side(img, short), crop).astype(np.float32) / 255
    return ((x - MEAN) / STD).transpose(2, 0, 1)[None].astype(np.float32)


def load(path):
    return np.asarray(Image.open(path).convert("RGB"))


def image_files(folder):
    return [os.path.join(folder, f) for f in sorted(os.listdir(folder))]


# ---------------------------------------------------------------- detection
def iou_matrix(a, b):
    """IoU of boxes x1 y1 x2 y2."""
    lt = np.maximum(a[:, None, :2], b[None, :, :2])
    rb = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.clip(rb - lt, 0, None).prod(2)
    area = lambda q: np.clip(q[:, 2:] - q[:, :2], 0, None).prod(1)
    return inter / np.maximum(area(a)[:, None] + area(b)[None] - inter, 1e-9)


def decode(out, conf=0.001, iou=0.7, max_det=300, multi_label=True):
    """YOLOv8 output [4+nc, N] -> boxes x1 y1 x2 y2, scores, classes after per-class NMS."""
    boxes, scores = out[:4].T, out[4:].T
    if multi_label:
        i, c = np.nonzero(scores > conf)
    else:
        c = scores.argmax(1)
        i = np.nonzero(scores[np.arange(len(c)), c] > conf)[0]
        c = c[i]
    s = scores[i, c]
    xyxy = np.concatenate([boxes[i, :2] - boxes[i, 2:] / 2, boxes[i, :2] + boxes[i, 2:] / 2], 1)
    order = np.argsort(-s, kind="stable")[:3000]
    xyxy, s, c = xyxy[order], s[order], c[order]
    keep = np.ones(len(s), bool)
    for k in np.unique(c):
        idx = np.nonzero(c == k)[0]
        m = iou_matrix(xyxy[idx], xyxy[idx]) > iou
        for j in range(len(idx)):
            if keep[idx[j]]:
                keep[idx[j + 1:][m[j, j + 1:]]] = False
    return xyxy[keep][:max_det], s[keep][:max_det], c[keep][:max_det]


def coco_map(detections, coco, max_det=100):
    """detections: {image_id: (xyxy, scores, category_ids)}. Returns (mAP50, mAP50-95).

    101-point interpolation over ten IoU thresholds, all areas, as in the COCO
    evaluation. The sample has no crowd regions, so none are handled.
    """
    thresholds = np.linspace(.5, .95, 10)
    truth = {}
    for a in coco["annotations"]:
        x, y, w, h = a["bbox"]
        truth.setdefault((a["image_id"], a["category_id"]), []).append([x, y, x + w, y + h])
    result = []
    for cat in (c["id"] for c in coco["categories"]):
        scores, hits, total = [], [], 0
        for im in coco["images"]:
            gt = np.array(truth.get((im["id"], cat), []), float).reshape(-1, 4)
            total += len(gt)
            b, s, c = detections[im["id"]]
            b, s = b[c == cat], s[c == cat]
            order = np.argsort(-s, kind="stable")[:max_det]
            b, s = b[order], s[order]
            hit = np.zeros((10, len(s)), bool)
            if len(gt) and len(s):
                m = iou_matrix(b.astype(float), gt)
                for t, thr in enumerate(thresholds):
                    free = np.ones(len(gt), bool)
                    for d in range(len(s)):
                        q = np.where(free, m[d], -1)
                        j = int(q.argmax())
                        if q[j] >= min(thr, 1 - 1e-10):
                            free[j] = False
                            hit[t, d] = True
            scores.append(s)
            hits.append(hit)
        if total == 0:
            continue
        s, hit = np.concatenate(scores), np.concatenate(hits, 1)
        hit = hit[:, np.argsort(-s, kind="stable")]
        aps = []
        for t in range(10):
            tp, fp = np.cumsum(hit[t]), np.cumsum(~hit[t])
            recall = tp / total
            precision = np.maximum.accumulate((tp / np.maximum(tp + fp, 1e-9))[::-1])[::-1]
            at = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
            aps.append(np.append(precision, 0)[np.minimum(at, len(precision))].mean())
        result.append(aps)
    ap = np.array(result)
    return float(ap[:, 0].mean()), float(ap.mean())


# ---------------------------------------------------------------- measuring
def eval_classifier(run, root=DATA):
    """run: input array -> logits. Returns top-1."""
    right = total = 0
    with open(os.path.join(root, "eval/classifier/labels.txt")) as f:
        for line in f:
            name, cls = line.split()
            x = classifier_input(load(os.path.join(root, "eval/classifier/images", name)))
            right += int(run(x)[0].argmax() == int(cls))
            total += 1
    return right / total


def eval_detector(run, root=DATA, size=192, **decoding):
    """run: input array -> [1, 4+nc, N]. Returns (mAP50, mAP50-95)."""
    with open(os.path.join(root, "eval/detector/instances.json")) as f:
        coco = json.load(f)
    found = {}
    for im in coco["images"]:
        x, (r, left, top) = detector_input(load(os.path.join(root, "eval/detector/images", im["file_name"])), size)
        b, s, c = decode(run(x)[0], **decoding)
        b = (b - np.array([left, top, left, top])) / r
        b[:, 0::2] = b[:, 0::2].clip(0, im["width"])
        b[:, 1::2] = b[:, 1::2].clip(0, im["height"])
        found[im["id"]] = (b, s, c + 1)
    return coco_map(found, coco)


def session(model):
    import onnxruntime as ort
    so = ort.SessionOptions()
    so.intra_op_num_threads = 1
    s = ort.InferenceSession(model, so, providers=["CPUExecutionProvider"])
    name = s.get_inputs()[0].name
    return lambda x: s.run(None, {name: x})[0]


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("task", choices=("classifier", "detector"))
    ap.add_argument("model")
    ap.add_argument("--data", default=DATA)
    ap.add_argument("--best-class", action="store_true", help="one class per box instead of all above the threshold")
    a = ap.parse_args()
    if a.task == "classifier":
        print("top-1 %.4f" % eval_classifier(session(a.model), a.data))
    else:
        print("mAP50 %.4f  mAP50-95 %.4f" % eval_detector(session(a.model), a.data, multi_label=not a.best_class))


if __name__ == "__main__":
    main()
