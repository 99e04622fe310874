import os
import platform


def handler(event, context):
    print("saying hello to", event["name"])
    return {
        "greeting": f"hello {event['name']}, from Python {platform.python_version()}",
        "remaining_ms": context.get_remaining_time_in_millis(),
        "function": os.environ["AWS_LAMBDA_FUNCTION_NAME"],
    }
