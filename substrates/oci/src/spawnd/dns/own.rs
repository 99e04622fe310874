//! Names that say their address themselves: `ip-10-0-3-7.ec2.internal` in the oldest region,
//! `ip-10-0-3-7.REGION.compute.internal` in the others.

use std::net::Ipv4Addr;

use super::HEADER_BYTES;

/// A record of an address, and of the internet's class.
const ADDRESS: u16 = 1;
const INTERNET: u16 = 1;
/// Seconds for which an answer may be kept.
const KEPT_S: u32 = 60;

/// One question for what a name has.
pub(super) struct Query {
    labels: Vec<String>,
    /// What is asked for.
    pub(super) kind: u16,
    class: [u8; 2],
    /// Where the question ends.
    end: usize,
}

/// The question in a message that has nothing but one, and is not of another kind such as a
/// change of a zone.
pub(super) fn query(message: &[u8]) -> Option<Query> {
    let is_plain_query = message.get(2)? & 0xf8 == 0 && message.get(4..6)? == [0, 1];
    let (labels, end) = labels(message).filter(|_| is_plain_query)?;
    let [high, low, class @ ..] = *message.get(end..)?.first_chunk::<4>()?;
    Some(Query { labels, kind: u16::from_be_bytes([high, low]), class, end: end + 4 })
}

/// The answer to a question about such a name; `None`: others know.
pub(super) fn answer(question: &[u8], query: &Query) -> Option<Vec<u8>> {
    let &Query { ref labels, kind, class, end } = query;
    let address = address_of(labels)?;
    let is_asked = kind == ADDRESS && class == INTERNET.to_be_bytes();
    let mut answer = question.get(..end)?.to_vec();
    answer[2] |= 0x80; // an answer,
    answer[3] = 0x80; // of one who can find more
    answer[6..HEADER_BYTES].copy_from_slice(&[0, u8::from(is_asked), 0, 0, 0, 0]);
    if is_asked {
        answer.extend([0xc0, HEADER_BYTES as u8]); // the name that was asked for
        answer.extend(ADDRESS.to_be_bytes());
        answer.extend(INTERNET.to_be_bytes());
        answer.extend(KEPT_S.to_be_bytes());
        answer.extend([0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}

/// The parts of the name that is asked for, in lower case, and where it ends.
fn labels(question: &[u8]) -> Option<(Vec<String>, usize)> {
    let (mut labels, mut at) = (Vec::new(), HEADER_BYTES);
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        match length {
            0 => return Some((labels, at)),
            1..=63 => {
                let label = String::from_utf8_lossy(question.get(at..at + length)?);
                labels.push(label.to_ascii_lowercase());
                at += length;
            }
            _ => return None,
        }
    }
}

fn address_of(labels: &[String]) -> Option<Ipv4Addr> {
    let labels: Vec<_> = labels.iter().map(String::as_str).collect();
    let ([host, "ec2", "internal"] | [host, _, "compute", "internal"]) = labels[..] else {
        return None;
    };
    let parts: Vec<_> = host.strip_prefix("ip-")?.split('-').collect();
    let address: Ipv4Addr = parts.join(".").parse().ok()?;
    address.is_private().then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(question: &[u8]) -> Option<Vec<u8>> {
        super::answer(question, &query(question)?)
    }

    fn question(name: &str, kind: u8) -> Vec<u8> {
        let mut question = vec![7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            question.push(label.len() as u8);
            question.extend(label.as_bytes());
        }
        question.extend([0, 0, kind, 0, 1]);
        question
    }

    #[test]
    fn private_names_say_their_address() {
        for name in ["ip-10-0-3-7.ec2.internal", "IP-10-0-3-7.eu-west-1.compute.internal"] {
            let answer = answer(&question(name, 1)).unwrap();
            assert_eq!(answer[..8], [7, 9, 0x81, 0x80, 0, 1, 0, 1], "{name}");
            assert!(answer.ends_with(&[0, 4, 10, 0, 3, 7]), "{name}");
        }
        // there is such a name, but it has no address of version 6
        let none = answer(&question("ip-10-0-3-7.ec2.internal", 28)).unwrap();
        assert_eq!(none[..8], [7, 9, 0x81, 0x80, 0, 1, 0, 0]);
    }

    #[test]
    fn other_names_are_left_to_others() {
        for name in [
            "example.com",
            "ip-8-8-8-8.ec2.internal",
            "ip-10-0-3.ec2.internal",
            "ip-10-0-3-700.ec2.internal",
            "web.ec2.internal",
        ] {
            assert_eq!(answer(&question(name, 1)), None, "{name}");
        }
        assert_eq!(answer(&[1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63, 1]), None);
        assert_eq!(answer(&[1, 2]), None);
    }
}
