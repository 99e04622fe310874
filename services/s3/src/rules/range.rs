//! Byte ranges of reads.

use haar_wire::AwsError;

/// Some bytes of an object: from, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteRange {
    pub(crate) from: u64,
    pub(crate) length: u64,
}

impl ByteRange {
    /// `bytes 0-9/100`.
    pub(crate) fn shown(self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.from, self.from + self.length - 1)
    }

    /// All of them.
    pub(crate) fn all(size: u64) -> Self {
        Self { from: 0, length: size }
    }
}

/// Reads a `Range` header; `None` for one that says nothing, which AWS leaves out of account.
///
/// # Errors
/// `InvalidRange` for one that begins behind the object's end.
pub(crate) fn read(header: &str, size: u64) -> Result<Option<ByteRange>, AwsError> {
    let Some((first, last)) = bounds(header) else { return Ok(None) };
    let range = match (first, last) {
        (Some(first), Some(last)) if last < first => return Ok(None),
        (Some(first), last) if first < size => {
            let last = last.unwrap_or(u64::MAX).min(size - 1);
            Some(ByteRange { from: first, length: last - first + 1 })
        }
        (None, Some(count)) if count > 0 && size > 0 => {
            let length = count.min(size);
            Some(ByteRange { from: size - length, length })
        }
        _ => None,
    };
    match range {
        Some(range) => Ok(Some(range)),
        None => Err(unsatisfiable(header, size)),
    }
}

/// The refusal of a range that no byte lies in.
pub(crate) fn unsatisfiable(header: &str, size: u64) -> AwsError {
    AwsError::new("InvalidRange", 416, "The requested range is not satisfiable")
        .element("RangeRequested", header)
        .element("ActualObjectSize", size.to_string())
        .header("content-range", format!("bytes */{size}"))
}

fn bounds(header: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| match text.trim() {
        "" => Some(None),
        digits => digits.parse::<u64>().ok().map(Some),
    };
    let bounds = (number(first)?, number(last)?);
    (bounds != (None, None)).then_some(bounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_object() {
        let range = |from, length| Some(ByteRange { from, length });
        assert_eq!(read("bytes=0-4", 10).unwrap(), range(0, 5));
        assert_eq!(read("bytes=5-", 10).unwrap(), range(5, 5));
        assert_eq!(read("bytes=-3", 10).unwrap(), range(7, 3));
        assert_eq!(read("bytes=-30", 10).unwrap(), range(0, 10));
        assert_eq!(read("bytes=8-99", 10).unwrap(), range(8, 2));
        assert_eq!(range(8, 2).unwrap().shown(10), "bytes 8-9/10");
    }

    #[test]
    fn what_says_nothing_is_left_out_and_what_misses_the_object_is_refused() {
        for header in ["bytes=4-1", "bytes=a-b", "items=0-1", "bytes=0-1,3-4", "bytes=-"] {
            assert_eq!(read(header, 10).unwrap(), None, "{header}");
        }
        for (header, size) in [("bytes=10-", 10), ("bytes=0-0", 0), ("bytes=-0", 10)] {
            assert_eq!(read(header, size).unwrap_err().code(), "InvalidRange", "{header}");
        }
    }
}
