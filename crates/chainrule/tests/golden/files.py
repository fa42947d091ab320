"""Writes files/: small files of PyTorch and NumPy that the tests read. Needs torch and numpy; run in this folder."""
import collections
import os
import pickle

import numpy as np
import torch

os.makedirs("files", exist_ok=True)
os.chdir("files")
base = torch.arange(24, dtype=torch.float32)
state = collections.OrderedDict()
state["whole"] = base.reshape(2, 3, 4)
state["transposed"] = base.reshape(4, 6).t()
state["every.second"] = base[3:20:2]
state["repeated"] = base[:3].expand(2, 3)
for name in ["float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]:
    state["type." + name] = torch.tensor([0, 1, 2, 100]).to(getattr(torch, name))
state["parameter"] = torch.nn.Parameter(torch.tensor([1.5, -2.5]))
state["scalar"] = torch.tensor(3)
state["empty"] = torch.zeros(0, 3)
torch.save(state, "state.pt")
torch.save(state, "old.pth", _use_new_zipfile_serialization=False)

torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
adam = torch.optim.Adam(model.parameters())
model(torch.randn(4, 2)).sum().backward()
adam.step()
torch.save({"epoch": 3, "lr": 0.1, "name": "x", "none": None, "flag": True, "list": [1, -2, torch.ones(2)], "pair": (1, 2.5),
            "big": 10**30, "negative": -(2**40), "model": model.state_dict(), "optimizer": adam.state_dict(),
            "size": torch.Size([1, 2]), "device": torch.device("cpu"), "dtype": torch.float16,
            "counts": collections.defaultdict(int, a=1)}, "checkpoint.pt")
torch.save(model, "model.pt")


class Hostile:
    def __reduce__(self):
        return (os.system, ("echo this must not run",))


torch.save({"weight": Hostile()}, "hostile.pt")
for protocol in (2, 4):
    with open(f"hostile{protocol}.pkl", "wb") as f:
        pickle.dump(Hostile(), f, protocol)

np.savez("arrays.npz", a=np.arange(6, dtype=np.float32).reshape(2, 3), b=np.array([True, False]))
np.savez_compressed("packed.npz", zeros=np.zeros((100, 100)), ones=np.ones(3, dtype=np.int64))
np.save("fortran.npy", np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3)))
np.save("big_endian.npy", np.arange(3, dtype=">i2"))
np.save("half.npy", np.array([0.5, -2], dtype=np.float16))
np.save("scalar.npy", np.array(7, dtype=np.int32))
np.save("objects.npy", np.array([{}], dtype=object), allow_pickle=True)
