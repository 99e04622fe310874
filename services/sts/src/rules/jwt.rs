//! Web identity tokens: JSON Web Tokens (RFC 7519) signed by their issuer (RFC 7515), and the keys
//! that issuers publish (RFC 7517).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, EcdsaVerificationAlgorithm,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

/// How far clocks may differ. AWS docs: *IAM User Guide > Create an OpenID Connect identity
/// provider*: five minutes.
const SKEW_SECONDS: i64 = 300;

/// What a token says; unproven until [`Token::is_signed_by`].
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) key_id: Option<String>,
    algorithm: Algorithm,
    pub(crate) claims: Claims,
    signed: String,
    signature: Vec<u8>,
}

/// The algorithms that AWS takes, but ES512. *Ours*: no library here knows its curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Es256,
    Es384,
}

/// A token's claims.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: Option<String>,
    pub(crate) sub: Option<String>,
    aud: Option<Audience>,
    azp: Option<String>,
    exp: Option<f64>,
    iat: Option<f64>,
    nbf: Option<f64>,
    amr: Option<Vec<String>>,
    #[serde(rename = "https://aws.amazon.com/tags")]
    pub(crate) tags: Option<TagsClaim>,
    #[serde(rename = "https://aws.amazon.com/source_identity")]
    pub(crate) source_identity: Option<String>,
}

/// One audience or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Session tags, as tokens bring them.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct TagsClaim {
    #[serde(default)]
    pub(crate) principal_tags: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(crate) transitive_tag_keys: Vec<String>,
}

/// Why a token's claims are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ClaimError {
    Missing(&'static str),
    /// Its time is over: now, and when it ended.
    Expired(i64, i64),
    /// Its time is still to come, or was.
    NotYet(&'static str),
}

/// An issuer's public key.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Jwk {
    kty: String,
    #[serde(default)]
    pub(crate) kid: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// An issuer's keys; those of a kind that is not known are left out.
pub(crate) fn read_keys(document: &[u8]) -> Option<Vec<Jwk>> {
    let document: Value = serde_json::from_slice(document).ok()?;
    let keys = document.get("keys")?.as_array()?;
    Some(keys.iter().filter_map(|key| serde_json::from_value(key.clone()).ok()).collect())
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

impl Token {
    /// Takes a token apart; `None` when it is none.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Value = serde_json::from_slice(&decode(header)?).ok()?;
        let algorithm = match header.get("alg")?.as_str()? {
            "RS256" => Algorithm::Rs256,
            "RS384" => Algorithm::Rs384,
            "RS512" => Algorithm::Rs512,
            "ES256" => Algorithm::Es256,
            "ES384" => Algorithm::Es384,
            _ => return None,
        };
        Some(Self {
            key_id: header.get("kid").and_then(Value::as_str).map(str::to_owned),
            algorithm,
            claims: serde_json::from_slice(&decode(claims)?).ok()?,
            signature: decode(signature)?,
            signed: signed.to_owned(),
        })
    }

    /// Whether a key made the signature.
    pub(crate) fn is_signed_by(&self, key: &Jwk) -> bool {
        let is_for_this = key.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        is_for_this && self.verified(key).is_some()
    }

    fn verified(&self, key: &Jwk) -> Option<()> {
        match self.algorithm {
            Algorithm::Rs256 => self.by_rsa(key, &RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Rs384 => self.by_rsa(key, &RSA_PKCS1_2048_8192_SHA384),
            Algorithm::Rs512 => self.by_rsa(key, &RSA_PKCS1_2048_8192_SHA512),
            Algorithm::Es256 => self.by_curve(key, "P-256", 32, &ECDSA_P256_SHA256_FIXED),
            Algorithm::Es384 => self.by_curve(key, "P-384", 48, &ECDSA_P384_SHA384_FIXED),
        }
    }

    fn by_rsa(&self, key: &Jwk, parameters: &'static RsaParameters) -> Option<()> {
        let (n, e) = (decode(key.n.as_deref()?)?, decode(key.e.as_deref()?)?);
        let key = (key.kty == "RSA").then_some(RsaPublicKeyComponents { n: &n, e: &e })?;
        key.verify(parameters, self.signed.as_bytes(), &self.signature).ok()
    }

    fn by_curve(
        &self,
        key: &Jwk,
        curve: &str,
        length: usize,
        algorithm: &'static EcdsaVerificationAlgorithm,
    ) -> Option<()> {
        let (x, y) = (decode(key.x.as_deref()?)?, decode(key.y.as_deref()?)?);
        let is_fit = key.kty == "EC"
            && key.crv.as_deref() == Some(curve)
            && [x.len(), y.len()] == [length; 2];
        let point = is_fit.then(|| [&[4], &x[..], &y].concat())?;
        let key = UnparsedPublicKey::new(algorithm, point);
        key.verify(self.signed.as_bytes(), &self.signature).ok()
    }
}

impl Claims {
    /// For whom a token is made out: who asked for it where it says so, else its audiences.
    pub(crate) fn audiences(&self) -> Vec<&str> {
        if let Some(azp) = &self.azp {
            return vec![azp];
        }
        match &self.aud {
            Some(Audience::One(one)) => vec![one],
            Some(Audience::Many(many)) => many.iter().map(String::as_str).collect(),
            None => Vec::new(),
        }
    }

    /// Refuses claims that are not there, and a time that is not now.
    pub(crate) fn check(&self, now: i64) -> Result<(), ClaimError> {
        let missing = [
            ("iss", self.iss.is_none()),
            ("sub", self.sub.is_none()),
            ("aud", self.aud.is_none()),
            ("exp", self.exp.is_none()),
            ("iat", self.iat.is_none()),
        ];
        if let Some((name, _)) = missing.into_iter().find(|(_, is_missing)| *is_missing) {
            return Err(ClaimError::Missing(name));
        }
        #[allow(clippy::cast_possible_truncation)] // a time that far off is cut
        let seconds = |time: Option<f64>| time.map(|time| time as i64);
        if let Some(end) = seconds(self.exp).filter(|end| now >= end.saturating_add(SKEW_SECONDS)) {
            return Err(ClaimError::Expired(now, end));
        }
        let ahead = now + SKEW_SECONDS;
        for (name, time) in [("iat", self.iat), ("nbf", self.nbf)] {
            if seconds(time).is_some_and(|time| time > ahead) {
                return Err(ClaimError::NotYet(name));
            }
        }
        Ok(())
    }

    /// What trust policies may ask for, by the issuer's name. AWS docs: *IAM and AWS STS condition
    /// context keys > Available keys for AWS OIDC federation*.
    pub(crate) fn condition_keys(
        &self,
        issuer: &str,
        audience: &str,
    ) -> Vec<(String, Vec<String>)> {
        let key = |name: &str| format!("{issuer}:{name}");
        let mut keys = vec![(key("aud"), vec![audience.to_owned()])];
        keys.extend(self.sub.iter().map(|sub| (key("sub"), vec![sub.clone()])));
        keys.extend(self.amr.iter().map(|amr| (key("amr"), amr.clone())));
        let of_others = self.azp.is_some().then_some(&self.aud).and_then(Option::as_ref);
        keys.extend(of_others.map(|aud| match aud {
            Audience::One(one) => (key("oaud"), vec![one.clone()]),
            Audience::Many(many) => (key("oaud"), many.clone()),
        }));
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515, appendix A.3: a token signed with ES256, and its key.
    const ES256: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    const KEYS: &str = r#"{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

    fn claims(text: &str) -> Claims {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_rfcs_own_token_is_proven_and_a_changed_one_is_not() {
        let keys = read_keys(KEYS.as_bytes()).unwrap();
        let token = Token::read(ES256).unwrap();
        assert!(keys.iter().any(|key| token.is_signed_by(key)));
        let changed = ES256.replace(".DtEh", ".DtEi");
        let changed = Token::read(&changed).unwrap();
        assert!(!keys.iter().any(|key| changed.is_signed_by(key)));
        let other = Jwk { kty: "RSA".into(), ..keys[1].clone() };
        assert!(!token.is_signed_by(&other));
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        let (_, rest) = ES256.split_once('.').unwrap();
        let unsigned = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#));
        let shared = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#));
        for bad in ["", "a.b", "a.b.c", "..", unsigned.as_str(), shared.as_str()] {
            assert!(Token::read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn claims_must_be_there_and_of_now() {
        let good = r#"{"iss":"i","sub":"s","aud":"a","exp":1000,"iat":900}"#;
        assert_eq!(claims(good).check(1299), Ok(()));
        assert_eq!(claims(good).check(1300), Err(ClaimError::Expired(1300, 1000)));
        assert_eq!(claims(good).check(599), Err(ClaimError::NotYet("iat")));
        let without = claims(r#"{"iss":"i","aud":"a","exp":1000,"iat":900}"#);
        assert_eq!(without.check(950), Err(ClaimError::Missing("sub")));
    }

    #[test]
    fn who_asked_for_a_token_counts_before_its_audience() {
        let many = claims(r#"{"aud":["a","b"]}"#);
        assert_eq!(many.audiences(), ["a", "b"]);
        let asked = claims(r#"{"aud":["a","b"],"azp":"c","sub":"s"}"#);
        assert_eq!(asked.audiences(), ["c"]);
        let keys = asked.condition_keys("example.com", "c");
        assert_eq!(keys[0], ("example.com:aud".to_owned(), vec!["c".to_owned()]));
        assert_eq!(keys[2].1, ["a", "b"]);
    }
}
