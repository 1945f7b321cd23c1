#!/usr/bin/env python3
"""A handler that stays up: puts messages into an outbox, several at a time.

    dueq work mail --stdio --window 8 -- examples/stdio/handler.py OUTBOX

A task's payload is JSON, {"to": "ada@example.org", "text": "..."}; the message becomes a file in the
folder OUTBOX that is named by the task's id. A task may come twice, so doing it twice must do no
harm: the second time the same file is written again.
"""

import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

THREADS = 8  # tasks at a time, at most: as many as --window says
NAME_LEN_MAX = 200  # of a file; file systems take some 50 more

at_work = {}  # by receipt: an event that is set when the lease is lost
stdout_lock = threading.Lock()


def answer(task, result, **more):
    """One line a task. It must not stay in a buffer, and lines must not mix."""
    at_work.pop(task["receipt"], None)
    with stdout_lock:
        print(json.dumps({"receipt": task["receipt"], "result": result, **more}), flush=True)


def render(task):
    """The message of a task; ValueError when it can never be sent."""
    message = json.loads(task["payload"]) if "payload" in task else None
    if not isinstance(message, dict):
        raise ValueError("the payload is no JSON object")
    to, text = message.get("to"), message.get("text")
    if not isinstance(to, str) or not isinstance(text, str):
        raise ValueError('a message has "to" and "text"')
    if "@" not in to or not to.isprintable():
        raise ValueError("no such address: " + to)
    return f"To: {to}\n\n{text}\n"


def file_name(task):
    """It begins with "task-", so that ".." is an id as any other; ValueError when it is too long."""
    name = "task-" + quote(task.get("id", task.get("id_base64")), safe="")
    if len(name) > NAME_LEN_MAX:
        raise ValueError("the id is too long for the name of a file")
    return name


def put(outbox, name, text):
    """All or nothing: a reader of the outbox never sees half a message."""
    path = os.path.join(outbox, name)
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".tmp", path)


def handle(task, outbox):
    try:
        name, text = file_name(task), render(task)
        if at_work[task["receipt"]].is_set():  # somebody else has it by now: any answer will do
            return answer(task, "release")
        put(outbox, name, text)
        return answer(task, "done")
    except ValueError as error:  # never to be mended by trying again
        return answer(task, "dead", error=str(error))
    except Exception as error:  # the disk may be full: try again, but not at once
        return answer(task, "retry", delay="10s", error=str(error))


def main():
    outbox = sys.argv[1]
    # What is at work when stdin ends is finished before the program ends.
    with ThreadPoolExecutor(THREADS) as pool:
        for line in sys.stdin:
            message = json.loads(line)
            if "lost" in message:
                lost = at_work.get(message["lost"])
                if lost is not None:
                    lost.set()
            else:
                at_work[message["receipt"]] = threading.Event()
                pool.submit(handle, message, outbox)


main()
