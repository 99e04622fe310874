//! Tables of a small library, for the tests.

use haar_ledger::{IndexEntry, Row, Tables};
use serde::{Deserialize, Serialize};

/// A book; its status only moves on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BookRow {
    pub(crate) title: String,
    pub(crate) shelf: String,
    #[serde(default)]
    pub(crate) wear: u32,
}

impl Row for BookRow {
    type Key = String;
    const TABLE: &'static str = "library.book";

    fn key(&self) -> String {
        self.title.clone()
    }

    fn check(old: Option<&Self>, new: &Self) -> Result<(), String> {
        match old {
            Some(old) if new.wear < old.wear => {
                Err(format!("wear {} after {}", new.wear, old.wear))
            }
            _ => Ok(()),
        }
    }

    fn indexes(&self) -> Vec<IndexEntry> {
        vec![IndexEntry::new("shelf", &*self.shelf)]
    }
}

/// How often a reader came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct VisitRow {
    pub(crate) reader: (u32, u64),
    pub(crate) count: u64,
}

impl Row for VisitRow {
    type Key = (u32, u64);
    const TABLE: &'static str = "library.visit";

    fn key(&self) -> (u32, u64) {
        self.reader
    }
}

pub(crate) fn tables() -> Tables {
    Tables::new().with::<BookRow>().with::<VisitRow>()
}

pub(crate) fn book(title: &str, shelf: &str) -> BookRow {
    BookRow { title: title.to_owned(), shelf: shelf.to_owned(), wear: 0 }
}
