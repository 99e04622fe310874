//! Listings of many keys, page by page, against a model of what they ought to show.

#![allow(clippy::unwrap_used)]

mod house;

use std::collections::BTreeSet;

use haar_s3_contract::model::*;
use house::House;
use serde_json::json;

/// Chance that comes again the same: splitmix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    /// Few letters, so that keys share their beginnings; some are beyond ASCII.
    fn key(&mut self) -> String {
        let count = 1 + self.below(7);
        (0..count).map(|_| self.one_of(&["a", "b", "/", "-", "a/b", "é", "\u{ffff}"])).collect()
    }
}

/// What is asked for.
#[derive(Debug)]
struct Asked {
    prefix: String,
    delimiter: String,
    start_after: String,
    max_keys: u64,
}

/// Keys and common prefixes in the order of their bytes; prefixes are marked.
fn expected(keys: &BTreeSet<String>, asked: &Asked) -> Vec<(String, bool)> {
    let mut seen = BTreeSet::new();
    for key in keys.iter().filter(|key| **key > asked.start_after) {
        let Some(rest) = key.strip_prefix(&asked.prefix) else { continue };
        let cut = match asked.delimiter.is_empty() {
            true => None,
            false => rest.find(&asked.delimiter),
        };
        seen.insert(match cut {
            Some(at) => (format!("{}{}", asked.prefix, &rest[..at + asked.delimiter.len()]), true),
            None => (key.clone(), false),
        });
    }
    // Behind a common prefix is behind all that lies below it.
    seen.into_iter().filter(|(text, is_prefix)| !is_prefix || *text != asked.start_after).collect()
}

/// The same by the room's pages, each of which but the last is full.
async fn listed(house: &House, asked: &Asked) -> Vec<(String, bool)> {
    let (mut all, mut token) = (Vec::new(), None::<String>);
    loop {
        let mut input = json!({
            "Bucket": "bbb", "Prefix": asked.prefix, "Delimiter": asked.delimiter,
            "StartAfter": asked.start_after, "MaxKeys": asked.max_keys,
        });
        if let Some(token) = &token {
            input["ContinuationToken"] = json!(token);
        }
        let page = house.ok::<ListObjectsV2>(input).await;
        let texts = |list: &str, member: &str, is_prefix: bool| {
            let list = page[list].as_array().cloned().unwrap_or_default();
            let text = |one: &serde_json::Value| one[member].as_str().unwrap().to_owned();
            list.iter().map(|one| (text(one), is_prefix)).collect::<Vec<_>>()
        };
        let mut shown = texts("Contents", "Key", false);
        shown.extend(texts("CommonPrefixes", "Prefix", true));
        shown.sort();
        assert_eq!(page["KeyCount"], json!(shown.len()), "{asked:?}");
        let is_truncated = page["IsTruncated"] == json!(true);
        assert!(!is_truncated || shown.len() as u64 == asked.max_keys, "{asked:?}");
        assert!(shown.len() as u64 <= asked.max_keys, "{asked:?}");
        all.extend(shown);
        token = page["NextContinuationToken"].as_str().map(str::to_owned);
        assert_eq!(token.is_some(), is_truncated, "{asked:?}");
        if !is_truncated {
            return all;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pages_of_many_keys_show_each_key_and_each_common_prefix_once() {
    let house = House::new();
    house.ok::<CreateBucket>(json!({ "Bucket": "bbb" })).await;
    let mut chance = Chance(11);
    let keys: BTreeSet<String> = (0..4000).map(|_| chance.key()).collect();
    assert!(keys.len() > 1500, "{}", keys.len());
    for key in &keys {
        house.put(key, "x").await;
    }
    for round in 0..200 {
        let prefix = match round % 3 {
            0 => String::new(),
            _ => chance.key().chars().take(2).collect(),
        };
        let is_late = chance.below(4) == 0;
        let asked = Asked {
            start_after: if is_late { chance.key() } else { String::new() },
            delimiter: chance.one_of(&["", "/", "/", "a", "/b", "é"]).to_owned(),
            max_keys: [3, 17, 100, 1000][usize::try_from(chance.below(4)).unwrap()],
            prefix,
        };
        assert_eq!(listed(&house, &asked).await, expected(&keys, &asked), "{asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn configurations_and_buckets_are_listed_in_pages_with_tokens_of_their_own() {
    let house = House::new();
    for name in ["bbb", "ccc"] {
        house.ok::<CreateBucket>(json!({ "Bucket": name })).await;
    }
    for number in 0..101 {
        let id = format!("c{number:03}");
        let input = json!({ "Bucket": "bbb", "Id": id, "MetricsConfiguration": { "Id": id } });
        house.ok::<PutBucketMetricsConfiguration>(input).await;
    }
    let mut input = json!({ "Bucket": "bbb" });
    let first = house.ok::<ListBucketMetricsConfigurations>(input.clone()).await;
    assert_eq!(first["MetricsConfigurationList"].as_array().unwrap().len(), 100);
    assert_eq!(first["IsTruncated"], true);
    let token = first["NextContinuationToken"].clone();
    input["ContinuationToken"] = token.clone();
    let rest = house.ok::<ListBucketMetricsConfigurations>(input.clone()).await;
    assert_eq!(rest["MetricsConfigurationList"], json!([{ "Id": "c100" }]));
    assert_eq!((&rest["IsTruncated"], &rest["ContinuationToken"]), (&json!(false), &token));

    let buckets = house.ok::<ListBuckets>(json!({ "MaxBuckets": 1 })).await;
    assert_eq!(buckets["Buckets"][0]["Name"], "bbb");
    let more = json!({ "ContinuationToken": buckets["ContinuationToken"] });
    let buckets = house.ok::<ListBuckets>(more).await;
    assert_eq!(buckets["Buckets"][0]["Name"], "ccc");
    assert_eq!(buckets["ContinuationToken"], json!(null));

    input["ContinuationToken"] = json!("junk");
    let text = "The continuation token provided is incorrect".to_owned();
    let bad = Err(("InvalidArgument".to_owned(), text));
    assert_eq!(house.call::<ListBucketMetricsConfigurations>(input.clone()).await, bad);
    assert_eq!(house.call::<ListBucketInventoryConfigurations>(input.clone()).await, bad);
    assert_eq!(house.call::<ListBucketAnalyticsConfigurations>(input.clone()).await, bad);
    assert_eq!(house.call::<ListBucketIntelligentTieringConfigurations>(input.clone()).await, bad);
    assert_eq!(house.call::<ListBuckets>(json!({ "ContinuationToken": "junk" })).await, bad);
    input["ContinuationToken"] = token;
    assert_eq!(house.call::<ListBucketAnalyticsConfigurations>(input).await, bad);
}
