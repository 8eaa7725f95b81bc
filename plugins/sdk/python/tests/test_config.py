"""A config is read strictly, and a mistake is named with its place."""

import enum
import unittest
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Optional, Union

from hookgate import InvalidConfig, _config


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Rule:
    pointer: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.pointer.startswith("/"):
            raise ValueError(f'pointer "{self.pointer}" does not start with a slash')


@dataclass
class Config:
    keep: list[Rule]
    limit: int = 3
    is_strict: bool = False
    mode: Literal["a", "b"] = "a"
    colour: Colour = Colour.RED
    note: Optional[str] = None
    names: dict[str, int] = field(default_factory=dict)
    either: Union[int, list[str]] = 0
    anything: Any = None


class Reading(unittest.TestCase):
    def read(self, text: str) -> Config:
        config = _config.read(text, _config.reader_for(Config))
        assert isinstance(config, Config)
        return config

    def test_everything_is_read(self) -> None:
        config = self.read(
            '{"keep": [{"pointer": "/a", "weight": 2}], "limit": 7, "is_strict": true, "mode": "b",'
            ' "colour": "blue", "note": "n", "names": {"x": 1}, "either": ["y"], "anything": [null]}'
        )
        expected = Config([Rule("/a", 2)], 7, True, "b", Colour.BLUE, "n", {"x": 1}, ["y"], [None])
        self.assertEqual(config, expected)

    def test_defaults_stay(self) -> None:
        self.assertEqual(self.read('{"keep": []}'), Config([]))

    def test_mistakes_are_named(self) -> None:
        cases = {
            "[1": "the config is not JSON: Expecting ',' delimiter: line 1 column 3 (char 2)",
            "[]": "expected an object, found []",
            "{}": "keep: missing",
            '{"keep": [], "limt": 1}': "limt: unknown member, known are: keep, limit, is_strict, "
            "mode, colour, note, names, either, anything",
            '{"keep": [{"pointer": 1}]}': "keep[0].pointer: expected a string, found 1",
            '{"keep": [{"pointer": "a"}]}': 'keep[0]: pointer "a" does not start with a slash',
            '{"keep": [], "limit": true}': "limit: expected a whole number, found true",
            '{"keep": [], "limit": 1.5}': "limit: expected a whole number, found 1.5",
            '{"keep": [], "is_strict": 1}': "is_strict: expected true or false, found 1",
            '{"keep": [], "mode": "c"}': 'mode: expected "a" or "b", found "c"',
            '{"keep": [], "colour": null}': 'colour: expected "red" or "blue", found null',
            '{"keep": [], "note": 1}': "note: expected a string or null, found 1",
            '{"keep": [], "names": {"x": "y"}}': 'names.x: expected a whole number, found "y"',
            '{"keep": [], "either": [1]}': "either[0]: expected a string, found 1",
        }
        for text, message in cases.items():
            with self.subTest(text), self.assertRaises(InvalidConfig) as caught:
                self.read(text)
            self.assertEqual(str(caught.exception), message)

    def test_a_type_that_json_has_not_is_the_authors_mistake(self) -> None:
        for wanted in (datetime, tuple[int, str], dict[int, str], set[str]):
            with self.subTest(wanted), self.assertRaises(_config.UnreadableType):
                _config.reader_for(wanted)


if __name__ == "__main__":
    unittest.main()
