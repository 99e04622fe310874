"""haar's runtime for Python functions: waits, is given its work, polls the Runtime API.

Started ahead of its work, it blocks on the descriptor HAAR_ASSIGN_FD until it reads the
environment (JSON; empty where it already has it) to its end; then it imports the handler and serves invocations.
A 0x1E byte in the output stands for a line break inside one log event.
"""
import codecs  # noqa: F401  (what the first invocation needs is loaded while we wait)
import datetime  # noqa: F401
import decimal  # noqa: F401
import encodings.idna  # noqa: F401
import gc
import importlib
import json
import logging
import os
import socket
import sys
import time
import traceback
import types

API = "/2018-06-01/runtime/"
INNER_BREAK = "\x1e"


class Link:
    """One kept connection to the Runtime API; requests may be sent ahead of answers."""

    def __init__(self, address):
        self.address = address
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def get(self, path):
        head = "GET %s%s HTTP/1.1\r\nHost: %s\r\n\r\n" % (API, path, self.address)
        return head.encode("latin-1")

    def post(self, path, body, extra=""):
        head = "POST %s%s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %d\r\n\r\n" % (
            API, path, self.address, extra, len(body))
        return head.encode("latin-1") + body

    def answer(self):
        """Reads one answer: status, headers with lower-case names, body."""
        data = self.buffer
        end = data.find(b"\r\n\r\n")
        while end < 0:
            more = self.socket.recv(65536)
            if not more:
                os._exit(0)  # the platform is gone
            data += more
            end = data.find(b"\r\n\r\n")
        lines = data[:end].decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        start = end + 4
        need = start + int(headers.get("content-length", "0"))
        if len(data) < need:
            parts, have = [data], len(data)
            while have < need:
                more = self.socket.recv(min(need - have, 1 << 20))
                if not more:
                    os._exit(0)
                parts.append(more)
                have += len(more)
            data = b"".join(parts)
        self.buffer = data[need:]
        return int(lines[0].split(" ", 2)[1]), headers, data[start:need]


class CognitoIdentity(object):
    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]


class Client(object):
    __slots__ = ["installation_id", "app_title", "app_version_name", "app_version_code",
                 "app_package_name"]


class ClientContext(object):
    __slots__ = ["custom", "env", "client"]


class LambdaContext(object):
    """What a handler is given as its second argument."""

    def __init__(self, headers):
        self.aws_request_id = headers.get("lambda-runtime-aws-request-id")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        self.client_context = client_context(headers.get("lambda-runtime-client-context"))
        self.identity = identity(headers.get("lambda-runtime-cognito-identity"))
        self._epoch_deadline_time_in_ms = int(headers.get("lambda-runtime-deadline-ms", "0"))

    def get_remaining_time_in_millis(self):
        left = self._epoch_deadline_time_in_ms - int(time.time() * 1000)
        return left if left > 0 else 0

    def log(self, message):
        sys.stdout.write(str(message))

    def __repr__(self):
        names = ["aws_request_id", "log_group_name", "log_stream_name", "function_name",
                 "memory_limit_in_mb", "function_version", "invoked_function_arn",
                 "client_context", "identity"]
        return "LambdaContext([%s])" % ",".join(
            "%s=%s" % (name, getattr(self, name)) for name in names)


def client_context(text):
    if not text:
        return None
    given = json.loads(text)
    context = ClientContext()
    context.custom = given.get("custom")
    context.env = given.get("env")
    context.client = None
    if given.get("client") is not None:
        context.client = Client()
        for name in Client.__slots__:
            setattr(context.client, name, given["client"].get(name))
    return context


def identity(text):
    found = CognitoIdentity()
    given = json.loads(text) if text else {}
    found.cognito_identity_id = given.get("cognitoIdentityId")
    found.cognito_identity_pool_id = given.get("cognitoIdentityPoolId")
    return found


class Current:
    """The invocation in hand, for log lines."""
    request_id = None
    json_logs = False


class OneEvent(logging.Handler):
    """Writes each record as one log event."""

    def emit(self, record):
        try:
            record.aws_request_id = Current.request_id
            write_event(self.format(record))
        except Exception:
            self.handleError(record)


class JsonFormatter(logging.Formatter):
    """Log records as Lambda's JSON log format has them."""

    KNOWN = frozenset(
        list(logging.LogRecord("", 0, "", 0, "", (), None).__dict__)
        + ["message", "asctime", "aws_request_id", "taskName"])

    def format(self, record):
        out = {
            "timestamp": stamp(record.created),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0]:
            kind, error, trace = record.exc_info
            out["stackTrace"] = traceback.format_tb(trace)
            out["errorType"] = kind.__name__
            out["errorMessage"] = str(error)
            out["location"] = "%s:%s:%d" % (record.pathname, record.funcName, record.lineno)
        elif record.stack_info:
            out["stackTrace"] = record.stack_info.splitlines()
        out["requestId"] = Current.request_id
        for name, value in record.__dict__.items():
            if name not in self.KNOWN and name not in out:
                out[name] = value
        return json.dumps(out, ensure_ascii=False, default=str)


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def write_event(text):
    sys.stdout.write(text.rstrip("\n").replace("\n", INNER_BREAK) + "\n")


def set_up_logging():
    Current.json_logs = os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"
    handler = OneEvent()
    root = logging.getLogger()
    if Current.json_logs:
        handler.setFormatter(JsonFormatter())
        level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "INFO")
        level = {"TRACE": "DEBUG", "FATAL": "CRITICAL", "WARN": "WARNING"}.get(level, level)
        if isinstance(logging.getLevelName(level), int):
            root.setLevel(level)
    else:
        formatter = logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s",
            "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
    root.addHandler(handler)


class InitError(Exception):
    """The handler cannot be had; `kind` is what AWS calls it."""

    def __init__(self, kind, message, stack=()):
        Exception.__init__(self, message)
        self.kind, self.message, self.stack = kind, message, list(stack)


def own_frames(trace):
    """Formats a traceback without our frames and importlib's."""
    frames = [frame for frame in traceback.extract_tb(trace)
              if frame[0] != __file__ and not frame[0].startswith("<frozen importlib")
              and "importlib/__init__.py" not in frame[0]]
    return traceback.format_list(frames)


def find_handler(name):
    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as error:
        raise InitError("Runtime.MalformedHandlerName", "Bad handler '%s': %s" % (name, error))
    module_name = module_name.replace("/", ".")
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise InitError("Runtime.BuiltInModuleConflict",
                        "Cannot use built-in module %s as a handler module" % module_name)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise InitError("Runtime.ImportModuleError",
                        "Unable to import module '%s': %s" % (module_name, error))
    except SyntaxError as error:
        stack = ['  File "%s" Line %s\n    %s\n' % (error.filename, error.lineno,
                                                     (error.text or "").rstrip("\n"))]
        raise InitError("Runtime.UserCodeSyntaxError",
                        "Syntax error in module '%s': %s" % (module_name, error), stack)
    try:
        return getattr(module, function_name)
    except AttributeError:
        raise InitError("Runtime.HandlerNotFound",
                        "Handler '%s' missing on module '%s'" % (function_name, module_name))


def failure(kind, message, stack, request_id):
    """The error document that the caller of the function sees."""
    document = {"errorMessage": message, "errorType": kind, "requestId": request_id or "",
                "stackTrace": stack}
    if Current.json_logs:
        logged = {"timestamp": stamp(time.time()), "log_level": "ERROR"}
        logged.update(document)
        write_event(json.dumps(logged))
    else:
        lines = ["[ERROR] %s" % kind + (": %s" % message if message else "")]
        lines.append("Traceback (most recent call last):")
        lines += [line.rstrip("\n") for line in stack]
        write_event("\n".join(lines))
    return json.dumps(document)


def raised(request_id):
    kind, error, trace = sys.exc_info()
    return kind.__name__, failure(kind.__name__, str(error), own_frames(trace), request_id)


class LambdaRuntimeClient(object):
    """What is told to the platform. What watches functions replaces methods of this class and
    `handle_event_request`, by the names that AWS's own runtime has for them."""

    def __init__(self, link):
        self.link = link
        self.next_event = link.get("invocation/next")

    def post_init_error(self, document, kind):
        extra = "Lambda-Runtime-Function-Error-Type: %s\r\n" % kind
        self.link.send(self.link.post("init/error", document.encode("utf-8"), extra))
        self.link.answer()

    def post_invocation_result(self, request_id, answer):
        self.post("invocation/%s/response" % request_id, answer, "")

    def post_invocation_error(self, request_id, document, kind):
        extra = "Lambda-Runtime-Function-Error-Type: %s\r\n" % kind
        self.post("invocation/%s/error" % request_id, document.encode("utf-8"), extra)

    def post(self, path, body, extra):
        flush()
        extra = "Content-Type: application/json\r\n" + extra
        request = self.link.post(path, body, extra)
        self.link.send(request + self.next_event)  # one write, two requests
        self.link.answer()  # what became of the response is the platform's affair


def fail_init(client, kind, document):
    flush()
    client.post_init_error(document, kind)
    sys.exit(1)


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass


ESCAPE_UNICODE = sys.version_info < (3, 12)


def handle_event_request(client, handler, body, headers):
    """Runs the handler once and tells what came of it."""
    request_id = Current.request_id
    try:
        try:
            event = json.loads(body.decode("utf-8"))
        except ValueError as error:
            kind, message = "Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error
            document = failure(kind, message, [], request_id)
            return client.post_invocation_error(request_id, document, kind)
        result = handler(event, LambdaContext(headers))
    except Exception:
        kind, document = raised(request_id)
        return client.post_invocation_error(request_id, document, kind)
    try:
        answer = json.dumps(result, ensure_ascii=ESCAPE_UNICODE).encode("utf-8")
    except Exception as error:
        kind, message = "Runtime.MarshalError", "Unable to marshal response: %s" % error
        document = failure(kind, message, [], request_id)
        return client.post_invocation_error(request_id, document, kind)
    client.post_invocation_result(request_id, answer)


def run(client, handler):
    link = client.link
    link.send(client.next_event)
    while True:
        status, headers, body = link.answer()
        if status != 200:
            sys.exit(1)
        Current.request_id = headers.get("lambda-runtime-aws-request-id")
        trace = headers.get("lambda-runtime-trace-id")
        if trace:
            os.environ["_X_AMZN_TRACE_ID"] = trace
        handle_event_request(client, handler, body, headers)


def await_assignment():
    descriptor = int(os.environ["HAAR_ASSIGN_FD"])
    parts = []
    while True:
        part = os.read(descriptor, 65536)
        if not part:
            break
        parts.append(part)
    os.close(descriptor)
    if not parts:
        os._exit(0)  # the platform went before it had work
    return json.loads(b"".join(parts).decode("utf-8"))


def take_awss_names():
    """Lets code import the parts of AWS's runtime that functions use: the context's class."""
    here = sys.modules[__name__]
    package = types.ModuleType("awslambdaric")
    package.__path__ = []
    sys.modules["awslambdaric"] = package
    for name in ("bootstrap", "lambda_context", "lambda_runtime_client"):
        sys.modules["awslambdaric." + name] = here
        setattr(package, name, here)


def main():
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True, encoding="utf-8", errors="backslashreplace")
        sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")
    link = Link(os.environ["AWS_LAMBDA_RUNTIME_API"])
    gc.collect()
    if hasattr(gc, "freeze"):
        gc.freeze()
    environment = await_assignment()
    if environment:  # else it was there from the start
        os.environ.clear()
        os.environ.update(environment)
    os.environ.pop("HAAR_ASSIGN_FD", None)
    time.tzset()
    task_root = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
    try:
        os.chdir(task_root)
    except OSError:
        pass
    site = "/opt/python/lib/python%d.%d/site-packages" % sys.version_info[:2]
    extra = [path for path in os.environ.get("PYTHONPATH", "").split(":") if path]
    bundled = "/var/runtime/python-packages"
    known = [path for path in sys.path[1:] if path not in extra]
    sys.path[:] = [task_root, site, "/opt/python"] + extra + known + [bundled]
    sys.argv[:] = [""]
    set_up_logging()
    take_awss_names()
    client = LambdaRuntimeClient(link)
    try:
        handler = find_handler(os.environ.get("_HANDLER", ""))
    except InitError as error:
        fail_init(client, error.kind, failure(error.kind, error.message, error.stack, None))
    except Exception:
        fail_init(client, *raised(None))
    run(client, handler)


if __name__ == "__main__":
    main()
