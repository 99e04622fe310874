//! A small OpenID Connect issuer: its configuration, its keys, and tokens.

#![allow(unreachable_pub)]

use std::net::TcpListener as Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub struct Issuer {
    pub url: String,
    key: EcdsaKeyPair,
    key_id: String,
    asked: Arc<AtomicUsize>,
    serving: Option<JoinHandle<()>>,
}

impl Issuer {
    /// One that answers.
    pub async fn start() -> Self {
        let mut issuer = Self::gone();
        let address = issuer.url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind(&address).await.unwrap();
        let (keys, asked) = (issuer.keys(), Arc::clone(&issuer.asked));
        let configuration =
            json!({ "issuer": issuer.url, "jwks_uri": format!("{}/jwks", issuer.url) });
        #[allow(clippy::disallowed_methods)] // the other end of the wire
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                asked.fetch_add(1, Ordering::SeqCst);
                let mut head = vec![0; 4096];
                let length = stream.read(&mut head).await.unwrap();
                let head = String::from_utf8_lossy(&head[..length]).into_owned();
                let body = match head.split(' ').nth(1) {
                    Some("/jwks") => keys.to_string(),
                    _ => configuration.to_string(),
                };
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        issuer.serving = Some(serving);
        issuer
    }

    /// One that does not.
    pub fn gone() -> Self {
        let address = Bound::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        let key_id = format!("key-{}", address.port());
        Self { url: format!("http://{address}"), key, key_id, asked: Arc::default(), serving: None }
    }

    /// As condition keys name it.
    pub fn name(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// How many requests it has had.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn keys(&self) -> Value {
        let point = self.key.public_key().as_ref();
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.key_id,
            "x": part(&point[1..33]), "y": part(&point[33..]),
        }] })
    }

    /// A token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": self.key_id });
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
    }
}
