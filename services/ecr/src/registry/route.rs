//! Paths of the registry.

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// `/v2/`
    Version,
    /// `/v2/_catalog`
    Catalogue,
    /// `/v2/NAME/tags/list`
    Tags(&'a str),
    /// `/v2/NAME/referrers/DIGEST`
    Referrers(&'a str, &'a str),
    /// `/v2/NAME/manifests/TAG` or `DIGEST`
    Manifest(&'a str, &'a str),
    /// `/v2/NAME/blobs/DIGEST`
    Blob(&'a str, &'a str),
    /// `/v2/NAME/blobs/uploads/`
    Uploads(&'a str),
    /// `/v2/NAME/blobs/uploads/ID`
    Upload(&'a str, &'a str),
}

impl<'a> Route<'a> {
    /// Reads a path; names may have slashes, so it is read from its end.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let rest = path.strip_prefix("/v2")?;
        if matches!(rest, "" | "/") {
            return Some(Self::Version);
        }
        let rest = rest.strip_prefix('/')?;
        if rest == "_catalog" {
            return Some(Self::Catalogue);
        }
        if let Some(name) = rest.strip_suffix("/tags/list") {
            return Some(Self::Tags(name));
        }
        if let Some(name) =
            rest.strip_suffix("/blobs/uploads/").or(rest.strip_suffix("/blobs/uploads"))
        {
            return Some(Self::Uploads(name));
        }
        let (before, last) = rest.rsplit_once('/')?;
        let uploads = before.strip_suffix("/blobs/uploads").map(|name| Self::Upload(name, last));
        let blob = || before.strip_suffix("/blobs").map(|name| Self::Blob(name, last));
        let manifest = || before.strip_suffix("/manifests").map(|name| Self::Manifest(name, last));
        let referrers =
            || before.strip_suffix("/referrers").map(|name| Self::Referrers(name, last));
        uploads.or_else(blob).or_else(manifest).or_else(referrers)
    }
}

#[cfg(test)]
mod tests {
    use super::Route;

    #[test]
    fn names_may_have_slashes() {
        for (path, route) in [
            ("/v2", Some(Route::Version)),
            ("/v2/", Some(Route::Version)),
            ("/v2/_catalog", Some(Route::Catalogue)),
            ("/v2/a/b/tags/list", Some(Route::Tags("a/b"))),
            ("/v2/a/blobs/uploads/", Some(Route::Uploads("a"))),
            ("/v2/a/b/blobs/uploads/id", Some(Route::Upload("a/b", "id"))),
            ("/v2/a/blobs/sha256:0", Some(Route::Blob("a", "sha256:0"))),
            ("/v2/blobs/manifests/manifests/v1", Some(Route::Manifest("blobs/manifests", "v1"))),
            ("/v2/a/referrers/sha256:0", Some(Route::Referrers("a", "sha256:0"))),
            ("/v2/apis", None),
            ("/v2/apis/x/routes", None),
            ("/v1/a/manifests/b", None),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }
}
