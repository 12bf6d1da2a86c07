#!/usr/bin/env python3
"""Renders the images of the bundled sample: shape scenes and texture patches.

Every picture is a pure function of (split, index), so the training images
never have to be stored and the shipped ones can be made again byte for byte
(with the same Pillow version, which decides the JPEG bytes).

    python render.py ../../data/sample        # writes calib/ and eval/
"""
import argparse
import json
import math
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SHAPES = ["circle", "square", "triangle", "star", "ring"]
TEXTURES = ["stripes", "checker", "dots", "rings", "zigzag",
            "bricks", "grid", "waves", "honeycomb", "crosses"]
SPLITS = {"train": 0, "calib": 1, "eval": 2}
N_CALIB, N_EVAL = 64, 200
SUPERSAMPLE = 3


def _rng(kind, split, index, seed=2024):
    return np.random.default_rng([seed, kind, SPLITS[split], index])


# ---------------------------------------------------------------- backgrounds
def _smooth_noise(rng, w, h, cells):
    """Low-frequency noise in 0..1: a coarse random grid, enlarged smoothly."""
    grid = rng.integers(0, 256, (cells, cells), dtype=np.uint8)
    img = Image.fromarray(grid).resize((w, h), Image.BICUBIC)
    return np.asarray(img, np.float32) / 255.0


def _gradient(rng, w, h):
    """A linear ramp 0..1 at a random angle."""
    a = rng.uniform(0, 2 * math.pi)
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    t = xx * math.cos(a) + yy * math.sin(a)
    return (t - t.min()) / max(float(t.max() - t.min()), 1e-6)


def _color(rng):
    return rng.uniform(0, 255, 3).astype(np.float32)


def _two_colors(rng, min_distance):
    while True:
        a, b = _color(rng), _color(rng)
        if np.abs(a - b).sum() >= min_distance:
            return a, b


def _mix(t, a, b):
    t = t[..., None]
    return a * (1 - t) + b * t


def _background(rng, w, h):
    img = _mix(_gradient(rng, w, h), _color(rng), _color(rng))
    kind = rng.integers(0, 4)
    if kind == 1:
        img += (_smooth_noise(rng, w, h, int(rng.integers(3, 9)))[..., None] - .5) * rng.uniform(40, 140)
    elif kind == 2:
        period = rng.uniform(6, 30)
        a = rng.uniform(0, math.pi)
        yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
        wave = np.sin((xx * math.cos(a) + yy * math.sin(a)) * 2 * math.pi / period)
        img += wave[..., None] * rng.uniform(8, 30)
    elif kind == 3:
        img = _mix(_smooth_noise(rng, w, h, int(rng.integers(4, 20))), _color(rng), _color(rng))
    return img


# -------------------------------------------------------------- shape scenes
def _polygon(shape, r, angle, cx, cy):
    if shape == "square":
        radii, n, a0 = [1.0], 4, math.pi / 4
    elif shape == "triangle":
        radii, n, a0 = [1.0], 3, math.pi / 2
    else:  # star
        radii, n, a0 = [1.0, 0.45], 10, math.pi / 2
    pts = []
    for k in range(n):
        a = angle + a0 + 2 * math.pi * k / n
        q = r * radii[k % len(radii)]
        pts.append((cx + q * math.cos(a), cy + q * math.sin(a)))
    return pts


def _shape_mask(shape, w, h, cx, cy, r, angle, ring_hole):
    """Coverage 0..1 of one shape, drawn enlarged so that edges are smooth."""
    s = SUPERSAMPLE
    out = np.zeros((h, w), np.float32)
    # Only the part of the canvas that the shape can touch is drawn.
    x0, x1 = max(int(cx - r) - 1, 0), min(int(cx + r) + 2, w)
    y0, y1 = max(int(cy - r) - 1, 0), min(int(cy + r) + 2, h)
    img = Image.new("L", ((x1 - x0) * s, (y1 - y0) * s), 0)
    d = ImageDraw.Draw(img)
    x, y, q = (cx - x0) * s, (cy - y0) * s, r * s
    if shape in ("circle", "ring"):
        d.ellipse([x - q, y - q, x + q, y + q], fill=255)
        if shape == "ring":
            k = q * ring_hole
            d.ellipse([x - k, y - k, x + k, y + k], fill=0)
    else:
        d.polygon(_polygon(shape, q, angle, x, y), fill=255)
    out[y0:y1, x0:x1] = np.asarray(img.resize((x1 - x0, y1 - y0), Image.BOX), np.float32) / 255.0
    return out


def _fill(rng, w, h, avoid):
    """Colours of one object: flat, shaded, striped or mottled.

    A minimum distance to the local background keeps an object visible; it is
    small on purpose, so that some objects stay hard to find.
    """
    while True:
        base = _color(rng)
        if np.abs(base - avoid).sum() > 75:
            break
    kind = rng.integers(0, 4)
    if kind == 0:
        return np.broadcast_to(base, (h, w, 3))
    other = np.clip(base + rng.uniform(-90, 90, 3), 0, 255)
    if kind == 1:
        return _mix(_gradient(rng, w, h), base, other)
    if kind == 2:
        period, a = rng.uniform(5, 16), rng.uniform(0, math.pi)
        yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
        wave = np.sin((xx * math.cos(a) + yy * math.sin(a)) * 2 * math.pi / period)
        return _mix((wave > 0).astype(np.float32), base, other)
    return _mix(_smooth_noise(rng, w, h, 12), base, other)


def _clutter(rng, img, w, h):
    """Unlabelled lines and crosses, so that edges alone do not mean 'object'."""
    pil = Image.fromarray(np.clip(img, 0, 255).astype(np.uint8))
    d = ImageDraw.Draw(pil)
    for _ in range(int(rng.integers(0, 7))):
        c = tuple(int(v) for v in _color(rng))
        x, y = rng.uniform(0, w), rng.uniform(0, h)
        a, length = rng.uniform(0, 2 * math.pi), rng.uniform(8, 60)
        dx, dy = math.cos(a) * length / 2, math.sin(a) * length / 2
        width = int(rng.integers(1, 6))
        d.line([x - dx, y - dy, x + dx, y + dy], fill=c, width=width)
        if rng.random() < 0.5:
            d.line([x + dy, y - dx, x - dy, y + dx], fill=c, width=width)
    return np.asarray(pil, np.float32)


def scene(split, index):
    """One detection image. Returns (uint8 HxWx3, list of (class, x, y, w, h, area)).

    Boxes enclose the visible part of an object; mostly hidden ones are not
    labelled, as in hand-made ground truth.
    """
    rng = _rng(1, split, index)
    w, h = int(rng.integers(160, 257)), int(rng.integers(160, 257))
    img = _clutter(rng, _background(rng, w, h), w, h)
    owner = np.full((h, w), -1, np.int32)
    full = []
    for k in range(int(rng.integers(1, 8))):
        cls = int(rng.integers(0, len(SHAPES)))
        r = math.exp(rng.uniform(math.log(7), math.log(60)))
        cx, cy = rng.uniform(0, w), rng.uniform(0, h)
        mask = _shape_mask(SHAPES[cls], w, h, cx, cy, r, rng.uniform(0, 2 * math.pi),
                           rng.uniform(0.5, 0.75))
        solid = mask > 0.5
        if not solid.any():
            full.append((cls, 0))
            continue
        fill = _fill(rng, w, h, img[solid].mean(0))
        alpha = mask[..., None] * rng.uniform(0.8, 1.0)
        img = img * (1 - alpha) + fill * alpha
        owner[solid] = k
        # The hidden share counts what lies outside the picture as well.
        area = {"circle": math.pi, "square": 2.0, "triangle": 1.299,
                "star": 5 * 0.45 * math.sin(math.pi / 5)}.get(SHAPES[cls])
        if area is None:
            area = float(solid.sum()) / (r * r)
        full.append((cls, area * r * r))
    if rng.random() < 0.5:
        img = img + rng.normal(0, rng.uniform(2, 14), img.shape)
    out = Image.fromarray(np.clip(img, 0, 255).astype(np.uint8))
    if rng.random() < 0.35:
        out = out.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.4, 1.2))))
    boxes = []
    for k, (cls, area) in enumerate(full):
        ys, xs = np.nonzero(owner == k)
        if area == 0 or len(xs) < 40 or len(xs) < 0.4 * area:
            continue
        x0, y0, x1, y1 = int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1
        boxes.append((cls, x0, y0, x1 - x0, y1 - y0, len(xs)))
    return np.asarray(out), boxes


# ----------------------------------------------------------- texture patches
def _texture(name, u, v, rng):
    """Pattern value 0..1 at pattern coordinates (one period is 1)."""
    fu, fv = u - np.floor(u) - .5, v - np.floor(v) - .5
    if name == "stripes":
        return (np.sin(2 * math.pi * u) > rng.uniform(-.4, .4)).astype(np.float32)
    if name == "checker":
        return (np.sign(fu) * np.sign(fv) > 0).astype(np.float32)
    if name == "dots":
        return (fu ** 2 + fv ** 2 < rng.uniform(.22, .36) ** 2).astype(np.float32)
    if name == "rings":
        return (np.sin(2 * math.pi * np.hypot(u, v)) > rng.uniform(-.4, .4)).astype(np.float32)
    if name == "zigzag":
        tri = np.abs((u * .6) % 1.0 - .5) * 2
        return (np.sin(2 * math.pi * (v + tri * rng.uniform(.7, 1.1))) > 0).astype(np.float32)
    if name == "waves":
        amp = rng.uniform(.3, .5)
        return (np.sin(2 * math.pi * (v + amp * np.sin(2 * math.pi * u * .6))) > 0).astype(np.float32)
    if name == "bricks":
        row = np.floor(v)
        fx = (u * .55 + row * .5) % 1.0
        t = rng.uniform(.07, .14)
        return ((fv + .5 < t) | (fx < t * .55)).astype(np.float32)
    if name == "grid":
        t = rng.uniform(.08, .18)
        return ((np.abs(fu) < t) | (np.abs(fv) < t)).astype(np.float32)
    if name == "crosses":
        t, arm = rng.uniform(.08, .13), rng.uniform(.3, .4)
        au, av = np.abs(fu), np.abs(fv)
        return (((au < t) & (av < arm)) | ((av < t) & (au < arm))).astype(np.float32)
    # honeycomb: the wall is where the two nearest lattice points are equally far
    best = np.full(u.shape, 1e9, np.float32)
    second = best.copy()
    sy = math.sqrt(3)
    for ox, oy in ((0, 0), (.5, .5)):
        for di in (0, 1):
            for dj in (0, 1):
                px = np.floor(u - ox) + di + ox
                py = (np.floor(v / sy - oy) + dj + oy) * sy
                d = np.hypot(u - px, v - py)
                second = np.minimum(second, np.maximum(d, best))
                best = np.minimum(best, d)
    return (second - best < rng.uniform(.1, .2)).astype(np.float32)


def patch(split, index):
    """One classification image. Returns (uint8 HxWx3, class)."""
    rng = _rng(2, split, index)
    cls = int(rng.integers(0, len(TEXTURES)))
    w, h = int(rng.integers(72, 113)), int(rng.integers(72, 113))
    s = 2
    yy, xx = np.mgrid[0:h * s, 0:w * s].astype(np.float32) / s
    x, y = xx - w * rng.uniform(.3, .7), yy - h * rng.uniform(.3, .7)
    # A view from the side: the scale changes across the picture.
    persp = 1 + (x * rng.uniform(-.004, .004) + y * rng.uniform(-.004, .004))
    a, shear = rng.uniform(0, 2 * math.pi), rng.uniform(-.25, .25)
    period = math.exp(rng.uniform(math.log(8), math.log(24)))
    u = (x * math.cos(a) + y * math.sin(a)) * persp
    v = (-x * math.sin(a) + y * math.cos(a)) * persp + shear * u
    bend = rng.uniform(0, 2.5)
    u2 = u + bend * np.sin(v / rng.uniform(12, 30) + rng.uniform(0, 6))
    v = v + bend * np.sin(u / rng.uniform(12, 30) + rng.uniform(0, 6))
    t = _texture(TEXTURES[cls], u2 / period, v / period, rng)
    t = t.reshape(h, s, w, s).mean((1, 3))
    if rng.random() < .5:
        t = 1 - t
    a, b = _two_colors(rng, 90)
    img = _mix(t, a, b)
    img += (_smooth_noise(rng, w, h, 4)[..., None] - .5) * rng.uniform(0, 140)
    img *= (1 + (_gradient(rng, w, h)[..., None] - .5) * rng.uniform(0, 1.2))
    img = _clutter(rng, img, w, h)
    img = img + rng.normal(0, rng.uniform(2, 24), img.shape)
    out = Image.fromarray(np.clip(img, 0, 255).astype(np.uint8))
    if rng.random() < .5:
        out = out.filter(ImageFilter.GaussianBlur(float(rng.uniform(.4, 1.7))))
    return np.asarray(out), cls


# ------------------------------------------------------------------- writing
def _save(img, path, quality):
    Image.fromarray(img).save(path, quality=quality, optimize=True)


def write_all(root):
    for d in ("calib/detector", "calib/classifier", "eval/detector/images", "eval/classifier/images"):
        os.makedirs(os.path.join(root, d), exist_ok=True)
    for i in range(N_CALIB):
        _save(scene("calib", i)[0], os.path.join(root, "calib/detector/%03d.jpg" % i), 88)
        _save(patch("calib", i)[0], os.path.join(root, "calib/classifier/%03d.jpg" % i), 90)
    coco = {"info": {"description": "rendered shape scenes"},
            "images": [], "annotations": [],
            "categories": [{"id": k + 1, "name": n, "supercategory": "shape"} for k, n in enumerate(SHAPES)]}
    labels = []
    for i in range(N_EVAL):
        img, boxes = scene("eval", i)
        name = "%03d.jpg" % i
        _save(img, os.path.join(root, "eval/detector/images", name), 88)
        coco["images"].append({"id": i + 1, "file_name": name,
                               "width": img.shape[1], "height": img.shape[0]})
        for cls, x, y, w, h, area in boxes:
            coco["annotations"].append({"id": len(coco["annotations"]) + 1, "image_id": i + 1,
                                        "category_id": cls + 1, "bbox": [x, y, w, h],
                                        "area": area, "iscrowd": 0})
        img, cls = patch("eval", i)
        _save(img, os.path.join(root, "eval/classifier/images", name), 90)
        labels.append("%s %d\n" % (name, cls))
    with open(os.path.join(root, "eval/detector/instances.json"), "w") as f:
        json.dump(coco, f, separators=(",", ":"))
        f.write("\n")
    with open(os.path.join(root, "eval/classifier/labels.txt"), "w") as f:
        f.writelines(labels)
    with open(os.path.join(root, "eval/classifier/classes.tsv"), "w") as f:
        f.writelines("%d\t%s\n" % kv for kv in enumerate(TEXTURES))


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("root", help="data/sample folder to write calib/ and eval/ into")
    write_all(ap.parse_args().root)
