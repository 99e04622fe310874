//! One-time codes by the clock (RFC 6238: HMAC-SHA-1, six digits, thirty seconds).

use data_encoding::BASE32;
use haar_clock::Ids;
use haar_types::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// Bytes of a seed: 64 letters in base 32, as AWS's.
const SEED_LEN: usize = 40;
/// Seconds of a step.
const STEP_SECONDS: i64 = 30;
/// Codes are six digits.
const CODES: u32 = 1_000_000;
/// How many steps a code may be early or late, besides the device's known drift. *Ours*: RFC 6238
/// advises one.
const WINDOW: i64 = 1;
/// How far a device's clock may be off when it is paired or paired anew. *Ours*: a quarter of an
/// hour.
const PAIRING_WINDOW: i64 = 30;

/// A new seed.
pub(crate) fn mint_seed(ids: &Ids) -> Vec<u8> {
    let mut seed = vec![0; SEED_LEN];
    ids.secret(&mut seed);
    seed
}

/// A seed as apps take it.
pub(crate) fn seed_text(seed: &[u8]) -> String {
    BASE32.encode(seed)
}

/// What a phone's camera is shown. AWS docs: *IAM API Reference > VirtualMFADevice*.
pub(crate) fn seed_link(device: &str, account: &str, seed: &[u8]) -> String {
    format!("otpauth://totp/{device}@{account}?secret={}", seed_text(seed))
}

/// The step that a time is in.
pub(crate) fn step_at(now: Timestamp) -> i64 {
    now.seconds().div_euclid(STEP_SECONDS)
}

/// The code of a step.
pub(crate) fn code_of(seed: &[u8], step: i64) -> u32 {
    let mut mac = Hmac::<Sha1>::new_from_slice(seed).expect("HMAC takes keys of any length");
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash[19] & 15);
    let word = [hash[at], hash[at + 1], hash[at + 2], hash[at + 3]];
    (u32::from_be_bytes(word) & 0x7fff_ffff) % CODES
}

fn read(code: &str) -> Option<u32> {
    let is_code = code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
    code.parse().ok().filter(|_| is_code)
}

/// The step that a code is of: at most one away from where the device should be, and behind the
/// last step whose code was taken, since no code is good twice.
pub(crate) fn find_step(seed: &[u8], code: &str, expected: i64, taken: i64) -> Option<i64> {
    let code = read(code)?;
    let mut steps = (expected - WINDOW)..=(expected + WINDOW);
    steps.find(|step| *step > taken && code_of(seed, *step) == code)
}

/// The step of the second of two codes, one behind the other.
pub(crate) fn find_pair(seed: &[u8], codes: [&str; 2], expected: i64) -> Option<i64> {
    let [first, second] = [read(codes[0])?, read(codes[1])?];
    let mut steps = (expected - PAIRING_WINDOW)..=(expected + PAIRING_WINDOW);
    let is_pair = |step: &i64| code_of(seed, step - 1) == first && code_of(seed, *step) == second;
    steps.find(is_pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B, the last six of its eight digits
        for (seconds, code) in [
            (59, 287_082),
            (1_111_111_109, 81_804),
            (1_234_567_890, 5_924),
            (2_000_000_000, 279_037),
        ] {
            assert_eq!(code_of(SEED, step_at(Timestamp(seconds * 1000))), code);
        }
    }

    #[test]
    fn a_code_is_good_once_and_one_step_around() {
        let code = |step| format!("{:06}", code_of(SEED, step));
        for step in 99..=101 {
            assert_eq!(find_step(SEED, &code(step), 100, 0), Some(step));
            assert_eq!(find_step(SEED, &code(step), 100, step), None);
        }
        assert_eq!(find_step(SEED, &code(98), 100, 0), None);
        assert_eq!(find_step(SEED, "12345", 100, 0), None);
        assert_eq!(find_step(SEED, "+12345", 100, 0), None);
    }

    #[test]
    fn a_pair_is_two_codes_in_their_order() {
        let code = |step| format!("{:06}", code_of(SEED, step));
        assert_eq!(find_pair(SEED, [&code(99), &code(100)], 100), Some(100));
        assert_eq!(find_pair(SEED, [&code(89), &code(90)], 100), Some(90));
        assert_eq!(find_pair(SEED, [&code(100), &code(99)], 100), None);
        assert_eq!(find_pair(SEED, [&code(99), &code(101)], 100), None);
        assert_eq!(find_pair(SEED, [&code(9), &code(10)], 100), None);
    }

    #[test]
    fn a_seed_has_awss_length() {
        let seed = mint_seed(&haar_clock::IdSource::seeded(1).ids());
        assert_eq!(seed_text(&seed).len(), 64);
        let link = seed_link("phone", "123456789012", SEED);
        assert_eq!(
            link,
            "otpauth://totp/phone@123456789012?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        );
    }
}
