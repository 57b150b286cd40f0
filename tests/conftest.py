"""What all tests share."""

import os
import sys
import tempfile
from pathlib import Path

# Tests run side by side, one process a core; threads inside each would only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What lapdepth benchmark has found on this machine shall not choose the engines of tests.
_cache = tempfile.TemporaryDirectory(prefix="lapdepth-tests-")
os.environ["LAPDEPTH_CACHE"] = _cache.name
sys.path.insert(0, str(Path(__file__).parent))
