"""Writes files/resize.npz, files/pixels.png and files/pixels.jpg. Needs numpy, Pillow and torch; run in this folder."""
import numpy as np
import torch
from PIL import Image

image = np.random.default_rng(0).integers(0, 256, (13, 17, 3), dtype=np.uint8)
photo = Image.fromarray(image)
arrays = {"image": image.transpose(2, 0, 1)}
for name, filter in (("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC)):
    for width, height in ((5, 4), (17, 6), (40, 29), (9, 13), (1, 1)):
        arrays[f"{name}_{height}_{width}"] = np.asarray(photo.resize((width, height), filter)).transpose(2, 0, 1)
        floats = torch.from_numpy(arrays["image"].astype(np.float32))[None]
        arrays[f"float_{name}_{height}_{width}"] = torch.nn.functional.interpolate(
            floats, (height, width), mode=name, antialias=True)[0].numpy()
np.savez_compressed("files/resize.npz", **arrays)
photo.save("files/pixels.png")
Image.fromarray(np.linspace(0, 255, 16 * 16 * 3).reshape(16, 16, 3).astype(np.uint8)).save("files/pixels.jpg", quality=95)
