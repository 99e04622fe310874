//! A shared library of a few bytes for the Java bootstrap: Java itself cannot change its working
//! directory, which is mounted when the virtual machine already waits.

/// What Java calls: `haar.Raw.enter()`.
const SYMBOL: &[u8] = b"\0Java_haar_Raw_enter\0";

/// Where it enters: the function's code.
const PATH: &[u8] = b"/var/task\0";

/// `return chdir(path)`, with the path right behind the code.
#[cfg(target_arch = "x86_64")]
const CODE: &[u8; 16] = &[
    0x48, 0x8d, 0x3d, 0x09, 0, 0, 0, // lea rdi, [rip + 9]
    0xb8, 80, 0, 0, 0, // mov eax, 80 (chdir)
    0x0f, 0x05, // syscall
    0xc3, 0x90, // ret
];
#[cfg(target_arch = "aarch64")]
const CODE: &[u8; 16] = &[
    0x80, 0x00, 0x00, 0x10, // adr x0, 16
    0x28, 0x06, 0x80, 0xd2, // mov x8, 49 (chdir)
    0x01, 0x00, 0x00, 0xd4, // svc 0
    0xc0, 0x03, 0x5f, 0xd6, // ret
];
#[cfg(target_arch = "x86_64")]
const MACHINE: u64 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u64 = 183;

const HEADERS_BYTES: u64 = 64 + 4 * 56;
const HASH_AT: u64 = HEADERS_BYTES;
const SYMBOLS_AT: u64 = HASH_AT + 24;
const NAMES_AT: u64 = SYMBOLS_AT + 48;
const CODE_AT: u64 = NAMES_AT + 24;
const DYNAMIC_AT: u64 = CODE_AT + 32;
const DYNAMIC_BYTES: u64 = 6 * 16;

/// Segments lie apart by the largest page there is: the second one is written to.
const PAGE: u64 = 0x1_0000;

/// The library's bytes.
pub(super) fn library() -> Vec<u8> {
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    put(&mut elf, &[(3, 2), (MACHINE, 2), (1, 4), (0, 8), (64, 8), (0, 8), (0, 4)]);
    put(&mut elf, &[(64, 2), (56, 2), (4, 2), (64, 2), (0, 2), (0, 2)]);
    segment(&mut elf, [1, 5], 0, 0, DYNAMIC_AT); // load: headers, tables, code
    segment(&mut elf, [1, 6], DYNAMIC_AT, PAGE, DYNAMIC_BYTES); // load: what the linker writes to
    segment(&mut elf, [2, 6], DYNAMIC_AT, PAGE, DYNAMIC_BYTES); // which is the dynamic table
    segment(&mut elf, [0x6474_e551, 6], 0, 0, 0); // the stack is not for code
    put(&mut elf, &[(1, 4), (2, 4), (1, 4), (0, 4), (0, 4), (0, 4)]); // one bucket, one symbol
    put(&mut elf, &[(0, 8), (0, 8), (0, 8)]);
    put(&mut elf, &[(1, 4), (0x12, 1), (0, 1), (1, 2), (CODE_AT, 8), (CODE.len() as u64, 8)]);
    padded(&mut elf, SYMBOL, CODE_AT);
    elf.extend_from_slice(CODE);
    padded(&mut elf, PATH, DYNAMIC_AT);
    let tables =
        [(4, HASH_AT), (6, SYMBOLS_AT), (5, NAMES_AT), (10, SYMBOL.len() as u64), (11, 24)];
    for (tag, value) in tables {
        put(&mut elf, &[(tag, 8), (value, 8)]);
    }
    put(&mut elf, &[(0, 8), (0, 8)]);
    elf
}

/// A program header; `apart` lies between the place in the file and that in memory.
fn segment(elf: &mut Vec<u8>, [kind, flags]: [u64; 2], at: u64, apart: u64, size: u64) {
    put(elf, &[(kind, 4), (flags, 4), (at, 8), (at + apart, 8), (at + apart, 8)]);
    put(elf, &[(size, 8), (size, 8), (if kind == 1 { PAGE } else { 8 }, 8)]);
}

fn put(elf: &mut Vec<u8>, fields: &[(u64, usize)]) {
    for (value, length) in fields {
        elf.extend_from_slice(&value.to_le_bytes()[..*length]);
    }
}

fn padded(elf: &mut Vec<u8>, bytes: &[u8], to: u64) {
    elf.extend_from_slice(bytes);
    elf.resize(to as usize, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_where_the_headers_say() {
        let elf = library();
        assert_eq!(elf.len() as u64, DYNAMIC_AT + DYNAMIC_BYTES);
        let at = |from: u64, bytes: &[u8]| elf[from as usize..].starts_with(bytes);
        assert!(at(NAMES_AT, SYMBOL) && at(CODE_AT, CODE) && at(CODE_AT + 16, PATH));
        assert!(at(SYMBOLS_AT + 24, &1_u32.to_le_bytes()), "the symbol's name");
        assert!(at(SYMBOLS_AT + 32, &CODE_AT.to_le_bytes()), "the symbol's place");
        assert!(at(DYNAMIC_AT, &4_u64.to_le_bytes()) && at(DYNAMIC_AT + 8, &HASH_AT.to_le_bytes()));
    }
}
