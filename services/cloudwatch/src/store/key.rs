//! Keys of metrics and of their points.

use std::ops::Range;

use bytes::Bytes;
use haar_cloudwatch_contract::peek::Sample;
use haar_types::{AccountId, Region, Timestamp};

use crate::rules::period::{Resolution, period_start};
use crate::rules::unit::Unit;

/// Names a metric: namespace, name and dimensions, in an account and region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MetricKey {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// By name; their order in a request is of no account.
    pub(crate) dimensions: Vec<(String, String)>,
}

/// Ends each text in a key; requests with control characters are refused.
const END: u8 = 0;

impl MetricKey {
    /// Names a metric; sorts the dimensions.
    pub(crate) fn new(
        (account, region): (&AccountId, &Region),
        namespace: &str,
        name: &str,
        mut dimensions: Vec<(String, String)>,
    ) -> Self {
        dimensions.sort();
        Self {
            account: account.clone(),
            region: region.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            dimensions,
        }
    }

    /// As bytes that sort like the metric.
    pub(crate) fn encode(&self) -> Bytes {
        let dimensions = self.dimensions.iter().map(|(name, value)| (&**name, &**value));
        Self::joined((&self.account, &self.region), &self.namespace, &self.name, dimensions)
    }

    /// The same of a value on its way in, whose dimensions have any order.
    pub(crate) fn of_sample(sample: &Sample<'_>) -> Bytes {
        let (place, namespace) = ((sample.account, sample.region), sample.namespace);
        match sample.dimensions {
            few @ ([] | [_]) => Self::joined(place, namespace, sample.metric, few.iter().copied()),
            many => {
                let mut sorted = many.to_vec();
                sorted.sort_unstable();
                Self::joined(place, namespace, sample.metric, sorted.into_iter())
            }
        }
    }

    fn joined<'a>(
        place: (&AccountId, &Region),
        namespace: &str,
        metric: &str,
        dimensions: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Bytes {
        let mut key = Self::prefix(place, Some(namespace));
        push(&mut key, metric);
        for (name, value) in dimensions {
            push(&mut key, name);
            push(&mut key, value);
        }
        key.into()
    }

    /// How the keys of an account's metrics in a region, or of one namespace, begin.
    pub(crate) fn prefix(
        (account, region): (&AccountId, &Region),
        namespace: Option<&str>,
    ) -> Vec<u8> {
        let mut key = Vec::with_capacity(128);
        push(&mut key, account.as_str());
        push(&mut key, region.as_str());
        if let Some(namespace) = namespace {
            push(&mut key, namespace);
        }
        key
    }

    /// Reads a key back.
    pub(crate) fn decode(key: &[u8]) -> Option<Self> {
        let mut texts = key.strip_suffix(&[END])?.split(|byte| *byte == END);
        let mut text = || std::str::from_utf8(texts.next()?).ok();
        let (account, region) = (text()?.parse().ok()?, text()?.parse().ok()?);
        let (namespace, name) = (text()?.to_owned(), text()?.to_owned());
        let mut dimensions = Vec::new();
        while let Some(dimension) = text() {
            dimensions.push((dimension.to_owned(), text()?.to_owned()));
        }
        Some(Self { account, region, namespace, name, dimensions })
    }
}

fn push(key: &mut Vec<u8>, text: &str) {
    key.extend(text.bytes().map(|byte| if byte == END { b' ' } else { byte }));
    key.push(END);
}

/// Names a stored period of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PointKey {
    pub(crate) resolution: Resolution,
    /// The period's start.
    pub(crate) at: Timestamp,
    pub(crate) unit: Unit,
}

impl PointKey {
    /// When a sweep moves it on: its resolution's retention is over for the whole period of the
    /// next coarser one.
    pub(crate) fn due_at(self) -> Timestamp {
        let whole = self.resolution.coarser().unwrap_or(self.resolution).period();
        period_start(self.at, whole) + whole + self.resolution.retention()
    }

    /// The metric's id, resolution, start in seconds, unit.
    pub(crate) fn encode(self, id: u64) -> Bytes {
        let mut key = start_key(id, self.resolution, self.at);
        key.push(self.unit.index());
        key.into()
    }

    /// Reads a key back, but for the metric's id.
    pub(crate) fn decode(key: &[u8]) -> Option<Self> {
        let (_, rest) = key.split_first_chunk::<8>()?;
        let (resolution, rest) = rest.split_first()?;
        let (seconds, rest) = rest.split_first_chunk::<8>()?;
        let seconds = i64::try_from(u64::from_be_bytes(*seconds)).ok()?;
        Some(Self {
            resolution: *Resolution::ALL.get(usize::from(*resolution))?,
            at: Timestamp(seconds.checked_mul(1000)?),
            unit: Unit::from_index(*rest.first()?)?,
        })
    }
}

/// The keys of a metric's points of a resolution, from a start on and before an end.
pub(crate) fn points_of(
    id: u64,
    resolution: Resolution,
    start: Timestamp,
    end: Timestamp,
) -> Range<Vec<u8>> {
    start_key(id, resolution, start)..start_key(id, resolution, end)
}

/// Rounds up to whole seconds: the bound of a range may lie within one.
fn start_key(id: u64, resolution: Resolution, at: Timestamp) -> Vec<u8> {
    let seconds = u64::try_from(at.0.max(0)).unwrap_or(0).div_ceil(1000);
    let mut key = Vec::with_capacity(18);
    key.extend(id.to_be_bytes());
    key.push(resolution as u8);
    key.extend(seconds.to_be_bytes());
    key
}
