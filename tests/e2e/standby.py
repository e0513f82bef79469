"""A second PostgreSQL that follows a first one, byte for byte, and takes over when told to."""

import os
import tempfile
from pathlib import Path

from tests.postgres import Server


class Standby(Server):
    """Made by a base backup of a running one, whose binaries it uses. It takes no writes until `promote`."""

    def __init__(self, primary: Server) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="gateway-postgres-"))
        self.directory.chmod(0o755)
        self._as = primary._as
        self.binaries = primary.binaries
        self.data = self.directory / "data"
        if self._as:
            os.chown(self.directory, self._as.pw_uid, self._as.pw_gid)
        where = ["-h", str(primary.directory), "-U", "gateway", "-D", str(self.data)]
        self._run("pg_basebackup", *where, "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
        self.start()

    def promote(self) -> None:
        """Take writes from now on; returns when it does."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "-t", "30", "promote")
