//! How a registry wants to be asked: the `WWW-Authenticate` of its 401.

use http::{HeaderMap, header};

/// What a registry wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A token.
    Bearer(Bearer),
    /// User name and password.
    Basic,
}

/// Where a token is to be had, and for what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) realm: String,
    pub(crate) service: Option<String>,
    pub(crate) scope: Option<String>,
}

impl Challenge {
    /// The first that we can answer, tokens before passwords.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let all = headers.get_all(header::WWW_AUTHENTICATE).iter();
        let texts: Vec<&str> = all.filter_map(|value| value.to_str().ok()).collect();
        let bearer = texts.iter().find_map(|text| Bearer::parse(text)).map(Self::Bearer);
        bearer.or_else(|| texts.iter().any(|text| is_basic(text)).then_some(Self::Basic))
    }
}

fn is_basic(text: &str) -> bool {
    let scheme = text.split_whitespace().next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("basic")
}

impl Bearer {
    /// Reads a challenge; None for other schemes.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, mut rest) = text.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut bearer = Self::default();
        while let Some((name, after)) = rest.split_once('=') {
            let (value, behind) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after
                    .split_once(',')
                    .map_or((after, ""), |(value, _)| (value, &after[value.len()..])),
            };
            match name.trim_matches([' ', ',']).to_ascii_lowercase().as_str() {
                "realm" => value.clone_into(&mut bearer.realm),
                "service" => bearer.service = Some(value.to_owned()),
                "scope" => bearer.scope = Some(value.to_owned()),
                _ => {}
            }
            rest = behind;
        }
        (!bearer.realm.is_empty()).then_some(bearer)
    }

    /// Where the token is.
    pub(crate) fn url(&self) -> String {
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        let fields = [("service", &self.service), ("scope", &self.scope)];
        let fields = fields
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", encode(value.as_deref()?))));
        let query: Vec<String> = fields.collect();
        let mark = if self.realm.contains('?') { '&' } else { '?' };
        format!("{}{mark}{}", self.realm, query.join("&"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::WWW_AUTHENTICATE, value.parse().unwrap());
        }
        Challenge::of(&headers)
    }

    #[test]
    fn a_challenge_tells_where_the_token_is() {
        let text = r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push""#;
        let Some(Challenge::Bearer(bearer)) = of(&["Basic realm=\"x\"", text]) else { panic!() };
        assert_eq!(bearer.scope.as_deref(), Some("repository:a/b:pull,push"));
        assert_eq!(
            bearer.url(),
            "https://auth.example/token?service=registry%2Eexample&scope=repository%3Aa%2Fb%3Apull%2Cpush"
        );
        assert_eq!(of(&["BASIC realm=\"x\""]), Some(Challenge::Basic));
        assert_eq!(of(&["Bearer service=x"]), None);
        assert_eq!(of(&["Negotiate"]), None);
        assert_eq!(of(&[]), None);
    }
}
