//! What `rmp_serde` has written is read as `rmp_serde` reads it.

#![allow(clippy::unwrap_used)] // a test ends where it cannot go on

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use haar_pack::{read, read_named};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Nothing;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Name(String);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Plain,
    Named(Name),
    Both(u8, Option<i64>),
    Sized { width: u32, inner: Option<Box<Kind>> },
}

/// Takes any kind of value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Loose {
    Number(i64),
    Text(String),
    List(Vec<Loose>),
    Entries(BTreeMap<String, Loose>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    numbers: (u8, u16, u32, u64),
    signed: (i8, i16, i32, i64),
    wide: (i128, u128),
    real: (f32, f64),
    letter: char,
    is_good: bool,
    name: Name,
    bytes: Bytes,
    small: Vec<u8>,
    kinds: Vec<Kind>,
    loose: Option<Loose>,
    names: BTreeSet<Name>,
    by_number: BTreeMap<i32, Option<Kind>>,
    address: Ipv4Addr,
    wait: Duration,
    nothing: (Nothing, ()),
}

fn kind() -> impl Strategy<Value = Kind> {
    let leaf = prop_oneof![
        Just(Kind::Plain),
        ".{0,40}".prop_map(|name| Kind::Named(Name(name))),
        (any::<u8>(), any::<Option<i64>>()).prop_map(|(one, other)| Kind::Both(one, other)),
    ];
    leaf.prop_recursive(4, 8, 1, |inner| {
        (any::<u32>(), option::of(inner.prop_map(Box::new)))
            .prop_map(|(width, inner)| Kind::Sized { width, inner })
    })
}

fn loose() -> impl Strategy<Value = Loose> {
    let leaf = prop_oneof![any::<i64>().prop_map(Loose::Number), ".{0,9}".prop_map(Loose::Text)];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Loose::List),
            btree_map(".{0,9}", inner, 0..4).prop_map(Loose::Entries),
        ]
    })
}

fn row() -> impl Strategy<Value = Row> {
    let numbers = (any::<(u8, u16, u32, u64)>(), any::<(i8, i16, i32, i64)>());
    let wide = (any::<(i128, u128)>(), -1e9_f32..1e9, -1e99_f64..1e99);
    let plain = (any::<char>(), any::<bool>(), ".{0,300}", vec(any::<u8>(), 0..300));
    let held = (vec(kind(), 0..20), option::of(loose()), vec(".{0,9}", 0..20));
    let rest = (btree_map(any::<i32>(), option::of(kind()), 0..4), any::<u32>(), any::<u64>());
    (numbers, wide, plain, held, rest).prop_map(|(numbers, wide, plain, held, rest)| Row {
        numbers: numbers.0,
        signed: numbers.1,
        wide: wide.0,
        real: (wide.1, wide.2),
        letter: plain.0,
        is_good: plain.1,
        name: Name(plain.2),
        bytes: plain.3.clone().into(),
        small: plain.3,
        kinds: held.0,
        loose: held.1,
        names: held.2.into_iter().map(Name).collect(),
        by_number: rest.0,
        address: rest.1.into(),
        wait: Duration::from_millis(rest.2),
        nothing: (Nothing, ()),
    })
}

proptest! {
    #[test]
    fn rows_come_back_in_both_forms(row in row()) {
        prop_assert_eq!(&read_named::<Row>(&rmp_serde::to_vec_named(&row).unwrap()).unwrap(), &row);
        prop_assert_eq!(&read::<Row>(&rmp_serde::to_vec(&row).unwrap()).unwrap(), &row);
    }

    #[test]
    fn a_row_cut_short_is_none(row in row(), at in any::<prop::sample::Index>()) {
        let bytes = rmp_serde::to_vec_named(&row).unwrap();
        prop_assert!(read_named::<Row>(&bytes[..at.index(bytes.len())]).is_err());
        prop_assert!(read_named::<Row>(&[&bytes[..], &[0xc0]].concat()).is_err());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..60)) {
        prop_assert_eq!(read::<Kind>(&bytes).ok().is_some(), reread::<Kind>(&bytes));
        _ = read_named::<Row>(&bytes);
        _ = read::<BTreeMap<String, Vec<Kind>>>(&bytes);
        _ = read::<Loose>(&bytes);
    }
}

/// Whether what bytes are read as comes back from its own bytes.
fn reread<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> bool {
    let value = read::<T>(bytes);
    value.is_ok_and(|value| read::<T>(&rmp_serde::to_vec(&value).unwrap()) == Ok(value))
}

/// A row as a former haar wrote it, and as a later one may.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Older {
    name: String,
    went: BTreeMap<String, Vec<Kind>>,
    count: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Newer {
    count: u64,
    #[serde(default)]
    came: Option<String>,
    name: String,
}

#[test]
fn members_that_went_are_passed_and_new_ones_have_their_default() {
    let held = vec![Kind::Plain, Kind::Sized { width: 7, inner: None }];
    let older = Older { name: "a".into(), went: [("x".to_owned(), held)].into(), count: 3 };
    let newer: Newer = read_named(&rmp_serde::to_vec_named(&older).unwrap()).unwrap();
    assert_eq!(newer, Newer { count: 3, came: None, name: "a".into() });
}

#[test]
fn values_of_another_kind_are_refused_and_told_of() {
    let told = |bytes: &[u8]| read::<u8>(bytes).unwrap_err().to_string();
    assert_eq!(told(&[0xa1, b'x']), "no such number");
    assert_eq!(told(&[0xcd, 1, 0]), "invalid value: integer `256`, expected u8");
    assert_eq!(told(&[]), "the bytes end within a value");
    assert_eq!(
        read::<Name>(&[0xa2, 0xff, 0xfe]).unwrap_err().to_string(),
        "a text that is not UTF-8"
    );
    assert_eq!(read::<Kind>(&[0x82]).unwrap_err().to_string(), "no variant");
}

/// Lists in lists, each one byte.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Nest(Vec<Nest>);

#[test]
fn what_lies_too_deep_is_refused_before_the_stack_ends() {
    let deep = [vec![0x91; 500], vec![0x90]].concat();
    assert!(read::<Nest>(&deep).is_ok());
    let deeper = vec![0x91; 1 << 20];
    assert_eq!(read::<Nest>(&deeper).unwrap_err().to_string(), "values lie too deep");
    let held = [vec![0x81, 0xa1, b'x'], vec![0x91; 1 << 20], vec![0x90]].concat();
    #[derive(Debug, Deserialize)]
    struct Empty {}
    assert!(read_named::<Empty>(&held).is_ok(), "what is passed may lie however deep");
}
