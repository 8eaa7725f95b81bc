"""Functions are called as Hookgate would call them, and nothing but a failure comes out."""

import unittest
from dataclasses import dataclass
from typing import Any, Callable

import hookgate
from hookgate import (
    Accepted,
    AgainLater,
    Draft,
    Drop,
    Event,
    InvalidConfig,
    Message,
    Pass,
    Replace,
    Request,
    UnusableEvent,
    _plugin,
    testing,
)


@dataclass
class Config:
    max_data_bytes: int = 10


class Calling(unittest.TestCase):
    def setUp(self) -> None:
        _plugin.registered.clear()
        testing.take_log()

    def test_a_transform_gets_its_config(self) -> None:
        @hookgate.transform
        def handle(event: Event, config: Config) -> hookgate.Verdict:
            return Pass() if len(event.data) <= config.max_data_bytes else Drop("too large")

        self.assertEqual(testing.run(handle, testing.event(b"[1]")), Pass())
        self.assertEqual(
            testing.run(handle, testing.event(b"[1]"), config={"max_data_bytes": 2}), Drop("too large")
        )
        with self.assertRaisesRegex(InvalidConfig, "max_data_bytes: expected a whole number"):
            testing.run(handle, testing.event(), config={"max_data_bytes": "2"})

    def test_a_dict_is_the_config_as_it_is(self) -> None:
        @hookgate.filter
        def accepts(event: Event, config: dict[str, Any]) -> bool:
            return event.type in config["types"]

        config = {"types": ["test.event"]}
        self.assertIs(testing.run(accepts, testing.event(), config=config), True)

    def test_a_plugin_without_config_refuses_one(self) -> None:
        @hookgate.transform
        def handle(event: Event) -> hookgate.Verdict:
            return Pass()

        self.assertEqual(testing.run(handle, testing.event()), Pass())
        with self.assertRaisesRegex(InvalidConfig, "takes no config"):
            testing.run(handle, testing.event(), config={"a": 1})

    def test_a_fold_and_a_receiver(self) -> None:
        @hookgate.fold
        def fold(earlier: Event, later: Event) -> Event:
            return later.with_json({**earlier.json(), **later.json()})

        @hookgate.receiver
        def receive(request: Request) -> hookgate.Reception:
            return Accepted([Draft.json("push", request.json(), id=request.header("X-Id"))])

        folded = testing.run(fold, testing.event({"a": 1}), testing.event({"b": 2}))
        self.assertEqual(folded.json(), {"a": 1, "b": 2})
        reception = testing.run(receive, testing.request({"c": 3}, headers={"X-Id": "7"}))
        self.assertEqual(reception, Accepted([Draft("push", b'{"c":3}', id="7")]))

    def test_exceptions_become_failures(self) -> None:
        cases: list[tuple[BaseException, type[Exception], str]] = [
            (InvalidConfig("no"), InvalidConfig, "no"),
            (AgainLater("later"), AgainLater, "later"),
            (UnusableEvent("odd"), UnusableEvent, "odd"),
            (KeyError("id"), UnusableEvent, "KeyError: 'id'"),
            (SystemExit(3), UnusableEvent, "SystemExit: 3"),
            (MemoryError(), UnusableEvent, "MemoryError"),
        ]
        for raised, kind, text in cases:
            _plugin.registered.clear()
            with self.subTest(raised), self.assertRaises(kind) as caught:
                testing.run(hookgate.transform(_raising(raised)), testing.event())
            self.assertEqual(str(caught.exception), text)

    def test_an_exception_leaves_its_place_in_the_log(self) -> None:
        @hookgate.transform
        def handle(event: Event) -> hookgate.Verdict:
            return Replace(event.json()["id"])

        with self.assertRaises(UnusableEvent):
            testing.run(handle, testing.event())
        (line,) = testing.take_log()
        self.assertRegex(line, r"^error: KeyError: 'id', in handle \(test_plugin.py, line \d+\)$")

    def test_an_answer_of_a_wrong_type_is_a_failure(self) -> None:
        for answer, text in ((None, "returned nothing"), (True, "returned bool True")):
            _plugin.registered.clear()

            def handle(event: Event) -> Any:
                return answer

            with self.subTest(answer), self.assertRaisesRegex(UnusableEvent, text):
                testing.run(hookgate.transform(handle), testing.event())

    def test_functions_that_cannot_be_called_are_refused_at_once(self) -> None:
        async def waits(event: Event) -> hookgate.Verdict:
            return Pass()

        def takes_too_much(a: int, b: int, c: int) -> hookgate.Verdict:
            return Pass()

        for function, text in ((waits, "plain function"), (takes_too_much, r"\(event, config\)")):
            with self.subTest(text), self.assertRaisesRegex(TypeError, text):
                hookgate.transform(function)  # type: ignore[type-var]
        hookgate.filter(lambda event: True)
        with self.assertRaisesRegex(TypeError, "two"):
            hookgate.filter(lambda event: True)

    def test_the_log_and_the_data_url_stand_in(self) -> None:
        @hookgate.transform
        def handle(event: Event) -> hookgate.Verdict:
            hookgate.log.info("sent a link")
            return hookgate.Deliver(Message.json({"url": hookgate.data_url()}, {"x-kind": "link"}))

        testing.set_data_url("https://hookgate.example/1")
        verdict = testing.run(handle, testing.event())
        self.assertEqual(verdict.message.body, b'{"url":"https://hookgate.example/1"}')
        self.assertEqual(testing.take_log(), ["info: sent a link"])

    def test_data_that_is_no_json_says_where(self) -> None:
        for data, text in ((b"\xff", "data is not UTF-8"), (b"[1", "data is not JSON: .*column 3")):
            with self.subTest(data), self.assertRaisesRegex(UnusableEvent, text):
                testing.event(data).json()


def _raising(error: BaseException) -> Callable[[Event], Any]:
    def handle(event: Event) -> Any:
        raise error

    return handle


if __name__ == "__main__":
    unittest.main()
