"""Runs natively, without wasm: python3 -m unittest"""

import unittest

from hookgate import testing

import plugin


class Filter(unittest.TestCase):
    def test_only_the_wanted_status_passes(self) -> None:
        for status, passes in (("paid", True), ("open", False)):
            event = testing.event({"status": status})
            self.assertIs(testing.run(plugin.accepts, event, config={"status": "paid"}), passes)


if __name__ == "__main__":
    unittest.main()
