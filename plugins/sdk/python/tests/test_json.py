"""JSON goes through a plugin without losing anything."""

import math
import unittest

import hookgate
from hookgate import _json


class Numbers(unittest.TestCase):
    def test_numbers_come_out_as_they_came_in(self) -> None:
        for text in ("1.0", "1e5", "1E400", "-0.0", "0.1000", "12345678901234567890123", "3.14"):
            with self.subTest(text):
                document = f'{{"n":[{text}]}}'
                self.assertEqual(hookgate.json_bytes(hookgate.json_value(document)), document.encode())

    def test_they_still_count(self) -> None:
        value = hookgate.json_value("[1.50, 2e0]")
        self.assertEqual(sum(value), 3.5)

    def test_both_writers_write_the_same(self) -> None:
        hookgate.json_value("1e5")
        self.assertTrue(_json._numbers_were_made)
        value = {"a": [1, 2.5, True, None, "é\"\n"], "": {}, "b": [], "c": (1,), 1: 2, None: 3}
        self.assertEqual(hookgate.json_bytes(value), _json._encoder.encode(value).encode())

    def test_what_is_not_json_is_refused(self) -> None:
        for text in ("NaN", "[1,]", "", "{'a': 1}", b"\xff"):
            with self.subTest(text), self.assertRaises(ValueError):
                hookgate.json_value(text)
        for value in (math.nan, object(), {("a",): 1}):
            with self.subTest(value), self.assertRaises((ValueError, TypeError)):
                hookgate.json_bytes(value)


class Text(unittest.TestCase):
    def test_half_a_surrogate_pair_stays_an_escape(self) -> None:
        document = b'["\\ud800 \xc3\xa9"]'
        self.assertEqual(hookgate.json_bytes(hookgate.json_value(document)), document)


class Depth(unittest.TestCase):
    def test_data_up_to_the_limit_is_read(self) -> None:
        depth = _json.MAX_DEPTH
        self.assertEqual(_json._depth("[" * depth + "]" * depth), depth)
        hookgate.json_value("[" * depth + "]" * depth)
        with self.assertRaisesRegex(ValueError, "levels"):
            hookgate.json_value("[" * (depth + 1) + "]" * (depth + 1))
        with self.assertRaisesRegex(ValueError, "levels"):
            hookgate.json_value('{"a":' * 100_000)

    def test_brackets_in_strings_and_beside_each_other_do_not_count(self) -> None:
        text = '["' + "[" * 500 + '\\"[",' + ",".join(["{}"] * 500) + "]"
        self.assertEqual(_json._depth(text), 2)
        hookgate.json_value(text)


if __name__ == "__main__":
    unittest.main()
