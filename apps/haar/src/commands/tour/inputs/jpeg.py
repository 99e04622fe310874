"""A thumbnail of a baseline JPEG, an eighth of its width and height, with nothing but Python.

Each block of 8 x 8 pixels keeps its mean in its first coefficient: to read these is enough.
ITU-T T.81 is the standard; tables K.3 to K.6 of its annex are the ones written here.
"""

import struct

ZIGZAG = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
]


def codes(counts, symbols):
    """Huffman codes in their canonical order: (length, code) and symbol."""
    code, at = 0, 0
    for length, count in enumerate(counts, 1):
        for _ in range(count):
            yield (length, code), symbols[at]
            code, at = code + 1, at + 1
        code <<= 1


class Bits:
    """The bits of a scan; a stuffed zero behind 0xff is left out, markers end it."""

    def __init__(self, data, at):
        self.data, self.at, self.value, self.count = data, at, 0, 0

    def one(self):
        if not self.count:
            byte = self.data[self.at]
            self.at += 1
            if byte == 0xFF:
                if self.data[self.at] != 0:
                    raise ValueError("the scan ends early")
                self.at += 1
            self.value, self.count = byte, 8
        self.count -= 1
        return self.value >> self.count & 1

    def number(self, size):
        value = 0
        for _ in range(size):
            value = value << 1 | self.one()
        return value if not size or value >> (size - 1) else value - (1 << size) + 1

    def symbol(self, table):
        code = 0
        for length in range(1, 17):
            code = code << 1 | self.one()
            if (length, code) in table:
                return table[length, code]
        raise ValueError("not a Huffman code")

    def restart(self):
        self.count = 0
        if self.data[self.at] != 0xFF or not 0xD0 <= self.data[self.at + 1] <= 0xD7:
            raise ValueError("a restart marker is missing")
        self.at += 2


def segments(data):
    """Markers and what they hold, up to the scan; the scan's start comes with the last."""
    if data[:2] != b"\xff\xd8":
        raise ValueError("not a JPEG")
    at = 2
    while True:
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])[0]
        yield marker, data[at + 4 : at + 2 + length], at + 2 + length
        if marker == 0xDA:
            return
        at += 2 + length


def means(data):
    """Width, height, and for each component (horizontal, vertical sampling, rows of means)."""
    quantum, tables, interval, frame, start, scan = {}, {}, 0, None, 0, b""
    for marker, body, end in segments(data):
        if marker == 0xDB:
            while body:
                wide = body[0] >> 4
                quantum[body[0] & 15] = struct.unpack(">H", body[1:3])[0] if wide else body[1]
                body = body[129 if wide else 65 :]
        elif marker == 0xC4:
            while body:
                counts, total = body[1:17], sum(body[1:17])
                tables[body[0]] = dict(codes(counts, body[17 : 17 + total]))
                body = body[17 + total :]
        elif marker == 0xDD:
            interval = struct.unpack(">H", body)[0]
        elif marker == 0xC0:
            frame = body
        elif 0xC1 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            raise ValueError("only baseline JPEGs are read here")
        elif marker == 0xDA:
            scan, start = body, end
    height, width, count = struct.unpack(">HHB", frame[1:6])
    parts = []
    for number in range(count):
        name, sampling, table = frame[6 + 3 * number : 9 + 3 * number]
        used = scan[2 + 2 * number]
        parts.append({
            "across": sampling >> 4, "down": sampling & 15, "quantum": quantum[table],
            "dc": tables[used >> 4], "ac": tables[0x10 | used & 15], "last": 0, "rows": {},
        })
    widest, tallest = max(p["across"] for p in parts), max(p["down"] for p in parts)
    columns, lines = -(-width // (8 * widest)), -(-height // (8 * tallest))
    bits = Bits(data, start)
    for unit in range(columns * lines):
        if interval and unit and unit % interval == 0:
            bits.restart()
            for part in parts:
                part["last"] = 0
        for part in parts:
            for block in range(part["across"] * part["down"]):
                x = unit % columns * part["across"] + block % part["across"]
                y = unit // columns * part["down"] + block // part["across"]
                part["last"] += bits.number(bits.symbol(part["dc"]))
                part["rows"][x, y] = part["last"] * part["quantum"] / 8 + 128
                skip(bits, part["ac"])
    return width, height, [(p["across"] / widest, p["down"] / tallest, p["rows"]) for p in parts]


def skip(bits, table):
    """Reads past the 63 other coefficients of a block."""
    index = 1
    while index < 64:
        symbol = bits.symbol(table)
        if symbol == 0:
            return
        bits.number(symbol & 15)
        index += (symbol >> 4) + 1


# What the encoder writes with: flat quantization, and the annex's tables for luminance.
QUANTUM = 6
DC_COUNTS = bytes([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
DC_SYMBOLS = bytes(range(12))
AC_COUNTS = bytes([0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125])
AC_SYMBOLS = bytes.fromhex(
    "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728"
    "292a3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a83848586878889"
    "8a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2"
    "e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
)


def cosines():
    from math import cos, pi, sqrt

    return [[(sqrt(0.125) if u == 0 else 0.5) * cos((2 * x + 1) * u * pi / 16) for x in range(8)]
            for u in range(8)]


COSINES = cosines()


def transform(block):
    """Coefficients of an 8 x 8 block, quantized, in zigzag order."""
    rows = [[sum(c * v for c, v in zip(COSINES[u], row)) for u in range(8)] for row in block]
    whole = [[sum(COSINES[v][y] * rows[y][u] for y in range(8)) for u in range(8)] for v in range(8)]
    flat = [value for row in whole for value in row]
    return [round(flat[place] / QUANTUM) for place in ZIGZAG]


class Writer:
    def __init__(self):
        self.out, self.value, self.count = bytearray(), 0, 0

    def put(self, length, code):
        self.value, self.count = self.value << length | code, self.count + length
        while self.count >= 8:
            self.count -= 8
            byte = self.value >> self.count & 0xFF
            self.out += b"\xff\x00" if byte == 0xFF else bytes([byte])
        self.value &= (1 << self.count) - 1

    def number(self, value):
        size = abs(value).bit_length()
        return size, value if value >= 0 else value + (1 << size) - 1

    def block(self, values, last, dc, ac):
        size, bits = self.number(values[0] - last)
        self.put(*dc[size])
        self.put(size, bits)
        run = 0
        end = max((place for place in range(1, 64) if values[place]), default=0)
        for value in values[1 : end + 1]:
            if value == 0:
                run += 1
                continue
            while run > 15:
                self.put(*ac[0xF0])
                run -= 16
            size, bits = self.number(value)
            self.put(*ac[run << 4 | size])
            self.put(size, bits)
            run = 0
        if end < 63:
            self.put(*ac[0])

    def end(self):
        if self.count:
            self.put(8 - self.count, (1 << 8 - self.count) - 1)
        return bytes(self.out)


def encode(width, height, planes):
    """A JPEG of planes, each a function of (x, y)."""
    dc = {symbol: code for code, symbol in codes(DC_COUNTS, DC_SYMBOLS)}
    ac = {symbol: code for code, symbol in codes(AC_COUNTS, AC_SYMBOLS)}
    writer, last = Writer(), [0] * len(planes)
    for top in range(0, height, 8):
        for left in range(0, width, 8):
            for number, plane in enumerate(planes):
                block = [[plane(min(left + x, width - 1), min(top + y, height - 1)) - 128
                          for x in range(8)] for y in range(8)]
                values = transform(block)
                writer.block(values, last[number], dc, ac)
                last[number] = values[0]

    def segment(marker, body):
        return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body

    count = len(planes)
    frame = struct.pack(">BHHB", 8, height, width, count)
    frame += b"".join(bytes([number + 1, 0x11, 0]) for number in range(count))
    scan = bytes([count]) + b"".join(bytes([number + 1, 0]) for number in range(count))
    return b"".join([
        b"\xff\xd8",
        segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
        segment(0xDB, b"\0" + bytes([QUANTUM]) * 64),
        segment(0xC0, frame),
        segment(0xC4, b"\0" + DC_COUNTS + DC_SYMBOLS),
        segment(0xC4, b"\x10" + AC_COUNTS + AC_SYMBOLS),
        segment(0xDA, scan + b"\0\x3f\0"),
        writer.end(),
        b"\xff\xd9",
    ])


def thumbnail(data):
    """Width, height and bytes of the small picture."""
    width, height, parts = means(data)
    small = (-(-width // 8), -(-height // 8))

    def plane(across, down, rows):
        return lambda x, y: rows[int(x * across), int(y * down)]

    planes = [plane(*part) for part in parts]
    return *small, encode(*small, planes)
