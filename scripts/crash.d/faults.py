"""Lets each call that writes to the file system fail in turn, during pushes and collections: with ENOSPC, with EIO, and as a write of half of
the bytes. Each push is refused, or as good as any other; what was refused works when it is tried again; and what was acknowledged is there
after the server was killed.

Called by scripts/crash. Arguments: the program, the working directory, the library made of faults.c.
"""

import ctypes
import json
import mmap
import os
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from kills import AWAY, PASSWORD, SETTINGS, Image, Registry, ask, check  # noqa: E402

KINDS = {1: "ENOSPC", 2: "EIO", 3: "a short write"}
# More calls than any push or collection makes.
MOST = 400
# A server starts again after so many faults, so that what it has in memory does not hide anything.
RESTART_EVERY = 8


class Control(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int), ("at", ctypes.c_int), ("calls", ctypes.c_int), ("hit", ctypes.c_int), ("name", ctypes.c_char * 240)]


class Faults:
    """The memory that is shared with the processes under test."""

    def __init__(self, work, library, below):
        self.path = os.path.join(work, "control")
        with open(self.path, "wb") as file:
            file.write(bytes(4096))
        self.file = open(self.path, "r+b")
        self.control = Control.from_buffer(mmap.mmap(self.file.fileno(), 4096))
        self.environment = {**os.environ, "LD_PRELOAD": library, "FAULTS_CONTROL": self.path, "FAULTS_BELOW": below}

    def arm(self, kind, at):
        self.control.calls = self.control.hit = 0
        self.control.at, self.control.kind = at, kind

    def disarm(self):
        """The call that has failed; empty if none did."""
        self.control.kind = 0
        return self.control.name.decode() if self.control.hit else ""


class Trial:
    def __init__(self, program, work, library):
        self.program, self.work, self.data = program, work, os.path.join(work, "data")
        self.faults = Faults(work, library, self.data)
        self.wrong, self.count, self.refused, self.images = [], 0, 0, []
        self.serve()

    def serve(self):
        self.registry = Registry(self.program, self.data, os.path.join(self.work, "faults.log"), self.faults.environment)

    def restart(self):
        self.registry.process.kill()
        self.registry.process.wait()
        self.serve()
        connection = self.registry.connect()
        for image in self.images[-2 * RESTART_EVERY:]:
            found = image.found(connection)
            if found is not True:
                self.wrong.append(f"after a restart, an acknowledged image is not there: {found}")

    def pushes(self):
        for kind in KINDS:
            for at in range(1, MOST):
                if not self.push(kind, at):
                    break
                if self.count % RESTART_EVERY == 0:
                    self.restart()
            self.restart()

    def push(self, kind, at):
        """Whether the fault happened."""
        image = Image("faults", self.count)
        self.faults.arm(kind, at)
        try:
            is_done = image.push(self.registry.connect())
        except AWAY as error:
            is_done = False
            if self.registry.process.poll() is not None:
                self.wrong.append(f"the server has ended: {error}")
                self.serve()
        except AssertionError:
            is_done = False
        failed = self.faults.disarm()
        self.count += 1
        self.refused += not is_done
        connection = self.registry.connect()
        if not is_done:
            if not failed:
                self.wrong.append("a push failed without a fault")
            for _ in range(20):
                try:
                    is_done = image.push(connection)
                    break
                except (AssertionError, *AWAY):
                    connection = self.registry.connect()
                    time.sleep(0.1)
        if image.found(connection) is not True:
            self.wrong.append(f"{KINDS[kind]} at call {at}, {failed}: {image.found(connection)}, pushed again: {is_done}")
        self.images.append(image)
        return bool(failed)

    def collections(self):
        """With the server stopped, so that the command does all of it."""
        connection = self.registry.connect()
        kept = [Image("kept", number) for number in range(3)]
        for image in kept:
            image.push(connection)
        for kind in KINDS:
            for at in range(1, MOST):
                if not self.collect(kind, at, kept):
                    break

    def collect(self, kind, at, kept):
        image = Image("collected", self.count)
        image.push(self.registry.connect())
        ask(self.registry.connect(), "DELETE", image.path)
        self.registry.process.terminate()
        self.registry.process.wait(60)
        with sqlite3.connect(os.path.join(self.data, "portcullis.db")) as database:
            database.execute("UPDATE blobs SET lease_until = 0")
            database.execute("UPDATE collection_queue SET review_after = 0, claimed_until = 0")
        database.close()
        self.faults.arm(kind, at)
        first = self.gc()
        failed = self.faults.disarm()
        if failed and first.returncode < 0:
            self.wrong.append(f"{KINDS[kind]} at call {at} of a collection, {failed}: it was killed by signal {-first.returncode}")
        self.count += 1
        self.refused += first.returncode != 0
        with sqlite3.connect(os.path.join(self.data, "portcullis.db")) as database:
            for table in ("collection_queue", "doomed_contents"):
                database.execute(f"UPDATE {table} SET claimed_until = 0")
        database.close()
        again = self.gc()
        if again.returncode != 0:
            self.wrong.append(f"{KINDS[kind]} at call {at} of a collection, {failed}: the next one fails: {again.stderr}")
        self.serve()
        connection = self.registry.connect()
        for other in kept:
            if other.found(connection) is not True:
                self.wrong.append(f"{KINDS[kind]} at call {at} of a collection, {failed}: {other.found(connection)}")
        if image.found(connection) is not False or self.has_content(image.blobs[0]):
            self.wrong.append(f"{KINDS[kind]} at call {at} of a collection, {failed}: what was deleted is still there")
        return bool(failed)

    def gc(self):
        return subprocess.run(
            [self.program, "--data", self.data, "gc", "--now"], capture_output=True, text=True, env=self.faults.environment
        )

    def has_content(self, content):
        import hashlib
        name = hashlib.sha256(content).hexdigest()
        return os.path.exists(os.path.join(self.data, "blobs", "sha256", name[:2], name))


# A push and a collection make more calls than this; with fewer, the library was not loaded.
LEAST = 20


def main(program, work, library):
    work = os.path.realpath(work)
    settings = os.path.join(work, "settings.toml")
    with open(settings, "w") as file:
        file.write(SETTINGS)
    os.environ["PORTCULLIS_CONFIG"] = settings
    subprocess.run(
        [program, "--data", os.path.join(work, "data"), "init", "--host", "localhost", "--admin-password-stdin"],
        input=PASSWORD, text=True, check=True, stdout=subprocess.DEVNULL,
    )
    trial = Trial(program, work, library)
    for what, run in (("pushes", trial.pushes), ("collections", trial.collections)):
        before, refused, wrong = trial.count, trial.refused, len(trial.wrong)
        run()
        print(f"{trial.count - before} faults in {what}: {trial.refused - refused} refused, the others done; "
              f"{len(trial.wrong) - wrong} differences", flush=True)
        if trial.count - before < LEAST:
            trial.wrong.append(f"only {trial.count - before} calls were made to fail in {what}")
    lost = check(program, trial.data)
    trial.registry.process.terminate()
    for line in trial.wrong[:20]:
        print(f"FAIL | {line}")
    print(f"check finds {lost or 'nothing lost'}")
    sys.exit(bool(trial.wrong) or bool(lost))


if __name__ == "__main__":
    main(*sys.argv[1:4])
