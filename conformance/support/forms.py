"""Browsers' forms."""

import uuid


def form(fields, body):
    """A browser's form with a file: its content type and its bytes."""
    mark = uuid.uuid4().hex
    parts = [f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
             for name, value in fields.items()]
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\n\r\n'
    whole = "".join(parts).encode() + head.encode() + body + f"\r\n--{mark}--\r\n".encode()
    return f"multipart/form-data; boundary={mark}", whole
