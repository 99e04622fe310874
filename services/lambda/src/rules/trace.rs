//! The tracing header: which trace an invocation belongs to, whether it is sampled, and which
//! functions led to it. AWS docs: *X-Ray Developer Guide > Tracing header*, *Use Lambda recursive
//! loop detection to prevent infinite loops*.

use std::fmt;

use sha2::{Digest, Sha256};

/// Invocations of one function in one chain of requests; the next is stopped. AWS docs: *Lambda
/// recursive loop detection* ("approximately 16 times").
pub const CHAIN_INVOCATIONS_MAX: u32 = 16;

/// Functions that a lineage names; the first gives way. *Ours*.
const LINEAGE_MAX: usize = 32;

/// `X-Amzn-Trace-Id`: `Root=…;Parent=…;Sampled=1;Lineage=a87bd80c:1|68fd508a:5`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceHeader {
    /// `1-5759e988-bd862e3fe1be46a994272793`: seconds of its beginning, and chance.
    pub root: String,
    /// The caller's segment.
    pub parent: Option<String>,
    /// The decision, where one was made.
    pub sampled: Option<bool>,
    /// The functions that led here.
    pub lineage: Lineage,
    /// What others have put there.
    others: Vec<String>,
}

/// The functions that led to an invocation, each with how often it came again after its first
/// time. A function is named by eight digits of a digest of its ARN. *Ours*: AWS documents that
/// the header has such a part, not what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage(Vec<(String, u32)>);

impl TraceHeader {
    /// A header that begins a trace.
    pub fn new(root: String) -> Self {
        let (parent, sampled) = (None, None);
        Self { root, parent, sampled, lineage: Lineage::default(), others: Vec::new() }
    }

    /// Reads a header; `None` where it names no trace.
    pub fn parse(text: &str) -> Option<Self> {
        let mut header = Self::new(String::new());
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("Root", root)) if is_root(root) => root.clone_into(&mut header.root),
                Some(("Parent", parent)) if is_hex(parent, 16) => {
                    header.parent = Some(parent.to_owned());
                }
                Some(("Sampled", "1")) => header.sampled = Some(true),
                Some(("Sampled", "0")) => header.sampled = Some(false),
                Some(("Lineage", lineage)) => header.lineage = Lineage::parse(lineage),
                Some(("Root" | "Parent" | "Sampled", _)) | None => {}
                Some(_) if part.bytes().all(|byte| byte.is_ascii_graphic()) => {
                    header.others.push(part.to_owned());
                }
                Some(_) => {}
            }
        }
        (!header.root.is_empty()).then_some(header)
    }
}

impl fmt::Display for TraceHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root={}", self.root)?;
        if let Some(parent) = &self.parent {
            write!(f, ";Parent={parent}")?;
        }
        if let Some(sampled) = self.sampled {
            write!(f, ";Sampled={}", u8::from(sampled))?;
        }
        for (number, (function, count)) in self.lineage.0.iter().enumerate() {
            let before = if number == 0 { ";Lineage=" } else { "|" };
            write!(f, "{before}{function}:{count}")?;
        }
        self.others.iter().try_for_each(|other| write!(f, ";{other}"))
    }
}

impl Lineage {
    /// Reads `a87bd80c:1|68fd508a:5`; what is no pair is left out.
    fn parse(text: &str) -> Self {
        let pair = |part: &str| {
            let (function, count) = part.rsplit_once(':')?;
            let function = function.rsplit(':').next()?; // some put a number before it
            let known = is_hex(function, 8).then(|| function.to_owned());
            Some((known?, count.parse().ok()?))
        };
        Self(text.split('|').filter_map(pair).take(LINEAGE_MAX).collect())
    }

    /// Notes one more invocation of a function, and answers which one of this chain it is.
    pub fn visit(&mut self, function_arn: &str) -> u32 {
        let digest = Sha256::digest(function_arn);
        let name: String = digest[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        if let Some((_, count)) = self.0.iter_mut().find(|(function, _)| *function == name) {
            *count = count.saturating_add(1);
            return count.saturating_add(1);
        }
        if self.0.len() == LINEAGE_MAX {
            self.0.remove(0);
        }
        self.0.push((name, 0));
        1
    }
}

fn is_root(text: &str) -> bool {
    let mut parts = text.split('-');
    let (version, seconds, chance) = (parts.next(), parts.next(), parts.next());
    version == Some("1")
        && seconds.is_some_and(|seconds| is_hex(seconds, 8))
        && chance.is_some_and(|chance| is_hex(chance, 24))
        && parts.next().is_none()
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";

    #[test]
    fn a_header_is_read_and_written() {
        let text = format!(
            "Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1|68fd508a:5;Self=x"
        );
        let header = TraceHeader::parse(&text).unwrap();
        assert_eq!(header.to_string(), text);
        assert_eq!((header.root.as_str(), header.sampled), (ROOT, Some(true)));
        let open =
            TraceHeader::parse(&format!(" Sampled=? ; Root={ROOT}; Lineage=1:a87bd80c:0")).unwrap();
        assert_eq!(open.to_string(), format!("Root={ROOT};Lineage=a87bd80c:0"));
        for nonsense in ["", "x", "Root=1-2-3", "Parent=53995c3f42cd8ad8", "Root=\r\nX: y"] {
            assert_eq!(TraceHeader::parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn each_function_of_a_chain_is_counted() {
        let mut lineage = Lineage::default();
        for round in 1..=20 {
            assert_eq!(lineage.visit("arn:aws:lambda:a:1:function:a"), round);
            assert_eq!(lineage.visit("arn:aws:lambda:a:1:function:b"), round);
        }
        let visits: Vec<u32> = (0..100).map(|n| lineage.visit(&format!("f{n}"))).collect();
        assert_eq!(visits, [1; 100]);
        assert_eq!(lineage.0.len(), LINEAGE_MAX);
    }
}
