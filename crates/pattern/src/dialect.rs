//! What the services that share the language differ in.

/// The operators that one service knows, and the numbers it compares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dialect {
    /// `{"anything-but": {"prefix": …}}` and the other nested forms.
    pub has_anything_but_forms: bool,
    /// `{"wildcard": …}`.
    pub has_wildcard: bool,
    /// `{"cidr": …}`.
    pub has_cidr: bool,
    /// Numbers lie between `-number_max` and `number_max`.
    pub number_max: f64,
    /// Most combinations of alternatives that `$or` may ask for.
    pub combinations_max: usize,
}

impl Dialect {
    /// Rules and archives of event buses: the whole language.
    pub const EVENT_BUS: Self = Self {
        has_anything_but_forms: true,
        has_wildcard: true,
        has_cidr: true,
        number_max: 5e9,
        combinations_max: 1_000,
    };

    /// Pipes and Lambda's event source mappings: no nested `anything-but`, no `wildcard`,
    /// no addresses.
    pub const PIPE: Self = Self {
        has_anything_but_forms: false,
        has_wildcard: false,
        has_cidr: false,
        ..Self::EVENT_BUS
    };

    /// SNS's filter policies, of both scopes: numbers up to 10⁹. Keys and combinations are
    /// counted by SNS itself ([`Pattern::leaves`](crate::Pattern::leaves)).
    pub const FILTER_POLICY: Self = Self { number_max: 1e9, ..Self::EVENT_BUS };
}
