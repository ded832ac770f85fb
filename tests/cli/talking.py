"""Workflows that write, in all the ways there are."""

import asyncio
import logging
import os
import sys
import threading
import time
from contextvars import copy_context
from pathlib import Path

from pydantic import BaseModel

from moose_lib import Task, TaskConfig, TaskContext, Workflow, WorkflowConfig

library = logging.getLogger("library")


class Words(BaseModel):
    lines: int = 3
    until: str = ""


async def speak(ctx: TaskContext[Words]) -> Words:
    print("printed", "twice", sep="\n")
    print("in ", end="", flush=True)
    print("parts")
    ctx.logger.info("by the context", extra={"amount": 5})
    library.warning("by a library")
    library.debug("too fine")
    await asyncio.to_thread(print, "in a thread")
    await asyncio.create_task(whisper())
    if ctx.run.attempt == 1:
        raise ValueError("not yet")
    return ctx.input


async def whisper() -> None:
    print("in an asyncio task")


def close(words: Words) -> None:
    thread = threading.Thread(target=copy_context().run, args=(print, "in a thread with its context"))
    thread.start()
    thread.join()
    print("no end of line", end="")


close_task = Task[Words, None](name="close", config=TaskConfig(run=close))
speak_task = Task[Words, Words](
    name="speak", config=TaskConfig(run=speak, retries=1, retry_delay="1ms", on_complete=[close_task])
)
Workflow(name="Talk", config=WorkflowConfig(starting_task=speak_task))


async def wait(ctx: TaskContext[Words]) -> None:
    print("waiting")
    while not Path(ctx.input.until).exists():  # noqa: ASYNC110, ASYNC240  # a file is what a test can make
        await asyncio.sleep(0.05)
    print("waited")


async def clean(ctx: TaskContext[Words]) -> None:
    print("cleaning up")


wait_task = Task[Words, None](name="wait", config=TaskConfig(run=wait, on_cancel=clean))
Workflow(name="Wait", config=WorkflowConfig(starting_task=wait_task))


def flood(words: Words) -> None:
    for number in range(words.lines):
        print("line", number, "is as long as a line of a log is in most programs that people write")


async def beside(words: Words) -> None:
    for number in range(20):
        print("beside", number)
        await asyncio.sleep(0.01)


def silent(words: Words) -> Words:
    return words


flood_task = Task[Words, None](name="flood", config=TaskConfig(run=flood))
beside_task = Task[Words, None](name="beside", config=TaskConfig(run=beside))
silent_task = Task[Words, Words](name="silent", config=TaskConfig(run=silent, on_complete=[flood_task, beside_task]))
Workflow(name="Flood", config=WorkflowConfig(starting_task=silent_task))
Workflow(
    name="Silent", config=WorkflowConfig(starting_task=Task[Words, Words](name="quiet", config=TaskConfig(run=silent)))
)
Workflow(
    name="Never", config=WorkflowConfig(starting_task=Task[Words, Words](name="never", config=TaskConfig(run=silent)))
)


def count(words: Words) -> None:
    for number in range(words.lines):
        print("number", number)
        time.sleep(0.001)


Workflow(
    name="Count", config=WorkflowConfig(starting_task=Task[Words, None](name="count", config=TaskConfig(run=count)))
)


def spin(words: Words) -> None:
    number = 0
    while True:
        number += 1
        print("spinning", number)
        library.info("and logging %d", number)


def bear(words: Words) -> None:
    child = os.fork()
    if child == 0:
        print("by a child")
        library.warning("logged by a child")
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
    print("by the parent")


spins = [
    Task[Words, None](name=f"spin{number}", config=TaskConfig(run=spin, timeout="200ms", retries=2, retry_delay="1ms"))
    for number in range(5)
]
top_task = Task[Words, Words](name="top", config=TaskConfig(run=silent, on_complete=spins))
Workflow(name="Spin", config=WorkflowConfig(starting_task=top_task))
bear_task = Task[Words, None](name="bear", config=TaskConfig(run=bear))
Workflow(name="Bear", config=WorkflowConfig(starting_task=bear_task))
