"""Pushes, deletes and pushes again the same layers, while everything that nothing refers to is collected about twice a second; no push may find
a blob unknown.

Called by scripts/gc. Arguments: the program, the working directory, the number of seconds.
"""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "crash.d"))
from kills import PASSWORD, SETTINGS, World, check  # noqa: E402


def main(program, work, seconds):
    settings, data = os.path.join(work, "settings.toml"), os.path.join(work, "data")
    with open(settings, "w") as file:
        file.write(SETTINGS)
    os.environ["PORTCULLIS_CONFIG"] = settings
    subprocess.run(
        [program, "--data", data, "init", "--host", "localhost", "--admin-password-stdin"],
        input=PASSWORD, text=True, check=True, stdout=subprocess.DEVNULL,
    )
    world, until, wrong = World(program, work), time.monotonic() + seconds, []
    while time.monotonic() < until:
        time.sleep(min(5, seconds))
        wrong += world.examine()[0]
    world.stop.set()
    time.sleep(1)
    lost = check(program, data)
    world.kill()
    pushed = sum(len(writer.there) + len(writer.gone) for writer in world.writers)
    deleted = sum(len(writer.gone) for writer in world.writers)
    for line in wrong[:10]:
        print(f"FAIL | {line}")
    print(f"{seconds} s: {pushed} images pushed, {deleted} deleted, {world.collections} collections by the command, others by the server; "
          f"{len(wrong)} differences, check finds {lost or 'nothing lost'}")
    sys.exit(bool(wrong) or bool(lost))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
