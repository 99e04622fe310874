//! The registry, as *OCI Distribution Specification 1.1* has it.

#![allow(clippy::unwrap_used)]

mod house;

use std::collections::BTreeMap;

use haar_blobs::Digest512;
use haar_ecr_contract::model::*;
use haar_kernel::Auth;
use house::{DAY, House, INDEX, MANIFEST, Reply, descriptor, digest, manifest};
use serde_json::{Value, json};

async fn begin(house: &House, repository: &str) -> String {
    let path = format!("/v2/{repository}/blobs/uploads/");
    let reply = house.ask("POST", &path, &[], "").await;
    assert_eq!(reply.status, 202);
    reply.header("location").to_owned()
}

fn is(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, reply.error().0.as_str()), (status, code), "{:?}", reply.body);
}

#[tokio::test(start_paused = true)]
async fn a_client_is_asked_to_log_in_and_a_token_names_its_registry() {
    let house = House::new();
    let asked = house.get("/v2/").await;
    assert_eq!(asked.status, 401);
    assert_eq!(
        asked.header("www-authenticate"),
        "Basic realm=\"http://localhost:4566/\",service=\"ecr.amazonaws.com\""
    );
    let token = house.login("111111111111", "eu-west-1").await;
    let login = [("authorization", token.as_str())];
    assert_eq!(house.ask("GET", "/v2/", &login, "").await.status, 200);
    let made = json!({ "repositoryName": "app" });
    house.call_as::<CreateRepository>("111111111111", "eu-west-1", made).await.unwrap();
    assert_eq!(house.ask("GET", "/v2/app/tags/list", &login, "").await.status, 200);
    let unknown = house.get("/v2/app/tags/list").await;
    is(&unknown, 404, "NAME_UNKNOWN");
    assert_eq!(
        unknown.error().1,
        "The repository with name 'app' does not exist in the registry with id '000000000000'"
    );
    is(&house.get("/v2/APP/tags/list").await, 400, "NAME_INVALID");
}

#[tokio::test(start_paused = true)]
async fn a_blob_is_pushed_in_one_request_or_two_or_in_chunks() {
    let house = House::new();
    house.repository("app").await;
    house.push_blob("app", "monolithic").await;
    let location = begin(&house, "app").await;
    let finish = format!("{location}?digest={}", digest("two requests"));
    let reply = house.ask("PUT", &finish, &[], "two requests").await;
    assert_eq!(
        (reply.status, reply.header("docker-content-digest")),
        (201, digest("two requests").as_str())
    );

    let location = begin(&house, "app").await;
    let chunk = |range: &'static str| [("content-range", range)];
    let one = house.ask("PATCH", &location, &chunk("0-3"), "chun").await;
    assert_eq!((one.status, one.header("range")), (202, "0-3"));
    let skipped = house.ask("PATCH", &location, &chunk("9-10"), "xx").await;
    assert_eq!((skipped.status, skipped.header("range")), (416, "0-3"));
    let status = house.get(&location).await;
    assert_eq!((status.status, status.header("range")), (204, "0-3"));
    assert_eq!(house.ask("PATCH", &location, &chunk("4-6"), "ked").await.header("range"), "0-6");
    let last = format!("{location}?digest={}", digest("chunked!"));
    assert_eq!(house.ask("PUT", &last, &chunk("7-7"), "!").await.status, 201);
    is(&house.get(&location).await, 404, "BLOB_UPLOAD_UNKNOWN");
    let blob = house.get(&format!("/v2/app/blobs/{}", digest("chunked!"))).await;
    assert_eq!((blob.status, blob.body.as_ref()), (200, b"chunked!".as_slice()));

    let location = begin(&house, "app").await;
    let lie = format!("{location}?digest={}", digest("something else"));
    is(&house.ask("PUT", &lie, &[], "bytes").await, 400, "DIGEST_INVALID");
    is(&house.get(&location).await, 404, "BLOB_UPLOAD_UNKNOWN");
    let location = begin(&house, "app").await;
    is(&house.ask("PUT", &location, &[], "no digest").await, 400, "DIGEST_INVALID");
    let bad = house.ask("PATCH", &location, &[("content-range", "5-2")], "x").await;
    is(&bad, 400, "SIZE_INVALID");
    assert_eq!(house.ask("DELETE", &location, &[], "").await.status, 204);
    is(&house.get(&location).await, 404, "BLOB_UPLOAD_UNKNOWN");
    assert!(house.doors.blobs.uploads().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_nobody_goes_on_with_is_dropped() {
    let house = House::new();
    house.repository("app").await;
    let location = begin(&house, "app").await;
    house.ask("PATCH", &location, &[], "bytes").await;
    house.pass(2 * DAY).await;
    is(&house.get(&location).await, 404, "BLOB_UPLOAD_UNKNOWN");
    assert!(house.doors.blobs.uploads().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn blobs_are_read_whole_and_in_part_and_kept_while_an_image_needs_them() {
    let house = House::new();
    house.repository("app").await;
    let blob = format!("/v2/app/blobs/{}", house.push_blob("app", "0123456789").await);
    let head = house.ask("HEAD", &blob, &[], "").await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "10", 0));
    let part = house.ask("GET", &blob, &[("range", "bytes=2-4")], "").await;
    assert_eq!((part.status, part.body.as_ref()), (206, b"234".as_slice()));
    assert_eq!(part.header("content-range"), "bytes 2-4/10");
    let beyond = house.ask("GET", &blob, &[("range", "bytes=20-")], "").await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */10"));
    is(&house.get(&format!("/v2/app/blobs/{}", digest("none"))).await, 404, "BLOB_UNKNOWN");
    is(&house.get("/v2/app/blobs/sha256:0").await, 400, "DIGEST_INVALID");

    let image = house.push_image("app", Some("v1"), "0123456789").await;
    house.pass(3 * DAY).await;
    assert_eq!(house.sweep(), 0);
    is(&house.ask("DELETE", &blob, &[], "").await, 405, "UNSUPPORTED");
    house.ask("DELETE", &format!("/v2/app/manifests/{image}"), &[], "").await;
    assert_eq!(house.ask("DELETE", &blob, &[], "").await.status, 202);
    is(&house.get(&blob).await, 404, "BLOB_UNKNOWN");
}

#[tokio::test(start_paused = true)]
async fn blobs_are_mounted_from_a_neighbour_where_the_account_wants_it() {
    let house = House::new();
    for name in ["one", "two"] {
        house.repository(name).await;
    }
    let layer = house.push_blob("one", "layer").await;
    let mount = format!("/v2/two/blobs/uploads/?mount={layer}&from=one");
    assert_eq!(house.ask("POST", &mount, &[], "").await.status, 202);
    house.ok::<PutAccountSetting>(json!({ "name": "BLOB_MOUNTING", "value": "ENABLED" })).await;
    let mounted = house.ask("POST", &mount, &[], "").await;
    assert_eq!((mounted.status, mounted.header("docker-content-digest")), (201, layer.as_str()));
    assert_eq!(house.get(&format!("/v2/two/blobs/{layer}")).await.body, "layer");
    let absent = format!("/v2/two/blobs/uploads/?mount={}&from=one", digest("none"));
    assert_eq!(house.ask("POST", &absent, &[], "").await.status, 202);
}

#[tokio::test(start_paused = true)]
async fn manifests_are_pushed_pulled_and_deleted_by_tag_and_digest() {
    let house = House::new();
    house.repository("app").await;
    let text = manifest("layer");
    is(&house.push_manifest("app", "v1", &text).await, 404, "MANIFEST_BLOB_UNKNOWN");
    is(&house.push_manifest("app", "v1", "junk").await, 400, "MANIFEST_INVALID");
    is(&house.push_manifest("app", ".bad", &text).await, 400, "TAG_INVALID");
    let image = house.push_image("app", Some("v1"), "layer").await;
    is(&house.push_manifest("app", &digest("other"), &text).await, 400, "DIGEST_INVALID");
    for reference in ["v1", image.as_str()] {
        let path = format!("/v2/app/manifests/{reference}");
        let got = house.get(&path).await;
        assert_eq!((got.status, got.body.as_ref()), (200, text.as_bytes()));
        assert_eq!(got.header("content-type"), MANIFEST);
        let head = house.ask("HEAD", &path, &[], "").await;
        assert_eq!(head.header("docker-content-digest"), image);
        assert_eq!(head.header("content-length"), text.len().to_string());
    }
    assert_eq!(house.ask("DELETE", "/v2/app/manifests/v1", &[], "").await.status, 202);
    is(&house.get("/v2/app/manifests/v1").await, 404, "MANIFEST_UNKNOWN");
    let by_digest = format!("/v2/app/manifests/{image}");
    assert_eq!(house.get(&by_digest).await.status, 200);
    assert_eq!(house.ask("DELETE", &by_digest, &[], "").await.status, 202);
    is(&house.ask("DELETE", &by_digest, &[], "").await, 404, "MANIFEST_UNKNOWN");
    is(&house.ask("POST", &by_digest, &[], "").await, 405, "UNSUPPORTED");
}

#[tokio::test(start_paused = true)]
async fn manifests_of_all_kinds_are_kept_as_they_came() {
    let house = House::new();
    house.repository("app").await;
    house.push_image("app", Some("v1"), "layer").await;
    let empty = descriptor("application/vnd.oci.empty.v1+json", b"{}");
    let image = descriptor(MANIFEST, manifest("layer").as_bytes());
    let foreign = json!({
        "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "digest": digest("elsewhere"), "size": 9, "urls": ["https://store.example.com/x"],
    });
    let note = |count: usize| ("note".to_owned() + &count.to_string(), "A".repeat(10_000));
    let notes: BTreeMap<String, String> = (0..390).map(note).collect();
    let nested = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [image] });
    let mut inline = empty.clone();
    inline["data"] = json!("e30=");
    for (kind, more) in [
        (INDEX, nested.clone()),
        (INDEX, json!({ "manifests": [descriptor(INDEX, nested.to_string().as_bytes()), image] })),
        (INDEX, json!({ "manifests": [] })),
        (INDEX, json!({ "manifests": [image], "artifactType": "application/x", "subject": image })),
        (MANIFEST, json!({ "config": empty, "layers": [empty], "artifactType": "application/x" })),
        (MANIFEST, json!({ "config": empty, "layers": [] })),
        (MANIFEST, json!({ "config": empty, "layers": [foreign] })),
        (MANIFEST, json!({ "config": inline, "layers": [], "org.example": { "new": true } })),
        (MANIFEST, json!({ "config": empty, "layers": [], "annotations": notes })),
    ] {
        let mut document = json!({ "schemaVersion": 2, "mediaType": kind });
        let members = more.as_object().unwrap().clone();
        document.as_object_mut().unwrap().extend(members);
        let text = document.to_string();
        let path = format!("/v2/app/manifests/{}", digest(&text));
        let pushed = house.ask("PUT", &path, &[("content-type", kind)], text.clone()).await;
        assert_eq!(pushed.status, 201, "{:?}", pushed.body);
        assert_eq!(pushed.header("location"), path);
        let got = house.get(&path).await;
        assert_eq!((got.status, got.header("content-type")), (200, kind));
        assert!(got.body == text, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_be_no_tag_is_no_manifest_that_is_there() {
    let house = House::new();
    house.repository("app").await;
    for method in ["GET", "DELETE"] {
        let odd = house.ask(method, "/v2/app/manifests/.odd", &[], "").await;
        is(&odd, 404, "MANIFEST_UNKNOWN");
        let odd = house.ask(method, "/v2/app/manifests/sha256:odd", &[], "").await;
        is(&odd, 400, "DIGEST_INVALID");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_pushed_by_its_sha512_digest_is_found_by_it_and_by_its_own() {
    let house = House::new();
    house.repository("app").await;
    let sha512 = |text: &str| Digest512::of(text.as_bytes()).to_string();
    let location = begin(&house, "app").await;
    house.ask("PATCH", &location, &[], "lay").await;
    let lie = format!("{location}?digest={}", sha512("other"));
    is(&house.ask("PUT", &lie, &[], "er").await, 400, "DIGEST_INVALID");
    for blob in ["layer", "{}"] {
        let path = format!("/v2/app/blobs/uploads/?digest={}", sha512(blob));
        let pushed = house.ask("POST", &path, &[], blob).await;
        let name = sha512(blob);
        assert_eq!((pushed.status, pushed.header("docker-content-digest")), (201, name.as_str()));
        for name in [name, digest(blob)] {
            let got = house.get(&format!("/v2/app/blobs/{name}")).await;
            assert_eq!((got.status, got.header("docker-content-digest")), (200, name.as_str()));
            assert_eq!(got.body, blob);
        }
    }
    let named = |media_type: &str, text: &str| json!({ "mediaType": media_type, "digest": sha512(text), "size": text.len() });
    let config = named("application/vnd.oci.image.config.v1+json", "{}");
    let layers = [named("application/vnd.oci.image.layer.v1.tar", "layer")];
    let image = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
    });
    let image = image.to_string();
    let about = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [],
        "subject": named(MANIFEST, &image),
    });
    let about = about.to_string();
    for (name, text) in [(sha512(&about), &about), (sha512(&image), &image)] {
        let pushed = house.push_manifest("app", &name, text).await;
        assert_eq!((pushed.status, pushed.header("docker-content-digest")), (201, name.as_str()));
    }
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [
        named(MANIFEST, &image)
    ] });
    let pushed = house
        .ask("PUT", "/v2/app/manifests/v1", &[("content-type", INDEX)], index.to_string())
        .await;
    assert_eq!(pushed.status, 201);
    for name in [sha512(&image), digest(&image)] {
        let got = house.get(&format!("/v2/app/manifests/{name}")).await;
        assert_eq!((got.status, got.header("docker-content-digest")), (200, name.as_str()));
        assert_eq!(got.body, image);
        let referrers = house.get(&format!("/v2/app/referrers/{name}")).await.json();
        assert_eq!(referrers["manifests"][0]["digest"], digest(&about));
    }
    let layer = format!("/v2/app/blobs/{}", sha512("layer"));
    is(&house.ask("DELETE", &layer, &[], "").await, 405, "UNSUPPORTED");

    // ECR's own operations tell of the digest that it knows.
    let id = json!({ "repositoryName": "app", "imageIds": [{ "imageDigest": digest(&image) }] });
    let found = house.ok::<DescribeImages>(id).await;
    assert_eq!(found["imageDetails"][0]["imageDigest"], digest(&image));
    assert_eq!(found["imageDetails"][0]["imageSizeInBytes"], 5);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_there_is_found_by_a_name_that_it_is_pushed_by_later() {
    let house = House::new();
    house.repository("app").await;
    let own = house.push_image("app", Some("v1"), "layer").await;
    let text = manifest("layer");
    let other = Digest512::of(text.as_bytes()).to_string();
    is(&house.get(&format!("/v2/app/manifests/{other}")).await, 404, "MANIFEST_UNKNOWN");
    assert_eq!(house.push_manifest("app", &other, &text).await.status, 201);
    assert_eq!(house.get(&format!("/v2/app/manifests/{other}")).await.body, text);
    let deleted = house.ask("DELETE", &format!("/v2/app/manifests/{other}"), &[], "").await;
    assert_eq!(deleted.status, 202);
    is(&house.get(&format!("/v2/app/manifests/{own}")).await, 404, "MANIFEST_UNKNOWN");
}

#[tokio::test(start_paused = true)]
async fn tags_are_listed_page_by_page() {
    let house = House::new();
    house.repository("app").await;
    for tag in ["a", "b", "c"] {
        house.push_image("app", Some(tag), "layer").await;
    }
    let first = house.get("/v2/app/tags/list?n=2").await;
    assert_eq!(first.json(), json!({ "name": "app", "tags": ["a", "b"] }));
    assert_eq!(first.header("link"), "</v2/app/tags/list?n=2&last=b>; rel=\"next\"");
    let rest = house.get("/v2/app/tags/list?n=2&last=b").await;
    assert_eq!((rest.json()["tags"].clone(), rest.header("link")), (json!(["c"]), ""));
    assert_eq!(house.get("/v2/app/tags/list?n=0").await.json()["tags"], json!([]));
    is(&house.get("/v2/app/tags/list?n=x").await, 400, "PAGINATION_NUMBER_INVALID");
    assert_eq!(house.get("/v2/_catalog").await.json(), json!({ "repositories": ["app"] }));
}

#[tokio::test(start_paused = true)]
async fn referrers_are_found_by_their_subject_and_kind() {
    let house = House::new();
    house.repository("app").await;
    let image = house.push_image("app", Some("v1"), "layer").await;
    let about = |kind: &str| {
        json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind,
            "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
            "layers": [descriptor("application/x", b"layer")],
            "subject": descriptor(MANIFEST, manifest("layer").as_bytes()),
            "annotations": { "kind": kind },
        })
        .to_string()
    };
    for kind in ["application/sbom", "application/signature"] {
        let text = about(kind);
        let pushed = house.push_manifest("app", &digest(&text), &text).await;
        assert_eq!((pushed.status, pushed.header("oci-subject")), (201, image.as_str()));
    }
    let all = house.get(&format!("/v2/app/referrers/{image}")).await;
    assert_eq!(
        (all.header("content-type"), all.json()["manifests"].as_array().unwrap().len()),
        (INDEX, 2)
    );
    assert_eq!(all.header("oci-filters-applied"), "");
    let one =
        house.get(&format!("/v2/app/referrers/{image}?artifactType=application%2Fsbom")).await;
    assert_eq!(one.header("oci-filters-applied"), "artifactType");
    let found: Value = one.json()["manifests"].clone();
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(found[0]["artifactType"], "application/sbom");
    assert_eq!(found[0]["annotations"], json!({ "kind": "application/sbom" }));
    let none = house.get(&format!("/v2/app/referrers/{}", digest("none"))).await;
    assert_eq!((none.status, none.json()["manifests"].clone()), (200, json!([])));
    let listed = json!({ "repositoryName": "app", "subjectId": { "imageDigest": image } });
    let listed = house.ok::<ListImageReferrers>(listed).await;
    assert_eq!(listed["referrers"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_template_creates_what_is_pushed_to() {
    let house = House::new();
    let template = json!({
        "prefix": "ROOT", "appliedFor": ["CREATE_ON_PUSH"], "imageTagMutability": "IMMUTABLE",
    });
    house.ok::<CreateRepositoryCreationTemplate>(template.clone()).await;
    let again = house.call::<CreateRepositoryCreationTemplate>(template).await.unwrap_err();
    assert_eq!(again.0, "TemplateAlreadyExistsException");
    house.push_image("new/app", Some("v1"), "layer").await;
    let made = house.ok::<DescribeRepositories>(json!({})).await;
    assert_eq!(made["repositories"][0]["imageTagMutability"], "IMMUTABLE");
    house.ok::<DeleteRepositoryCreationTemplate>(json!({ "prefix": "ROOT" })).await;
    let gone = house.ask("POST", "/v2/other/blobs/uploads/", &[], "").await;
    is(&gone, 404, "NAME_UNKNOWN");
}

#[tokio::test(start_paused = true)]
async fn policies_decide_who_pulls_and_pushes() {
    let house = House::with(Auth::Enforce);
    house.repository("app").await;
    is(&house.get("/v2/app/tags/list").await, 401, "UNAUTHORIZED");
    let root = house.login("000000000000", "us-east-1").await;
    let root = [("authorization", root.as_str())];
    let path = format!("/v2/app/blobs/uploads/?digest={}", digest("{}"));
    assert_eq!(house.ask("POST", &path, &root, "{}").await.status, 201);

    // Another account, until the repository's policy lets it.
    let other = house.login("111111111111", "us-east-1").await;
    let host = "000000000000.dkr.ecr.us-east-1.localhost:4566";
    let other = [("authorization", other.as_str()), ("host", host)];
    let blob = format!("/v2/app/blobs/{}", digest("{}"));
    let denied = house.ask("GET", &blob, &other, "").await;
    is(&denied, 403, "DENIED");
    assert!(denied.error().1.contains("not authorized to perform: ecr:GetDownloadUrlForLayer"));
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::111111111111:root" },
        "Action": ["ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"],
    }] });
    let set = json!({ "repositoryName": "app", "policyText": policy.to_string() });
    house.ok::<SetRepositoryPolicy>(set).await;
    assert_eq!(house.ask("GET", &blob, &other, "").await.status, 200);
    is(&house.ask("POST", "/v2/app/blobs/uploads/", &other, "").await, 403, "DENIED");

    house.pass(DAY).await;
    let expired = house.ask("GET", &blob, &root, "").await;
    is(&expired, 403, "DENIED");
    assert!(expired.error().1.contains("authorization token has expired"));
}
