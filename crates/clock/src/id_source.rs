//! The door to chance.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

/// Draws ids and random numbers: from the kernel's entropy, or from a seed.
#[derive(Clone)]
pub struct IdSource {
    seeded: Option<Arc<Mutex<SplitMix>>>,
}

impl fmt::Debug for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.seeded.is_some() { "IdSource(seeded)" } else { "IdSource(system)" })
    }
}

impl IdSource {
    /// The machine's entropy.
    pub fn system() -> Self {
        Self { seeded: None }
    }

    /// The same draws for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self { seeded: Some(Arc::new(Mutex::new(SplitMix(seed)))) }
    }

    /// A generator for one request, that handlers may draw from without I/O.
    pub fn ids(&self) -> Ids {
        Ids { state: Mutex::new(SplitMix(self.draw())), secret: self.clone() }
    }

    /// A number that is uniform over its type.
    pub fn draw(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_little(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Fills `bytes` with unpredictable content (predictable when seeded).
    pub fn fill(&self, bytes: &mut [u8]) {
        match &self.seeded {
            None => getrandom::fill(bytes).expect("the kernel gives entropy"),
            Some(state) => state.lock().fill(bytes),
        }
    }

    /// A random (version 4) UUID in lower case.
    pub fn uuid(&self) -> String {
        let mut bytes = [0; 16];
        self.fill_little(&mut bytes);
        uuid_text(bytes)
    }

    /// Fills a few bytes from what this thread has in stock.
    fn fill_little(&self, bytes: &mut [u8]) {
        match &self.seeded {
            None => STOCK.with_borrow_mut(|stock| stock.fill(bytes)),
            Some(state) => state.lock().fill(bytes),
        }
    }
}

thread_local! {
    static STOCK: RefCell<Stock> = const { RefCell::new(Stock { bytes: [0; 256], used: 256 }) };
}

/// The kernel's entropy, fetched some at a time: three system calls for each request would be
/// a tenth of a read. What was handed out is wiped.
struct Stock {
    bytes: [u8; 256],
    used: usize,
}

impl Stock {
    fn fill(&mut self, bytes: &mut [u8]) {
        if self.bytes.len() - self.used < bytes.len() {
            getrandom::fill(&mut self.bytes).expect("the kernel gives entropy");
            self.used = 0;
        }
        let taken = &mut self.bytes[self.used..self.used + bytes.len()];
        bytes.copy_from_slice(taken);
        taken.fill(0);
        self.used += bytes.len();
    }
}

/// One request's ids. Handlers draw from it instead of from entropy.
#[derive(Debug)]
pub struct Ids {
    state: Mutex<SplitMix>,
    secret: IdSource,
}

impl Ids {
    /// 32 lower-case hex digits.
    pub fn hex32(&self) -> String {
        self.hex(32)
    }

    /// `count` lower-case hex digits.
    pub fn hex(&self, count: usize) -> String {
        self.of(b"0123456789abcdef", count)
    }

    /// `count` letters of `alphabet`.
    pub fn of(&self, alphabet: &[u8], count: usize) -> String {
        let mut state = self.state.lock();
        let mut letter = || char::from(alphabet[(state.next() % alphabet.len() as u64) as usize]);
        (0..count).map(|_| letter()).collect()
    }

    /// A random (version 4) UUID in lower case.
    pub fn uuid(&self) -> String {
        let mut bytes = [0; 16];
        self.state.lock().fill(&mut bytes);
        uuid_text(bytes)
    }

    /// A random number.
    pub fn draw(&self) -> u64 {
        self.state.lock().next()
    }

    /// Unpredictable bytes for keys and secrets; never drawn from the request's generator.
    pub fn secret(&self, bytes: &mut [u8]) {
        self.secret.fill(bytes);
    }
}

/// SplitMix64: small, seedable, good enough for ids that need not be secret.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let drawn = self.next().to_le_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
    }
}

fn uuid_text(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_ids() {
        let (one, other) = (IdSource::seeded(7).ids(), IdSource::seeded(7).ids());
        assert_eq!(one.hex32(), other.hex32());
        assert_eq!(one.uuid(), other.uuid());
    }

    #[test]
    fn a_uuid_is_version_4() {
        let uuid = IdSource::system().uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]));
    }
}
