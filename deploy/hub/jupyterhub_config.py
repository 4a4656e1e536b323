"""A JupyterHub on one server for a class: see README.md beside this file.

Start it with `jupyterhub -f deploy/hub/jupyterhub_config.py`. What a class changes stands first.
"""

import os
import shutil
import sys
from pathlib import Path

MEMORY_GIB = 2  # a learner's kernel stays below it; a lesson of this course takes less than 1
IDLE_SECONDS = 3600  # then a server is stopped; files and progress stay, variables go
TEACHERS = set()  # names on this server, as in {"ada"}

c = get_config()  # noqa: F821 (JupyterHub puts it there)

# To the world through a web server with TLS (nginx, Caddy), which passes on to this address.
c.JupyterHub.bind_url = "http://127.0.0.1:8000"
c.Authenticator.admin_users = TEACHERS
c.Authenticator.allow_all = True  # every account of this server may log in

# configurable-http-proxy comes from npm and stands on the PATH, or where npm --prefix has put it.
_beside = Path(sys.prefix) / "node_modules" / ".bin" / "configurable-http-proxy"
c.ConfigurableHTTPProxy.command = shutil.which("configurable-http-proxy") or str(_beside)

# The environment is shared and nobody's to write in: packages and the embedded model's weights lie
# on the disk once, and in memory once where the system can share them.
_programs = Path(sys.executable).parent
c.Spawner.environment = {
    "PATH": os.pathsep.join([str(_programs), "/usr/local/bin:/usr/bin:/bin"]),
    "OMP_NUM_THREADS": "1",  # threads of thirty learners would only wait for each other
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}

# A limit of data for each process of a learner, set by prlimit (util-linux), with every spawner: a
# cell that asks for more gets a MemoryError, and the server lives on. It counts each process by
# itself. For one limit on all processes of a learner together, install jupyterhub-systemdspawner
# and take the next two lines instead; that was not tried here.
# c.JupyterHub.spawner_class = "systemd"
# c.SystemdSpawner.mem_limit = f"{MEMORY_GIB}G"
c.Spawner.cmd = [
    "prlimit",
    f"--data={MEMORY_GIB * 2**30}",
    str(_programs / "jupyterhub-singleuser"),
]
c.Spawner.mem_limit = f"{MEMORY_GIB}G"  # what JupyterLab shows as the limit
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = 120

# Servers that nobody has used for an hour are stopped.
c.JupyterHub.load_roles = [
    {
        "name": "culler",
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": ["culler"],
    }
]
c.JupyterHub.services = [
    {
        "name": "culler",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", f"--timeout={IDLE_SECONDS}"],
    }
]
