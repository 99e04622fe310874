"""A picture lands in a bucket: its thumbnail goes to another one, and a row to a table."""

import io
import os
import urllib.parse

import aws

try:
    from PIL import Image  # from a layer
except ImportError:
    Image = None


def small(data):
    if Image is None:
        import jpeg

        return *jpeg.thumbnail(data), "jpeg.py"
    picture = Image.open(io.BytesIO(data))
    picture.thumbnail((picture.width // 8, picture.height // 8))
    out = io.BytesIO()
    picture.save(out, "JPEG")
    return *picture.size, out.getvalue(), "Pillow"


def handler(event, context):
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        key = urllib.parse.unquote_plus(record["s3"]["object"]["key"])
        path = urllib.parse.quote(key)
        width, height, data, by = small(aws.call("s3", "GET", f"/{bucket}/{path}"))
        aws.call("s3", "PUT", f"/{os.environ['THUMBNAILS']}/{path}", data, {"Content-Type": "image/jpeg"})
        aws.put_item(os.environ["TABLE"], id=key, width=width, height=height, bytes=len(data), by=by)
        print(f"{bucket}/{key}: {width} x {height} by {by}")
