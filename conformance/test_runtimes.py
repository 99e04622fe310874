"""Managed runtimes for Ruby and Java, on this machine's interpreters."""

import base64
import json
import re

import pytest

from support.cloud import until
from support.functions import zipped
from support.java import JavaClasses, jar

RUBY = "ruby3.3"
JAVA = "java17"

HELLO = """
    require 'json'
    require 'logger'
    LOGGER = Logger.new($stdout)

    def handler(event:, context:)
      puts "hello to #{event['name']}", 'second line'
      LOGGER.info("logged ä")
      {
        hello: event['name'],
        request: context.aws_request_id,
        memory: context.memory_limit_in_mb,
        arn: context.invoked_function_arn,
        function: context.function_name,
        version: context.function_version,
        remaining: context.get_remaining_time_in_millis,
        group: context.log_group_name,
        stream: context.log_stream_name,
        deadline: context.deadline_ms,
        custom: context.client_context && context.client_context['custom'],
        mine: ENV['MINE'],
        here: Dir.pwd,
      }
    end
"""

FAULTS = """
    class Tired < StandardError; end

    def handler(event:, context:)
      case event
      when 'raise' then helper
      when 'own' then raise Tired, 'so tired'
      when 'name' then no_such_thing
      when 'exit' then exit(3)
      else event
      end
    end

    def helper
      raise 'not today'
    end
"""


@pytest.fixture(scope="module")
def java(tmp_path_factory):
    return JavaClasses(tmp_path_factory.mktemp("classes"))


@pytest.fixture
def ruby(functions):
    def make(code, handler="app.handler", runtime=RUBY, **options):
        files = code if isinstance(code, dict) else {"app.rb": code}
        return functions.create(files, runtime, handler, **options)

    return make


def context_is_whole(found, heard, name):
    assert found["hello"] == "world"
    assert found["request"] == heard.request_id
    assert found["arn"] == f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    assert (found["function"], found["version"]) == (name, "$LATEST")
    assert 0 < found["remaining"] <= 20000
    assert found["group"] == f"/aws/lambda/{name}"
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", found["stream"])
    assert found["mine"] == "my own"


def client_context():
    given = {"custom": {"a": "1"}, "client": {"app_title": "tests"}}
    return base64.b64encode(json.dumps(given).encode()).decode()


# --- Ruby ---------------------------------------------------------------------------------


def test_a_ruby_function_is_given_its_context_and_logs_events(ruby, functions, cloud):
    name = ruby(HELLO, Environment={"Variables": {"MINE": "my own"}})
    heard = functions.invoke(name, {"name": "world"}, ClientContext=client_context())
    assert heard.error is None, heard
    context_is_whole(heard.payload, heard, name)
    assert heard.payload["memory"] == "256"
    assert heard.payload["custom"] == {"a": "1"}
    assert heard.payload["here"] == "/var/task"
    assert functions.invoke(name, {"name": "world"}).payload["hello"] == "world"

    messages = logged(cloud, name, lambda found: sum("REPORT" in text for text in found) == 2)
    assert "hello to world\nsecond line\n" in messages
    line = next(text for text in messages if "logged" in text)
    assert re.fullmatch(
        rf"I, \[\d{{4}}-\d\d-\d\dT[\d:.]+ #\d+ {heard.request_id}\]  INFO -- : logged ä\n", line
    )


def logged(cloud, name, wished):
    def events():
        found = cloud.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")
        return [event["message"] for event in found["events"]]

    return until(events, wished)


def test_a_ruby_handler_may_be_a_method_of_a_class(ruby, functions):
    code = """
        module Deep
          class Maths
            def self.double(event:, context:)
              event * 2
            end
          end
        end
    """
    name = ruby({"lib/maths.rb": code}, handler="lib/maths.Deep::Maths.double")
    assert functions.invoke(name, 21).payload == 42
    assert functions.invoke(name, "ab").payload == "abab"


def test_a_ruby_error_tells_its_class_and_stack(ruby, functions):
    name = ruby(FAULTS)
    heard = functions.invoke(name, "raise")
    assert heard.error == "Unhandled"
    assert heard.payload["errorType"] == "Function<RuntimeError>"
    assert heard.payload["errorMessage"] == "not today"
    stack = heard.payload["stackTrace"]
    assert [re.match(r"/var/task/app.rb:(\d+):in ", line).group(1) for line in stack] == ["14", "5"]
    assert "Error raised from handler method" in heard.tail
    own = functions.invoke(name, "own")
    assert own.payload["errorType"] == "Function<Tired>"
    for how, kind in [("name", "Function<NameError>"), ("exit", "Function<SystemExit>")]:
        heard = functions.invoke(name, how)
        assert (heard.error, heard.payload["errorType"]) == ("Unhandled", kind)
        again = functions.invoke(name, "fine")
        assert again.payload == "fine"
        assert "Init Duration" in again.tail  # the one before is over


@pytest.mark.parametrize(
    ("files", "handler", "kind", "text"),
    [
        ({"app.rb": "require 'no_such_gem'"}, "app.handler", "Init<LoadError>", "no_such_gem"),
        ({"app.rb": "def handler("}, "app.handler", "Init<SyntaxError>", "app.rb:1"),
        ({"app.rb": "raise 'at once'"}, "app.handler", "Init<RuntimeError>", "at once"),
        ({"app.rb": "def handler; end"}, "other.handler", "Init<LoadError>", "cannot load such file -- other"),
        ({"app.rb": "def handler; end"}, "app", "Init<ArgumentError>", "must be of form FILENAME.METHOD"),
    ],
)
def test_ruby_code_that_cannot_be_loaded_fails_the_initialization(ruby, functions, files, handler, kind, text):
    heard = functions.invoke(ruby(files, handler=handler), {})
    assert heard.error == "Unhandled"
    assert heard.payload["errorType"] == kind
    assert text in heard.payload["errorMessage"]
    assert f"Init error when loading handler {handler}" in heard.tail
    # as on AWS, classes that are not Ruby's most common ones are not named there
    assert re.search(r"Status: error\tError Type: (Init<LoadError>|Init<ArgumentError>|Function<UserException>)", heard.tail)


def test_a_ruby_method_that_is_not_there_fails_the_invocation(ruby, functions):
    heard = functions.invoke(ruby("def other; end"), {})
    assert heard.payload["errorType"] == "Function<NoMethodError>"
    assert "undefined method" in heard.payload["errorMessage"]


def test_ruby_layers_bring_gems_and_libraries(ruby, functions, cloud):
    gem = """
        Gem::Specification.new do |s|
          s.name = 'greeter'
          s.version = '1.2.3'
          s.summary = 'greets'
          s.authors = ['tests']
          s.require_paths = ['lib']
        end
    """
    home = "ruby/gems/3.3.0"
    layer = zipped({
        f"{home}/specifications/greeter-1.2.3.gemspec": gem,
        f"{home}/gems/greeter-1.2.3/lib/greeter.rb": "module Greeter; WORD = 'from a gem'; end",
        "ruby/lib/plain.rb": "PLAIN = 'from a library'",
    })
    made = cloud.client("lambda").publish_layer_version(LayerName="greeter", Content={"ZipFile": layer})
    code = """
        require 'greeter'
        require 'plain'
        def handler(event:, context:)
          [Greeter::WORD, PLAIN, Gem.loaded_specs['greeter'].version.to_s, ENV['RUBYOPT']]
        end
    """
    layers = [made["LayerVersionArn"]]
    fresh = {"Variables": {"RUBYOPT": "-W0"}}
    for options, expected in [({}, None), ({"Environment": fresh}, "-W0")]:
        heard = functions.invoke(ruby(code, Layers=layers, **options), {})
        assert heard.payload == ["from a gem", "from a library", "1.2.3", expected], heard


# --- Java ---------------------------------------------------------------------------------


@pytest.fixture
def hello(functions, java):
    def make(files=None, runtime=JAVA, **options):
        options.setdefault("MemorySize", 512)
        options.setdefault("Environment", {"Variables": {}})["Variables"]["MINE"] = "my own"
        return functions.create(files or java.function("Hello"), runtime, "example.Hello", **options)

    return make


def test_a_java_function_is_given_its_context_and_logs_events(hello, functions, cloud):
    name = hello()
    event = {"name": "world", "n": [1, 2.5, 3_000_000_000, None, True], "inner": {"ä": "ö\n"}}
    heard = functions.invoke(name, event, ClientContext=client_context())
    assert heard.error is None, heard
    found = heard.payload
    context_is_whole(found, heard, name)
    assert (found["memory"], found["all"]) == (512, name)
    assert (found["custom"], found["app"]) == ({"a": "1"}, "tests")
    assert found["event"] == event
    assert "left out" not in found  # members that are null are not written
    assert 0.8 * 512 * 1024 < found["heapKiB"] <= 0.85 * 512 * 1024 + 1
    assert functions.invoke(name, {"name": "again"}).payload["calls"] == 2
    messages = logged(cloud, name, lambda found: sum("REPORT" in text for text in found) == 2)
    for event in ("hello to world\n", "one\ntwo\n", "logged everywhere: ä\n"):
        assert event in messages


ORDER = {
    "id": "o-1",
    "items": [{"name": "ä", "price": 1.5, "key": "123e4567-e89b-12d3-a456-426614174000", "bytes": "AQI="}],
    "byName": {"x": {"price": 2.0, "exact": 0.1}},
    "paid": True,
    "status": "CLOSED",
    "codes": [1, 2],
    "unknown": {"is": "ignored"},
}


@pytest.mark.parametrize(
    ("method", "event", "answer"),
    [
        ("sum", [1, 2, "3"], 6),
        ("shout", "abc", 'ABC"\u0001ß'),
        ("shout", 12, '12"\u0001ß'),
        ("distinct", [1, 2, 1], [1, 2]),
        ("half", 5, 2.5),
        ("nothing", {"a": 1}, None),
        ("none", None, [{"a": 1}]),
        ("copy", {"a": "bc"}, {"length": 11}),
        ("which", "x", "long"),
    ],
)
def test_java_methods_take_and_answer_what_they_declare(functions, java, method, event, answer):
    name = functions.create(java.function("Orders"), JAVA, f"example.Orders::{method}", MemorySize=512)
    heard = functions.invoke(name, event)
    assert (heard.error, heard.payload) == (None, answer), heard


def test_java_objects_are_read_and_written_by_their_properties(functions, java):
    name = functions.create(java.function("Orders"), JAVA, "example.Orders::echo", MemorySize=512)
    heard = functions.invoke(name, ORDER)
    expected = {key: value for key, value in ORDER.items() if key != "unknown"} | {"total": 1}
    expected["byName"] = {"x": {"price": 2.0, "exact": 0.1}}
    assert heard.payload == expected, heard
    assert list(heard.payload)[:3] == ["id", "items", "byName"]  # in the order of the fields
    assert functions.invoke(name, {"items": [], "id": None}).payload == {
        "items": [], "paid": False, "total": 0,
    }
    wrong = functions.invoke(name, {"items": 7})
    assert wrong.payload["errorType"] == "java.lang.RuntimeException"
    assert wrong.payload["errorMessage"] == "An error occurred during JSON parsing"


def test_java_records_and_awss_events_are_read_too(functions, java):
    mover = functions.create(java.of("Point"), JAVA, "example.Point$Mover::move")
    heard = functions.invoke(mover, {"x": 1, "next": {"x": 5}})
    assert heard.payload == {"x": 2, "next": {"x": 5}}, heard
    name = functions.create(java.function("Events"), JAVA, "example.Events")
    record = {"awsRegion": "eu-west-1", "s3": {"key": "a/b"}, "eventSourceARN": "arn:aws:s3:::x"}
    heard = functions.invoke(name, {"Records": [record]})
    assert heard.payload == "eu-west-1 a/b arn:aws:s3:::x", heard


@pytest.mark.parametrize("options", [{}, {"JAVA_TOOL_OPTIONS": "-Xss512k"}])
def test_java_paths_begin_at_the_code(functions, java, options):
    files = {**java.function("Events"), "notes/a.txt": b"found"}
    for runtime in ("java17", "java25"):
        name = functions.create(files, runtime, "example.Events::read", Environment={"Variables": options})
        heard = functions.invoke(name, "notes/a.txt")
        assert heard.payload == ["found", "found", "/var/task/notes/a.txt"], heard


def test_a_java_log_may_be_json(hello, functions, cloud):
    name = hello(LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "INFO"})
    heard = functions.invoke(name, {"name": "world"})
    lines = [json.loads(line) for line in heard.tail.splitlines() if line.startswith("{")]
    own = next(line for line in lines if line.get("message") == "one\ntwo")
    assert own["AWSRequestId"] == heard.request_id
    assert own["level"] == "UNDEFINED" and own["timestamp"].endswith("Z")
    assert any(line.get("type") == "platform.report" for line in lines)


def test_a_java_stream_handler_has_the_bytes(functions, java):
    name = functions.create(java.function("Streams"), "java21", "example.Streams")
    heard = functions.invoke(name, b'{"a" :  [1]}')
    assert heard.raw == b'{"a" :  [1]}'


def test_a_java_error_tells_its_class_and_stack(functions, java):
    name = functions.create(java.function("Broken"), JAVA, "example.Broken")
    heard = functions.invoke(name, "throw")
    assert heard.error == "Unhandled"
    assert heard.payload["errorMessage"] == "not today"
    assert heard.payload["errorType"] == "java.lang.IllegalStateException"
    stack = heard.payload["stackTrace"]
    assert re.fullmatch(r"example\.Broken\.handleRequest\(Broken\.java:\d+\)", stack[0])
    assert not any("haar" in line or "reflect" in line for line in stack)
    assert "not today: java.lang.IllegalStateException\n" in heard.tail
    assert "Caused by: java.lang.RuntimeException: tired" in heard.tail
    assert functions.invoke(name, "fine").payload == "fine"
    for how, kind in [("heap", "java.lang.OutOfMemoryError"), ("deep", "java.lang.StackOverflowError")]:
        heard = functions.invoke(name, how)
        assert (heard.error, heard.payload["errorType"]) == ("Unhandled", kind), heard
        assert functions.invoke(name, "fine").payload == "fine"
    ended = functions.invoke(name, "exit")
    assert ended.payload["errorType"] == "Runtime.ExitError"
    assert "exit status 3" in ended.payload["errorMessage"]


@pytest.mark.parametrize(
    ("handler", "kind", "text"),
    [
        ("example.Nowhere", "java.lang.ClassNotFoundException", "Class not found: example.Nowhere"),
        ("example.Broken::nothing", None,
         "No public method named nothing with appropriate method signature found on class example.Broken"),
        ("example.Orders::odd", None,
         "No public method named odd with appropriate method signature found on class example.Orders"),
        ("example.Broken$Unrelated", None,
         "Class does not implement an appropriate handler interface: example.Broken$Unrelated"),
    ],
)
def test_a_java_handler_that_is_not_there_fails_the_invocation(functions, java, handler, kind, text):
    heard = functions.invoke(functions.create(java.function("Broken", "Orders"), JAVA, handler), "x")
    assert heard.error == "Unhandled"
    assert heard.payload["errorMessage"] == text
    assert heard.payload.get("errorType") == kind
    assert "stackTrace" not in heard.payload
    assert text in heard.tail


def test_a_java_class_that_cannot_be_made_fails_the_initialization(functions, java):
    name = functions.create(java.function("Broken"), JAVA, "example.Broken$AtStart")
    heard = functions.invoke(name, "x")
    assert heard.payload == {
        "errorMessage": "not at start", "errorType": "java.lang.IllegalArgumentException",
    }
    assert "Status: error\tError Type: java.lang.IllegalArgumentException" in heard.tail
    assert "at example.Broken$AtStart.<init>(Broken.java:" in heard.tail


def test_java_code_comes_as_a_jar_in_lib_or_from_a_layer(hello, functions, java, cloud):
    as_jar = functions.invoke(hello(jar(java.function("Hello"))), {"name": "jar"})
    assert as_jar.payload["hello"] == "jar", as_jar
    libraries = {"lib/code.jar": jar(java.of("Hello")), "lib/core.jar": jar(java.core)}
    in_lib = functions.invoke(hello(zipped(libraries)), {"name": "lib"})
    assert in_lib.payload["hello"] == "lib", in_lib
    layer = zipped({"java/lib/shared.jar": jar(java.of("Shared"))})
    made = cloud.client("lambda").publish_layer_version(LayerName="shared", Content={"ZipFile": layer})
    uses = functions.create(java.of("UsesShared"), JAVA, "example.UsesShared::handle",
                            Layers=[made["LayerVersionArn"]])
    assert functions.invoke(uses, {}).payload == "layer"
    alone = functions.create(java.of("UsesShared"), JAVA, "example.UsesShared::handle")
    missing = functions.invoke(alone, {})
    assert missing.payload["errorType"] == "java.lang.NoClassDefFoundError"


def test_java_tool_options_are_heeded(hello, functions):
    options = "-Dexample.property=mine -Xmx100m"
    name = hello(Environment={"Variables": {"JAVA_TOOL_OPTIONS": options}})
    heard = functions.invoke(name, {"name": "world"})
    assert heard.payload["property"] == "mine", heard
    assert heard.payload["heapKiB"] <= 100 * 1024
    assert f"Picked up JAVA_TOOL_OPTIONS: {options}" in heard.tail


# --- which interpreter ----------------------------------------------------------------------


def test_the_nearest_version_stands_in_with_a_warning(functions, ruby, java, cloud):
    import subprocess

    from support.cloud import BINARY

    shown = subprocess.run([BINARY, "runtimes", "--json"], check=True, capture_output=True)
    rows = {row["runtime"]: row for row in json.loads(shown.stdout)}
    made = {
        **{runtime: (ruby("def handler(event:, context:); RUBY_VERSION; end", runtime=runtime))
           for runtime in ("ruby3.2", "ruby3.4")},
        **{runtime: functions.create(java.function("Streams"), runtime, "example.Streams")
           for runtime in ("java8.al2", "java25")},
    }
    for runtime, name in made.items():
        row = rows[runtime]
        assert row["usable"] and row["interpreter"], row
        heard = functions.invoke(name, {})
        assert heard.error is None, heard
        if row["note"]:
            assert f"{runtime} is not on this host; " in row["note"]
            assert f"[WARNING] {row['note']}" in heard.tail
        else:
            assert "[WARNING]" not in heard.tail
    assert any(rows[runtime]["note"] for runtime in made)
