"""A PostgreSQL server of a test's own."""

import glob
import os
import pathlib
import shutil
import signal
import subprocess

from program import free_port, until

# Debian keeps the server's programs out of the way.
FOLDERS = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)


def server_program(name):
    found = shutil.which(name, path=os.pathsep.join([*FOLDERS, os.environ["PATH"]]))
    assert found, f"no {name}: the tests of systems with PostgreSQL need its server (Debian: apt-get install postgresql)"
    return found


class Postgres:
    """One run, or several in a row, on one data folder. It does not run as root, and so has a user of its own if the tests do."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        self.process = None
        self.user = "nobody" if os.getuid() == 0 else None
        self.folder.mkdir()
        if self.user:
            shutil.chown(self.folder, self.user)
            # The folders above are the tester's alone.
            for above in self.folder.parents:
                if above.stat().st_uid == 0 and above != pathlib.Path("/"):
                    above.chmod(above.stat().st_mode | 0o011)
        self.run("initdb", "--pgdata", "data", "--auth", "trust", "--username", "postgres", "--no-sync", "--no-instructions")

    def run(self, name, *arguments):
        command = [server_program(name), *arguments]
        subprocess.run(command, cwd=self.folder, user=self.user, check=True, stdout=subprocess.DEVNULL)

    def start(self):
        self.spawn()
        until(self.answers, "PostgreSQL's start", 60)
        return self

    def spawn(self):
        settings = ["listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}", "max_connections=300"]
        command = [server_program("postgres"), "-D", "data", "-p", str(self.port)]
        command += [part for setting in settings for part in ("-c", setting)]
        with open(self.folder.parent / "postgres.log", "ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, user=self.user, stdout=log, stderr=log, start_new_session=True
            )

    def answers(self):
        if self.process.poll() is not None:
            # The processes of a killed server take a moment to notice, and until then no other may start.
            self.spawn()
        command = [server_program("pg_isready"), "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0

    def kill(self):
        """The server; its other processes end when they notice."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=30)
