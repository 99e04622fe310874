//! A QR code as a PNG: one bit for each dot, of which every module is a square.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use qrcode::{Color, QrCode};

/// Dots of a module's side.
const SCALE: usize = 4;
/// Modules of the white border that scanners want.
const QUIET: usize = 4;

/// The picture of a text; `None` for one that no QR code can hold.
pub(crate) fn qr_png(text: &str) -> Option<Vec<u8>> {
    let code = QrCode::new(text).ok()?;
    let side = (code.width() + 2 * QUIET) * SCALE;
    let is_dark = |x: usize, y: usize| {
        let module = |at: usize| (at / SCALE).checked_sub(QUIET).filter(|at| *at < code.width());
        let at = module(x).zip(module(y));
        at.is_some_and(|(x, y)| code[(x, y)] == Color::Dark)
    };
    let mut rows = ZlibEncoder::new(Vec::new(), Compression::default());
    for y in 0..side {
        let mut line = vec![0_u8; 1 + side.div_ceil(8)]; // no filter, then eight dots a byte
        for x in (0..side).filter(|x| !is_dark(*x, y)) {
            line[1 + x / 8] |= 0x80 >> (x % 8);
        }
        rows.write_all(&line).ok()?;
    }
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let side = u32::try_from(side).ok()?.to_be_bytes();
    let header = [&side[..], &side, &[1, 0, 0, 0, 0]].concat(); // one bit, grey
    chunk(&mut png, *b"IHDR", &header);
    chunk(&mut png, *b"IDAT", &rows.finish().ok()?);
    chunk(&mut png, *b"IEND", &[]);
    Some(png)
}

fn chunk(png: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    let length = u32::try_from(data.len()).expect("a small picture");
    let named = [&kind[..], data].concat();
    png.extend(length.to_be_bytes());
    png.extend(&named);
    png.extend(crc32fast::hash(&named).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_a_png_of_its_size() {
        let png = qr_png("otpauth://totp/a@b?secret=GEZDGNBVGY3TQOJQ").unwrap();
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        let side = u32::from_be_bytes(png[16..20].try_into().unwrap());
        assert_eq!(&png[16..20], &png[20..24]);
        assert_eq!((side % 4, png[24], png[25]), (0, 1, 0));
        let length = u32::from_be_bytes(png[33..37].try_into().unwrap()) as usize;
        let mut dots = Vec::new();
        let data = &png[41..41 + length];
        std::io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(data), &mut dots).unwrap();
        let side = side as usize;
        assert_eq!(dots.len(), side * (1 + side.div_ceil(8)));
        // the border is white, the finder pattern's corner is black
        assert_eq!(dots[1], 0xff);
        let line = 1 + side.div_ceil(8);
        assert_eq!(dots[line * 16 + 1 + 2] & 0xf0, 0);
    }
}
