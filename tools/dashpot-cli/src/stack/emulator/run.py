"""Runs the emulator for as long as standard input stays open.

The other end of the pipe belongs to the process that started us. The kernel closes it however that
process ends, SIGKILL included; then we go, with every process that we started, and our scratch
directory goes too. A shell outside our process group does it, because nobody survives its own kill.
"""

import os
import subprocess
import threading


def end_with_parent():
    while os.read(0, 1024):
        pass
    subprocess.Popen(
        ["/bin/sh", "-c", 'kill -s KILL -- "-$0"; rm -rf -- "$1"', str(os.getpgrp()), os.environ["TMPDIR"]],
        start_new_session=True,
    )


threading.Thread(target=end_with_parent, daemon=True).start()

from ministack.app import main

main()
