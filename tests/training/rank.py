"""A process of a run, as `torchrun` starts it: `rank.py SETTINGS.json [KILLED_RANK KILLED_STEP WHEN]`.

The process of that rank kills itself at that step, once: `step` before it, `write` while a checkpoint is being written.
With DOUBLE in the environment everything is computed in float64.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch

from lapdepth.cli.extras import needs_torch
from lapdepth.data import loader
from lapdepth.training import loop, state
from lapdepth.training.config import TrainConfig


def kill_once(mark: Path) -> None:
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    needs_torch("train")
    if "DOUBLE" in os.environ:
        torch.set_default_dtype(torch.float64)
        torch.Tensor.float = torch.Tensor.double
    settings, *killing = sys.argv[1:]
    config = TrainConfig.model_validate(json.loads(Path(settings).read_text(encoding="utf-8")))
    rank = int(os.environ.get("RANK", "0"))
    mark = config.output.parent / "killed"
    if killing and int(killing[0]) == rank:
        step_of, save = loop._step, torch.save

        def killed_step(step, *arguments):
            if step == int(killing[1]):
                kill_once(mark)
            return step_of(step, *arguments)

        def killed_save(content, path):
            if content["step"] == int(killing[1]):
                save(content, path)
                path.write_bytes(path.read_bytes()[:1000])
                kill_once(mark)
            save(content, path)

        if killing[2] == "step":
            loop._step = killed_step
        else:
            state.torch.save = killed_save
    seen = []
    draw = loader.CounterDataset.__getitem__

    def watched(self, counter):
        seen.append(counter)
        return draw(self, counter)

    loader.CounterDataset.__getitem__ = watched
    loop.train(config, resume=True)
    (config.output.parent / f"seen-{rank}.json").write_text(json.dumps(seen), encoding="utf-8")


if __name__ == "__main__":
    main()
