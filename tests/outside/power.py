"""Simulated power loss: builds the shim, runs a process under it, and takes away what was not synced."""

import os
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parent / "powerloss" / "powerloss.c"


def build(folder: Path) -> Path:
    """Compiles the shim with the machine's C compiler. It is never committed: it must match the libc it runs under."""
    library = Path(folder) / "powerloss.so"
    done = subprocess.run(
        ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o", library, SOURCE, "-ldl", "-lpthread"],
        capture_output=True, text=True, timeout=120,
    )
    assert done.returncode == 0, f"the power-loss shim does not compile:\n{done.stderr}"
    return library


class Power:
    """The supply of one data folder. `env` goes to EVERY process that writes there, also the short-lived ones: bytes written
    outside the shim would never become durable, and the loss would be the harness's."""

    def __init__(self, library: Path, data: Path, image: Path):
        self.data, self.image = Path(data), Path(image)
        self.data.mkdir(parents=True, exist_ok=True)
        self.image.mkdir(parents=True, exist_ok=True)
        assert self.image.resolve() not in self.data.resolve().parents and self.data.resolve() not in self.image.resolve().parents
        self.env = {
            "LD_PRELOAD": str(library),
            "POWERLOSS_DIR": str(self.data),
            "POWERLOSS_IMAGE": str(self.image),
        }

    def durable(self) -> dict[str, int]:
        """The files that a power loss would leave, and their sizes."""
        return {str(p.relative_to(self.image)): p.stat().st_size for p in sorted(self.image.rglob("*")) if p.is_file()}

    def cut(self) -> None:
        """After the process is dead: what was not synced is gone. The image stays, it is the disk of the next life."""
        for path in self.data.rglob("*"):
            if path.is_file() or path.is_symlink():
                os.unlink(path)
        shutil.copytree(self.image, self.data, dirs_exist_ok=True)
