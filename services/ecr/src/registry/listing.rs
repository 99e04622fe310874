//! Lists: repositories, tags, referrers.

use haar_ledger::Snapshot;
use haar_wire::Body;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::caller::Caller;
use super::fault::Fault;
use super::{RegistrySite, Served, query, set};
use crate::lookup::{find_repository, image_of};
use crate::rules::digests::SaidDigest;
use crate::rules::manifest::OCI_INDEX;
use crate::state::{ImageRow, RepositoryKey};

/// Entries of a list where the client asks for no number, and at most.
const PAGE_COUNT: usize = 1000;

impl RegistrySite {
    /// `GET /v2/_catalog`.
    pub(super) fn catalogue(&self, caller: &Caller, parts: &Parts) -> Served {
        only_get(parts)?;
        let anything = caller.registry.repository("*");
        self.room.permit(&caller.call, &anything, "ecr:DescribeRepositories")?;
        let snapshot = self.room.doors.ledger.snapshot();
        let names = caller.registry.repositories(&snapshot).map(|row| row.key.name.clone());
        let page = Page::cut(names, parts)?;
        let document = json!({ "repositories": page.entries });
        Ok(page.answer("/v2/_catalog", &document))
    }

    /// `GET /v2/NAME/tags/list`.
    pub(super) fn tags(&self, caller: &Caller, key: &RepositoryKey, parts: &Parts) -> Served {
        only_get(parts)?;
        self.room.permit(&caller.call, key, "ecr:ListImages")?;
        let snapshot = self.room.doors.ledger.snapshot();
        find_repository(&snapshot, key)?;
        let page = Page::cut(key.tags(&snapshot).map(|row| row.key.tag.clone()), parts)?;
        let document = json!({ "name": key.name, "tags": page.entries });
        Ok(page.answer(&format!("/v2/{}/tags/list", key.name), &document))
    }

    /// `GET /v2/NAME/referrers/DIGEST`.
    pub(super) fn referrers(
        &self,
        caller: &Caller,
        key: &RepositoryKey,
        digest: &str,
        parts: &Parts,
    ) -> Served {
        only_get(parts)?;
        self.room.permit(&caller.call, key, "ecr:BatchGetImage")?;
        let said: SaidDigest = digest.parse().map_err(|_| Fault::bad_digest(digest))?;
        let snapshot = self.room.doors.ledger.snapshot();
        find_repository(&snapshot, key)?;
        let filter = query(parts, "artifactType");
        let image = image_of(&snapshot, key, &said).map(|digest| key.image(digest));
        let entries = match image.and_then(|image| snapshot.get::<ImageRow>(&image)) {
            Some(image) => image.entries(),
            None => vec![key.entry(&said)],
        };
        let found = entries.iter().map(|it| descriptors(&snapshot, it, filter.as_deref()));
        let descriptors: Vec<Value> = found.flatten().collect();
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": descriptors });
        let mut response = Response::new(Body::from(index.to_string()));
        set(&mut response, "content-type", OCI_INDEX);
        if filter.is_some() {
            set(&mut response, "oci-filters-applied", "artifactType");
        }
        Ok(response)
    }
}

fn descriptors(snapshot: &Snapshot, entry: &str, filter: Option<&str>) -> Vec<Value> {
    let rows = snapshot.by_index::<ImageRow>(ImageRow::BY_SUBJECT, entry);
    rows.filter(|row| !row.is_archived)
        .filter(|row| filter.is_none_or(|filter| row.artifact_type.as_deref() == Some(filter)))
        .map(|row| {
            let mut descriptor = json!({
                "mediaType": row.media_type, "digest": row.key.digest.to_string(),
                "size": row.manifest_size,
            });
            if let Some(artifact_type) = &row.artifact_type {
                descriptor["artifactType"] = json!(artifact_type);
            }
            if !row.annotations.is_empty() {
                descriptor["annotations"] = json!(row.annotations);
            }
            descriptor
        })
        .collect()
}

fn only_get(parts: &Parts) -> Result<(), Fault> {
    match parts.method {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(Fault::unsupported()),
    }
}

/// One page of a list, from behind `last`, of `n` entries.
struct Page {
    entries: Vec<String>,
    count: usize,
    more: bool,
}

impl Page {
    fn cut(all: impl Iterator<Item = String>, parts: &Parts) -> Result<Self, Fault> {
        let bad = || {
            let text = "n must be a whole number, not below 0";
            Fault::new(StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID", text)
        };
        let count = query(parts, "n").map(|text| text.parse::<usize>()).transpose();
        let count = count.map_err(|_| bad())?.map_or(PAGE_COUNT, |count| count.min(PAGE_COUNT));
        let last = query(parts, "last");
        let mut all = all.filter(|entry| last.as_ref().is_none_or(|last| entry > last));
        let entries: Vec<String> = all.by_ref().take(count).collect();
        let more = count > 0 && all.next().is_some();
        Ok(Self { entries, count, more })
    }

    fn answer(&self, path: &str, document: &Value) -> Response<Body> {
        let mut response = Response::new(Body::from(document.to_string()));
        set(&mut response, "content-type", "application/json");
        if let Some(last) = self.entries.last().filter(|_| self.more) {
            let count = self.count;
            set(&mut response, "link", format!("<{path}?n={count}&last={last}>; rel=\"next\""));
        }
        response
    }
}
