"""A program that is asked lines and answers lines; whatever it does, asking it comes to an end."""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import time

__all__ = ["MOST_BYTES", "Breakdown", "Child"]

MOST_BYTES = 2**28
"""The longest line that a child may answer."""

#: How much of what a child says on its standard error is kept.
_TAIL = 4000


class Breakdown(BaseException):
    """A child died, hung or answered something that is no answer: the test fails, by this message.

    It is no `Exception`. No test may take it for the error that it expects, and Hypothesis, which
    would ask the same again and again in search of a smaller example, lets it pass.
    """


class Child:
    """A running program.

    Parameters
    ----------
    command : str
        As a shell splits it; no shell is started.
    limit : float
        For how many seconds an answer is waited for.
    """

    def __init__(self, command: str, limit: float):
        arguments = shlex.split(command)
        if not arguments:
            raise ValueError("the command is empty")
        self.limit = limit
        self._pending = bytearray()
        self._said = b""
        # A session of its own, so that what the program has started is ended with it.
        self._process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )
        streams = self._process.stdin, self._process.stdout, self._process.stderr
        self._to, self._from, self._error = (stream.fileno() for stream in streams)
        for stream in (self._to, self._from, self._error):
            os.set_blocking(stream, False)

    def ask(self, line: bytes) -> bytes:
        """Write a line, which ends with a newline, and return the next line of the child.

        Raises
        ------
        Breakdown
            There is none within the limit, or it is too long. The child has been ended.
        """
        if self._pending:
            raise self.break_down(f"printed {bytes(self._pending[:80])!r} without being asked")
        deadline, left, end = time.monotonic() + self.limit, memoryview(line), -1
        with selectors.DefaultSelector() as selector:
            for stream in (self._from, self._error):
                selector.register(stream, selectors.EVENT_READ)
            selector.register(self._to, selectors.EVENT_WRITE)
            while end < 0:
                rest = deadline - time.monotonic()
                if rest <= 0:
                    raise self.break_down(f"did not answer within {self.limit:g} s")
                begin = len(self._pending)
                for key, _ in selector.select(rest):
                    if key.fd == self._to:
                        left = self._write(left)
                    elif not self._read(key.fd):
                        selector.unregister(key.fd)
                if not left and self._to in selector.get_map():
                    selector.unregister(self._to)
                end = self._pending.find(b"\n", begin)
        if left:
            raise self.break_down("answered before it had read the question")
        answer = bytes(self._pending[:end])
        del self._pending[: end + 1]
        return answer

    def _write(self, left: memoryview) -> memoryview:
        try:
            return left[os.write(self._to, left[: 2**16]) :]
        except BlockingIOError:
            return left
        except BrokenPipeError:
            # It reads no more: whether it answers is seen where it is read.
            return left[len(left) :]

    def _read(self, stream: int) -> bool:
        """Read what a child has written; whether the stream is still open."""
        try:
            data = os.read(stream, 2**16)
        except BlockingIOError:
            return True
        if stream == self._error:
            self._said = (self._said + data)[-_TAIL:]
            return bool(data)
        if not data:
            raise self.break_down(self._describe_end())
        self._pending += data
        if len(self._pending) > MOST_BYTES:
            raise self.break_down(f"answered with a line of more than {MOST_BYTES} bytes")
        return True

    def _describe_end(self) -> str:
        half = f" in the middle of a line, {bytes(self._pending[:80])!r}" if self._pending else ""
        try:
            status = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return f"closed its standard output{half}"
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        return f"ended{half} with {how}"

    def break_down(self, what: str) -> Breakdown:
        """End the child, and make the error that says what it did and what it said last."""
        self.end(grace=0.0)
        said = self._said.decode(errors="replace").strip()
        last = f"its standard error ends with: {said}" if said else "its standard error is empty"
        return Breakdown(f"{what}; {last}")

    def end(self, grace: float = 2.0) -> None:
        """Close the child's standard input, and end it if it does not end by itself."""
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            if grace:
                self._process.wait(timeout=grace)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        with contextlib.suppress(BlockingIOError):
            self._said = (self._said + (self._process.stderr.read() or b""))[-_TAIL:]
        self._process.stdout.close()
        self._process.stderr.close()
