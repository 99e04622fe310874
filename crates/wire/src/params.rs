//! Query strings and forms.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Parameters in the order they came, decoded.
pub(crate) type Params = Vec<(String, String)>;

/// Parameters of a request at most; who sends more is refused. *Ours*.
pub(crate) const PARAMS_MAX: usize = 100_000;

/// Reads `a=1&b=two+words`; what is not UTF-8 is replaced. Of too many, as many as tell so.
pub(crate) fn parse(text: &str) -> Params {
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).take(PARAMS_MAX + 1);
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// A path of S3's, where a plus means a space as it does in a form: who means a plus writes `%2B`.
pub fn spaced(path: Cow<'_, str>) -> Cow<'_, str> {
    if path.contains('+') { Cow::Owned(path.replace('+', "%20")) } else { path }
}

/// A path's segment, decoded; a plus is a plus there. None where it is no UTF-8: two that differ
/// would be one otherwise.
pub(crate) fn decode_segment(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Cow::into_owned)
}

fn decode(text: &str) -> String {
    if !text.contains(['%', '+']) {
        return text.to_owned();
    }
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// The first value of a name.
pub(crate) fn first<'a>(params: &'a Params, name: &str) -> Option<&'a str> {
    params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}
