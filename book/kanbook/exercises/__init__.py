"""Exercises: a reader's answer against properties, never against the solution.

Each chapter with exercises has a module here of the same slug with one tuple named
`EXERCISES`. A property is a sentence and a function that raises AssertionError, with
the input for which the sentence fails; the answer itself is never shown.
"""

import inspect
import textwrap
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple


class Property(NamedTuple):
    """One thing that must hold; `test(answer)` raises AssertionError if it does not."""

    sentence: str
    test: Callable[[Any], None]


class Exercise(NamedTuple):
    """What the reader writes, and what must hold of it."""

    number: int
    kind: str
    """derive, code or break."""
    parameters: tuple[str, ...]
    """Names of the arguments of the function asked for."""
    properties: tuple[Property, ...]


class Outcome(NamedTuple):
    """Which exercise, how many of its properties hold, and the first that does not."""

    exercise: str
    held: int
    total: int
    failure: str

    @property
    def solved(self) -> bool:
        """Whether every property holds."""
        return self.held == self.total

    def __repr__(self) -> str:
        """Return what the reader sees, in lines that fit a page."""
        if self.solved:
            return f"{self.exercise}: solved, all {self.total} properties hold."
        held = f"{self.held} of {self.total} properties hold."
        why = textwrap.wrap(self.failure, 80, break_long_words=False)
        return "\n  ".join([f"{self.exercise}: not yet, {held}", *why])


def exercises(slug: str) -> tuple[Exercise, ...]:
    """Return a chapter's exercises.

    Raises:
        ValueError: "no exercises" for this slug.
    """
    try:
        module = import_module(f"kanbook.exercises.{slug}")
    except ModuleNotFoundError:
        raise ValueError(
            f"check: there are no exercises for chapter {slug!r}; expected a chapter "
            "with a module in kanbook.exercises."
        ) from None
    return module.EXERCISES


def check(exercise: str, answer: Callable[..., Any]) -> Outcome:
    """Test an answer property by property, in order, up to the first that fails.

    Args:
        exercise: Chapter and number, such as "kan.1".
        answer: The reader's function.

    Returns:
        An `Outcome` that prints as a few lines. Whatever the answer raises is reported
        in it, not raised: an unfinished stub must not stop the notebook.

    Raises:
        ValueError: an unknown chapter or number.

    Example:
        >>> outcome = check("kan.3", lambda x: x)
        >>> outcome.held, outcome.failure.split(". ")[1]
        (2, 'Cubic splines reproduce this function exactly.')
    """
    slug, _, number = exercise.partition(".")
    known = {str(one.number): one for one in exercises(slug)}
    if number not in known:
        raise ValueError(
            f"check: {exercise!r} is unknown; chapter {slug!r} has "
            + ", ".join(f'"{slug}.{n}"' for n in known)
            + "."
        )
    task = known[number]
    total = len(task.properties)
    failure = _signature_problem(task, answer)
    if failure:
        return Outcome(exercise, 0, total, failure)
    for held, (sentence, test) in enumerate(task.properties):
        try:
            test(answer)
        except AssertionError as wrong:
            return Outcome(exercise, held, total, f"Fails: {sentence}. {wrong}".strip())
        except Exception as error:
            raised = f"Your code raised {type(error).__name__}: {error}"
            return Outcome(exercise, held, total, f"Fails: {sentence}. {raised}")
    return Outcome(exercise, total, total, "")


def _signature_problem(task: Exercise, answer: Any) -> str:
    if not callable(answer):
        return f"Expected a function, got {type(answer).__name__}."
    names = tuple(inspect.signature(answer).parameters)
    if len(names) != len(task.parameters):
        wanted = ", ".join(task.parameters)
        return f"Expected a function of ({wanted}), got one of ({', '.join(names)})."
    return ""
