"""Runs natively, without wasm: python3 -m unittest"""

import unittest

from hookgate import UnusableEvent, testing

import plugin


class Fold(unittest.TestCase):
    def test_ids_come_in_the_order_of_arrival(self) -> None:
        folded = testing.run(plugin.fold, testing.event({"ids": [1]}), testing.event({"ids": [2]}))
        self.assertEqual(folded.data, b'{"ids":[1,2]}')

    def test_an_event_without_ids_cannot_be_folded(self) -> None:
        with self.assertRaisesRegex(UnusableEvent, "no list of ids"):
            testing.run(plugin.fold, testing.event({"ids": [1]}), testing.event({"id": 2}))


if __name__ == "__main__":
    unittest.main()
