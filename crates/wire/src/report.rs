//! What is wrong with an input: all violations of its model, with AWS's paths and words.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::operation::{Protocol, ServiceSchema, Wording};
use crate::schema::{Member, Schema};
use crate::{AwsError, Shape};

/// Violations quoted in one message at most; AWS's answers stay readable likewise.
const VIOLATIONS_MAX: usize = 100;
/// Nested lists, maps and structures at most.
const DEPTH_MAX: usize = 100;
/// Bytes that items and entries take in memory at most, for each byte of their body, for a body of
/// any size, and in all. *Ours*: what means something is seldom beyond thirty, an empty item of CBOR
/// is hundreds.
const HELD_PER_BYTE: usize = 64;
const HELD_ANYWAY: usize = 4 << 20;
const HELD_MAX: usize = 1 << 30;
/// Parts of names in a form, or elements of a document, at most. *Ours*.
const NODES_MAX: usize = 200_000;

/// Collects what is wrong while an input is read.
#[derive(Default)]
pub(crate) struct Report {
    path: Vec<Step>,
    violations: Vec<String>,
    /// The first of them in the words of [`Wording::First`].
    first: Option<String>,
    /// Paths of members that are missing, in the model's case.
    missing: Vec<String>,
    /// The same as the messages write them.
    absent: BTreeSet<String>,
    malformed: Option<String>,
    /// Bytes that items and entries may still take, and nodes that a tree may still have.
    room: usize,
    nodes: usize,
    /// The members that a document holds.
    document: &'static [Member],
    /// True when a violation lies in the document.
    misfits: bool,
    /// True when a document is required and there is none.
    lacks_document: bool,
    /// What the service says itself.
    told: Option<AwsError>,
}

/// What S3 says of a document that does not fit its schema.
const MISFIT: &str = "The XML you provided was not well-formed or did not validate against our \
                      published schema";

enum Step {
    Member(&'static str),
    Index(usize),
    Key(String),
}

/// The input cannot be read at all; the report knows why.
#[derive(Debug)]
pub(crate) struct Malformed;

/// Which members of a structure were there.
#[derive(Default)]
pub(crate) struct Seen([u64; 8]);

impl Seen {
    pub(crate) fn add(&mut self, index: usize) {
        if let Some(word) = self.0.get_mut(index / 64) {
            *word |= 1 << (index % 64);
        }
    }

    /// Forgets a member that comes once more; true where it was there.
    pub(crate) fn take(&mut self, index: usize) -> bool {
        let Some(word) = self.0.get_mut(index / 64) else { return false };
        let before = *word;
        *word &= !(1 << (index % 64));
        *word != before
    }

    pub(crate) fn has(&self, index: usize) -> bool {
        self.0.get(index / 64).is_none_or(|word| word & (1 << (index % 64)) != 0)
    }
}

impl Report {
    /// For what is in memory already: all of it is kept.
    pub(crate) fn of_memory() -> Self {
        Self { room: usize::MAX, ..Self::default() }
    }

    /// For a body of so many bytes.
    pub(crate) fn of_body(body_bytes: usize) -> Self {
        let room = body_bytes.saturating_mul(HELD_PER_BYTE).saturating_add(HELD_ANYWAY);
        Self { room: room.min(HELD_MAX), nodes: NODES_MAX, ..Self::default() }
    }

    /// Whether an item that was read is to be kept: not where nothing of it would be told any more.
    pub(crate) fn keeps(&mut self, item_bytes: usize) -> Result<bool, Malformed> {
        if self.room != usize::MAX && self.violations.len() == VIOLATIONS_MAX {
            return Ok(false);
        }
        self.takes(item_bytes).map(|()| true)
    }

    /// Makes room for an entry, which is kept in any case.
    pub(crate) fn takes(&mut self, entry_bytes: usize) -> Result<(), Malformed> {
        if self.room == usize::MAX {
            return Ok(());
        }
        match self.room.checked_sub(entry_bytes) {
            Some(room) => self.room = room,
            None => return Err(self.malformed("the input holds too many items for its size")),
        }
        Ok(())
    }

    /// Takes one node of a tree; false where there are none left.
    pub(crate) fn takes_node(&mut self) -> bool {
        let left = self.nodes.checked_sub(1);
        self.nodes = left.unwrap_or(0);
        left.is_some()
    }

    /// Runs `read` one step further down the path.
    pub(crate) fn in_member<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.step(Step::Member(name), read)
    }

    /// The same for an item; positions count from one.
    pub(crate) fn in_item<T>(&mut self, position: usize, read: impl FnOnce(&mut Self) -> T) -> T {
        self.step(Step::Index(position), read)
    }

    /// The same for a map's value.
    pub(crate) fn in_key<T>(
        &mut self,
        key: impl Into<String>,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.step(Step::Key(key.into()), read)
    }

    fn step<T>(&mut self, step: Step, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let result = read(self);
        self.path.pop();
        result
    }

    /// True when values nest deeper than any model does.
    pub(crate) fn too_deep(&self) -> bool {
        self.path.len() > DEPTH_MAX
    }

    /// Notes that a document holds these members; any other is somewhere else.
    pub(crate) fn has_document(&mut self, members: &'static [Member]) {
        self.document = members;
    }

    /// Notes that the document is missing that holds a member.
    pub(crate) fn lacks_document(&mut self, member: &Member) {
        self.lacks_document |= member.required;
    }

    /// Notes what the service says itself; the first counts.
    pub(crate) fn told(&mut self, error: AwsError) {
        self.told.get_or_insert(error);
    }

    /// Notes why the input cannot be read.
    pub(crate) fn malformed(&mut self, why: impl Into<String>) -> Malformed {
        self.malformed.get_or_insert_with(|| why.into());
        Malformed
    }

    /// Notes members that the model requires and that were not there.
    pub(crate) fn missing(&mut self, members: &'static [Member], seen: &Seen) {
        for (index, member) in members.iter().enumerate() {
            if member.required && !seen.has(index) {
                self.in_member(member.name, |report| {
                    report.violation(Some("null"), "Member must not be null");
                    report.note_missing();
                });
            }
        }
    }

    /// True when the member reached is missing: what stands in its place was sent by nobody.
    pub(crate) fn is_missing(&self) -> bool {
        if self.absent.is_empty() {
            return false;
        }
        let mut path = String::new();
        self.write_path(&mut path);
        self.absent.contains(&path)
    }

    /// With each of these there is a violation too, so beyond them nothing more is told.
    fn note_missing(&mut self) {
        if self.missing.len() == VIOLATIONS_MAX {
            return;
        }
        let mut told = String::new();
        self.write_path(&mut told);
        self.absent.insert(told);
        let steps = self.path.iter().map(|step| match step {
            Step::Member(name) => (*name).to_owned(),
            Step::Index(index) => format!("member.{index}"),
            Step::Key(key) => key.clone(),
        });
        let path = steps.collect::<Vec<_>>().join(".");
        self.missing.push(path);
    }

    /// Notes a text that its enum does not have.
    pub(crate) fn not_in_enum(&mut self, schema: &Schema, text: &str, values: &[&str]) {
        let quoted = (!schema.sensitive).then(|| format!("'{text}'"));
        let constraint = format!("Member must satisfy enum value set: [{}]", values.join(", "));
        self.violation(quoted.as_deref(), &constraint);
    }

    /// Notes a violation at the path reached; `value` as it is to be quoted, if it may be.
    pub(crate) fn violation(&mut self, value: Option<&str>, constraint: &str) {
        if let Some(Step::Member(top)) = self.path.first() {
            self.misfits |=
                self.document.iter().any(|member| member.in_document() && member.name == *top);
        }
        if self.violations.len() == VIOLATIONS_MAX {
            return;
        }
        if self.first.is_none() {
            self.first = Some(self.alone(constraint));
        }
        let mut text = String::from("Value ");
        if let Some(value) = value {
            text.push_str(value);
            text.push(' ');
        }
        text.push_str("at '");
        self.write_path(&mut text);
        text.push_str("' failed to satisfy constraint: ");
        text.push_str(constraint);
        self.violations.push(text);
    }

    /// A violation at the path reached, told alone: by its member's name, without its value.
    fn alone(&self, constraint: &str) -> String {
        let mut names = self.path.iter().rev().filter_map(|step| match step {
            Step::Member(name) => Some(*name),
            Step::Index(_) | Step::Key(_) => None,
        });
        let name = lower_first(names.next().unwrap_or_default());
        format!("Invalid parameter at '{name}' failed to satisfy constraint: '{constraint}'")
    }

    /// Notes a violation of a plain value, which [`Wording::First`] has other words for.
    pub(crate) fn plain_violation(&mut self, value: Option<&str>, constraint: &str) {
        if self.first.is_none() {
            let words = constraint.strip_prefix("Member ").unwrap_or(constraint);
            let words = match words.split_once("regular expression pattern: ") {
                Some((before, pattern)) => format!("{before}regular expression '{pattern}'"),
                None => words.to_owned(),
            };
            self.first = Some(self.alone(&words));
        }
        self.violation(value, constraint);
    }

    fn write_path(&self, out: &mut String) {
        for (position, step) in self.path.iter().enumerate() {
            if position > 0 {
                out.push('.');
            }
            // Writing to a String cannot fail.
            let _ = match step {
                Step::Member(name) => write!(out, "{}", lower_first(name)),
                Step::Index(index) => write!(out, "{index}.member"),
                Step::Key(key) => write!(out, "{key}.member"),
            };
        }
    }

    /// The input's constraints, checked once it is read.
    pub(crate) fn check(&mut self, shape: &dyn Shape) {
        crate::constraints::check_shape(shape, self);
    }

    /// What the customer is told, if anything is wrong.
    pub(crate) fn finish(mut self, service: &ServiceSchema) -> Result<(), AwsError> {
        if let Some(error) = self.told {
            return Err(error);
        }
        let style = &service.error_style;
        if style.wording == Wording::Document {
            self.judge_document(style.malformed_code)?;
        }
        if let Some(why) = self.malformed {
            return Err(AwsError::new(style.malformed_code, 400, why).query_code("MalformedInput"));
        }
        if service.speaks(Protocol::Ec2)
            && let Some(name) = self.missing.first()
        {
            let text = format!("The request must contain the parameter {name}");
            return Err(AwsError::new("MissingParameter", 400, text));
        }
        if let Some(style) = service.error_style.missing.filter(|_| !self.missing.is_empty()) {
            self.missing.sort_by_key(|path| path.matches('.').count()); // the outer ones first
            let lines = self.missing.iter().map(|path| style.words.replacen("{}", path, 1));
            let text = lines.collect::<Vec<_>>().join("\n");
            return Err(AwsError::new(style.name, 400, text).query_code(style.code));
        }
        let message = match service.error_style.wording {
            Wording::All | Wording::Document => self.message(),
            Wording::First => self.first.take(),
        };
        match message {
            Some(message) => Err(AwsError::validation(service, message)),
            None => Ok(()),
        }
    }

    fn judge_document(&self, malformed_code: &'static str) -> Result<(), AwsError> {
        if self.malformed.is_some() || self.misfits {
            return Err(AwsError::new(malformed_code, 400, MISFIT));
        }
        match self.lacks_document {
            true => Err(AwsError::new("MissingRequestBodyError", 400, "Request Body is empty")),
            false => Ok(()),
        }
    }

    /// What is wrong in one text, if anything is.
    pub(crate) fn message(&self) -> Option<String> {
        if let Some(why) = &self.malformed {
            return Some(why.clone());
        }
        let plural = match self.violations.len() {
            0 => return None,
            1 => "",
            _ => "s",
        };
        let count = self.violations.len();
        Some(format!("{count} validation error{plural} detected: {}", self.violations.join("; ")))
    }
}

/// `FunctionName` as AWS's messages name it: `functionName`.
fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}
