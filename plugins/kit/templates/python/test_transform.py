"""Runs natively, without wasm: python3 -m unittest"""

import unittest

from hookgate import Drop, Replace, testing

import plugin


class Transform(unittest.TestCase):
    def test_the_type_and_the_id_go_on(self) -> None:
        event = testing.event({"id": 7, "total": 3}, type="invoice.paid")
        verdict = testing.run(plugin.handle, event)
        self.assertEqual(verdict, Replace(b'{"type":"invoice.paid","id":7}'))

    def test_an_event_without_id_is_dropped(self) -> None:
        verdict = testing.run(plugin.handle, testing.event({"total": 7}))
        self.assertEqual(verdict, Drop("the data has no id"))


if __name__ == "__main__":
    unittest.main()
