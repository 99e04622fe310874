"""Functions that fail: AWS's error, nothing else harmed."""

import pytest


def test_an_exception_comes_with_its_stack(functions):
    name = functions.python("def handler(event, context): raise ValueError('no ' + event)")
    heard = functions.invoke(name, "way")
    assert (heard.status, heard.error) == (200, "Unhandled")
    assert heard.payload["errorType"] == "ValueError"
    assert heard.payload["errorMessage"] == "no way"
    assert "handler" in "".join(heard.payload["stackTrace"])
    assert heard.payload["requestId"] == heard.request_id
    assert functions.invoke(name, "way").error == "Unhandled"


def test_a_node_exception_comes_with_its_stack(functions):
    name = functions.node("export const handler = async () => { throw new TypeError('no'); };")
    heard = functions.invoke(name)
    assert heard.error == "Unhandled"
    assert (heard.payload["errorType"], heard.payload["errorMessage"]) == ("TypeError", "no")
    assert heard.payload["trace"][0] == "TypeError: no"


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        ("x = 1", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("import nosuchthing", "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'nosuchthing'"),
        ("def handler(event, context) return 1", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
    ],
)
def test_code_that_does_not_load_says_why(functions, code, kind, text):
    name = functions.python(code)
    for _ in range(2):
        heard = functions.invoke(name)
        assert heard.error == "Unhandled"
        assert heard.payload["errorType"] == kind, heard.payload
        assert text in heard.payload["errorMessage"]


def test_a_missing_node_handler_says_so(functions):
    name = functions.node("export const other = 1;")
    heard = functions.invoke(name)
    assert heard.payload["errorType"] == "Runtime.HandlerNotFound"
    assert "app.handler is undefined or not exported" in heard.payload["errorMessage"]


def test_a_timeout_kills_and_the_next_call_starts_anew(functions):
    name = functions.python(
        """
        import time
        calls = 0
        def handler(event, context):
            global calls
            calls += 1
            if event == "sleep":
                time.sleep(60)
            return calls
        """,
        Timeout=1,
    )
    assert functions.invoke(name, "work").payload == 1
    assert functions.invoke(name, "work").payload == 2
    heard = functions.invoke(name, "sleep")
    assert heard.error == "Unhandled"
    assert "Task timed out after 1.00 seconds" in heard.payload["errorMessage"]
    assert "Task timed out after 1.00 seconds" in heard.tail or "Status: timeout" in heard.tail
    assert functions.invoke(name, "work").payload == 1


def test_too_much_memory_kills_and_says_so(functions):
    name = functions.python(
        """
        def handler(event, context):
            kept = []
            while event:
                kept.append(bytearray(b"x") * (8 << 20))
            return "fine"
        """,
        MemorySize=128,
    )
    heard = functions.invoke(name, True)
    assert heard.error == "Unhandled"
    assert heard.payload["errorType"] in ("Runtime.ExitError", "Runtime.OutOfMemory")
    assert "signal: killed" in heard.payload["errorMessage"]
    assert "Max Memory Used: 128 MB" in heard.tail, heard.tail
    assert functions.invoke(name, False).payload == "fine"


def test_an_exit_says_its_status(functions):
    name = functions.python("import os\ndef handler(event, context): os._exit(event)")
    heard = functions.invoke(name, 3)
    assert heard.payload["errorType"] == "Runtime.ExitError"
    assert "Runtime exited with error: exit status 3" in heard.payload["errorMessage"]


def test_results_that_cannot_be_sent(functions):
    name = functions.python(
        """
        def handler(event, context):
            return object() if event == "odd" else "x" * (7 << 20)
        """
    )
    odd = functions.invoke(name, "odd")
    assert odd.payload["errorType"] == "Runtime.MarshalError"
    large = functions.invoke(name, "large")
    assert large.error == "Unhandled"
    assert large.payload["errorType"] == "Function.ResponseSizeTooLarge"
    assert "Response payload size exceeded maximum allowed payload size (6291556 bytes)" in (
        large.payload["errorMessage"]
    )


def test_payloads_over_the_limit_are_refused(functions):
    name = functions.python("def handler(event, context): return len(event)")
    assert functions.invoke(name, "x" * (5 << 20)).payload == 5 << 20
    with pytest.raises(functions.client.exceptions.RequestTooLargeException):
        functions.invoke(name, "x" * (7 << 20))
    with pytest.raises(functions.client.exceptions.InvalidRequestContentException):
        functions.invoke(name, b"{not json")
