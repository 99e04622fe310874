//! A registry elsewhere, on a port of this machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Serves what it was given, for as long as the test runs.
pub struct Upstream {
    pub host: String,
    pages: Arc<Mutex<BTreeMap<String, String>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let upstream = Self { host, pages: Arc::default(), asked: Arc::default() };
        let (pages, asked) = (Arc::clone(&upstream.pages), Arc::clone(&upstream.asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (pages, asked) = (Arc::clone(&pages), Arc::clone(&asked));
                tokio::spawn(async move { answer(stream, &pages, &asked).await });
            }
        });
        upstream
    }

    /// Has a manifest at a tag and at its digest.
    pub fn has(&self, repository: &str, tag: &str, manifest: &str) {
        for reference in [tag, &super::digest(manifest)] {
            let path = format!("/v2/{repository}/manifests/{reference}");
            self.pages.lock().insert(path, manifest.to_owned());
        }
    }

    /// The paths that were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }
}

async fn answer(
    stream: TcpStream,
    pages: &Mutex<BTreeMap<String, String>>,
    asked: &Mutex<Vec<String>>,
) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next_line().await.ok()??;
    while !lines.next_line().await.ok()??.is_empty() {}
    let path = first.split(' ').nth(1)?.to_owned();
    let found = pages.lock().get(&path).cloned();
    asked.lock().push(path);
    let status = if found.is_some() { "200 OK" } else { "404 Not Found" };
    let body = found.unwrap_or_default();
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    let mut stream = lines.into_inner();
    stream.write_all(format!("{head}{body}").as_bytes()).await.ok()
}
