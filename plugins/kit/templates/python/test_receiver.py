"""Runs natively, without wasm: python3 -m unittest"""

import unittest

from hookgate import Accepted, Draft, InvalidConfig, Rejected, testing

import plugin


class Receiver(unittest.TestCase):
    def test_a_token_is_compared_to_its_end(self) -> None:
        cases = {
            "s3cret": Accepted([Draft("order.placed", b"{}")]),
            "s3cre": Rejected("the token is wrong"),
            "s3creT": Rejected("the token is wrong"),
        }
        for token, reception in cases.items():
            headers = {"x-token": token, "x-event": "order.placed"}
            request = testing.request(b"{}", headers=headers, secret="s3cret")
            self.assertEqual(testing.run(plugin.receive, request), reception)

    def test_a_source_without_secret_is_a_mistake(self) -> None:
        with self.assertRaises(InvalidConfig):
            testing.run(plugin.receive, testing.request(b"{}"))


if __name__ == "__main__":
    unittest.main()
