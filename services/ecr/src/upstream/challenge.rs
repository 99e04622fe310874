//! How a registry wants to be asked: the `WWW-Authenticate` of its 401.

/// A `Bearer` challenge: where a token is to be had, and for what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bearer {
    pub(super) realm: String,
    pub(super) service: Option<String>,
    pub(super) scope: Option<String>,
}

impl Bearer {
    /// Reads a challenge; None for other schemes.
    pub(super) fn parse(text: &str) -> Option<Self> {
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
    pub(super) fn url(&self) -> String {
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
    use super::Bearer;

    #[test]
    fn a_challenge_tells_where_the_token_is() {
        let text = r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push""#;
        let bearer = Bearer::parse(text).unwrap();
        assert_eq!(bearer.scope.as_deref(), Some("repository:a/b:pull,push"));
        assert_eq!(
            bearer.url(),
            "https://auth.example/token?service=registry%2Eexample&scope=repository%3Aa%2Fb%3Apull%2Cpush"
        );
        assert_eq!(Bearer::parse("Basic realm=\"x\""), None);
        assert_eq!(Bearer::parse("Bearer service=x"), None);
    }
}
