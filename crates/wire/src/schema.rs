//! Schema tables: what a model says of each shape, as static data that every codec reads.

use std::sync::OnceLock;

/// One named shape of a model.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// The model's name, such as `FunctionName`.
    pub name: &'static str,
    /// What it is made of.
    pub kind: Kind,
    /// Smallest length (text, blobs, lists, maps) or value (numbers).
    pub min: Option<i64>,
    /// Largest length or value.
    pub max: Option<i64>,
    /// Java-style pattern that the whole text must match.
    pub pattern: Option<&'static Pattern>,
    /// Never logged, never quoted in a message.
    pub sensitive: bool,
}

/// What a shape is made of.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// true or false.
    Boolean,
    /// 32 bits, signed.
    Integer,
    /// 64 bits, signed.
    Long,
    /// A number with a fraction; `float` and `double` alike.
    Double,
    /// Text.
    Text,
    /// Text out of a closed list.
    Enum(&'static [&'static str]),
    /// Bytes held in memory; base64 in JSON, query and XML.
    Blob,
    /// The message body as it flows.
    Stream,
    /// A point in time; `None`: the protocol's own format.
    Timestamp(Option<TimestampFormat>),
    /// Any JSON value.
    Document,
    /// Values in a row.
    List(&'static ListSchema),
    /// Values by text.
    Map(&'static MapSchema),
    /// Members by name.
    Structure(&'static StructSchema),
    /// A stream of events, each a member of this union.
    Events(&'static StructSchema),
}

/// How a point in time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampFormat {
    /// Seconds since 1970, with a fraction: JSON's default.
    EpochSeconds,
    /// `2026-01-31T09:30:00Z`: query's and XML's default.
    DateTime,
    /// `Sat, 31 Jan 2026 09:30:00 GMT`: the default in headers.
    HttpDate,
}

/// A list's items.
#[derive(Clone, Copy, Debug)]
pub struct ListSchema {
    /// Its items; [`Member::wire`] is their XML name.
    pub item: Member,
    /// True when query and XML write the items without an element around them.
    pub flattened: bool,
}

/// A map's entries.
#[derive(Clone, Copy, Debug)]
pub struct MapSchema {
    /// Its keys, always text.
    pub key: Member,
    /// Its values.
    pub value: Member,
    /// Name of a flattened map's entries in query and XML, where that is not the member's.
    pub entry: Option<&'static str>,
    /// True when query and XML write the entries without an element around them.
    pub flattened: bool,
}

/// A structure's members, in the model's order.
#[derive(Clone, Copy, Debug)]
pub struct StructSchema {
    /// In the model's order; [`crate::Shape::member`] counts likewise.
    pub members: &'static [Member],
    /// XML element name, where the model gives one.
    pub xml_name: Option<&'static str>,
    /// XML namespace of its own, with its prefix: `("xsi", "http://…")`.
    pub xml_namespace: Option<(&'static str, &'static str)>,
    /// Exactly one member is set.
    pub union: bool,
    /// Set for shapes that are errors.
    pub error: Option<ErrorTrait>,
}

/// What the model says of an error shape.
#[derive(Clone, Copy, Debug)]
pub struct ErrorTrait {
    /// Its code in the query protocol; elsewhere the shape's name.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Whose fault it is.
    pub fault: Fault,
}

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller's.
    Sender,
    /// The service's.
    Receiver,
}

/// One member of a structure, an item of a list, a key or value of a map.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// The model's name.
    pub name: &'static str,
    /// Its name on the wire (`locationName`, else [`Self::name`]).
    pub wire: &'static str,
    /// Its name in requests of EC2, where that is not [`Self::wire`] with a capital.
    pub ec2_name: Option<&'static str>,
    /// Its shape.
    pub schema: &'static Schema,
    /// Which part of the message holds it.
    pub location: Location,
    /// The model requires it.
    pub required: bool,
    /// Filled in by clients to make a retry safe.
    pub idempotency_token: bool,
    /// An XML attribute instead of an element.
    pub xml_attribute: bool,
}

/// Which part of a message holds a member; the REST protocols only, others put all in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// A field of the body.
    Body,
    /// The body itself, or an event's payload.
    Payload,
    /// A label of the path.
    Label,
    /// A parameter of the query string (a map: all parameters not taken).
    Query,
    /// A header, of a request, a response or an event.
    Header,
    /// All headers that begin with [`Member::wire`].
    Headers,
    /// The HTTP status.
    Status,
}

/// A pattern as the model writes it, compiled when first used.
#[derive(Debug)]
pub struct Pattern {
    source: &'static str,
    compiled: OnceLock<Compiled>,
}

#[derive(Debug)]
enum Compiled {
    Plain(regex::Regex),
    LookAround(Box<fancy_regex::Regex>),
    Broken,
}

impl Pattern {
    /// A pattern in the model's words.
    pub const fn new(source: &'static str) -> Self {
        Self { source, compiled: OnceLock::new() }
    }

    /// The model's words, as error messages quote them.
    pub fn source(&self) -> &'static str {
        self.source
    }

    /// Whether the whole of `text` matches. A pattern that no engine takes matches everything.
    pub fn matches(&self, text: &str) -> bool {
        match self.compiled() {
            Compiled::Plain(regex) => regex.is_match(text),
            Compiled::LookAround(regex) => regex.is_match(text).unwrap_or(true),
            Compiled::Broken => true,
        }
    }

    /// Whether an engine takes it.
    pub fn compiles(&self) -> bool {
        !matches!(self.compiled(), Compiled::Broken)
    }

    fn compiled(&self) -> &Compiled {
        self.compiled.get_or_init(|| {
            let source = crate::pattern::from_java(self.source);
            if let Ok(regex) = regex::Regex::new(&source) {
                return Compiled::Plain(regex);
            }
            match fancy_regex::Regex::new(&source) {
                Ok(regex) => Compiled::LookAround(Box::new(regex)),
                Err(_) => Compiled::Broken,
            }
        })
    }
}

impl Schema {
    /// A shape without constraints.
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, min: None, max: None, pattern: None, sensitive: false }
    }

    /// A structure.
    pub const fn structure(name: &'static str, members: &'static StructSchema) -> Self {
        Self::new(name, Kind::Structure(members))
    }

    /// The least length or value.
    pub const fn min(mut self, min: i64) -> Self {
        self.min = Some(min);
        self
    }

    /// The greatest length or value.
    pub const fn max(mut self, max: i64) -> Self {
        self.max = Some(max);
        self
    }

    /// The pattern that the whole text must match.
    pub const fn pattern(mut self, pattern: &'static Pattern) -> Self {
        self.pattern = Some(pattern);
        self
    }

    /// Kept out of logs and messages.
    pub const fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// Members of a structure or an event union; none for all else.
    pub fn members(&self) -> &'static [Member] {
        match self.kind {
            Kind::Structure(shape) | Kind::Events(shape) => shape.members,
            _ => &[],
        }
    }

    /// The structure's own table, if it is one.
    pub fn as_structure(&self) -> Option<&'static StructSchema> {
        match self.kind {
            Kind::Structure(shape) | Kind::Events(shape) => Some(shape),
            _ => None,
        }
    }

    /// What the model says of this error shape.
    pub fn error(&self) -> Option<ErrorTrait> {
        self.as_structure()?.error
    }

    /// The member that is the message's body, with its position.
    pub fn payload(&self) -> Option<(usize, &'static Member)> {
        self.members().iter().enumerate().find(|(_, member)| member.location == Location::Payload)
    }
}

impl StructSchema {
    /// A plain structure.
    pub const fn new(members: &'static [Member]) -> Self {
        Self { members, xml_name: None, xml_namespace: None, union: false, error: None }
    }

    /// A structure of which exactly one member is set.
    pub const fn union(mut self) -> Self {
        self.union = true;
        self
    }

    /// XML element name.
    pub const fn xml_name(mut self, name: &'static str) -> Self {
        self.xml_name = Some(name);
        self
    }

    /// A namespace of its own.
    pub const fn xml_namespace(mut self, prefix: &'static str, uri: &'static str) -> Self {
        self.xml_namespace = Some((prefix, uri));
        self
    }

    /// An error.
    pub const fn error(mut self, code: &'static str, status: u16, fault: Fault) -> Self {
        self.error = Some(ErrorTrait { code, status, fault });
        self
    }
}

impl Member {
    /// Whether it stands in a document, not in a request's head.
    pub(crate) fn in_document(&self) -> bool {
        matches!(self.location, Location::Body | Location::Payload)
    }

    /// An optional member of the body under its own name.
    pub const fn new(name: &'static str, schema: &'static Schema) -> Self {
        Self {
            name,
            wire: name,
            ec2_name: None,
            schema,
            location: Location::Body,
            required: false,
            idempotency_token: false,
            xml_attribute: false,
        }
    }

    /// Another name on the wire.
    pub const fn wire(mut self, wire: &'static str) -> Self {
        self.wire = wire;
        self
    }

    /// Another name in requests of EC2.
    pub const fn ec2_name(mut self, name: &'static str) -> Self {
        self.ec2_name = Some(name);
        self
    }

    /// Another part of the message.
    pub const fn at(mut self, location: Location) -> Self {
        self.location = location;
        self
    }

    /// Required by the model.
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// An idempotency token.
    pub const fn token(mut self) -> Self {
        self.idempotency_token = true;
        self
    }

    /// An XML attribute.
    pub const fn attribute(mut self) -> Self {
        self.xml_attribute = true;
        self
    }
}
