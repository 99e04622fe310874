//! Certificates of servers, SAML providers, the credential report, who may use a service.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;

use std::time::Duration;

use haar_iam_contract::*;
use house::{ACCOUNT, BASIC, House, names, refused};
use serde_json::{Value, json};

const CERTIFICATE: &str = include_str!("inputs/certificate.pem");
const KEY: &str = include_str!("inputs/key.pem");
const OTHER_KEY: &str = include_str!("inputs/ec-key.pem");
const METADATA: &str = r#"<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com">
 <md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
  <md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>MIIDdDCCAlygAwIBAgIGAVQx5ibEMA0GCSqGSIb3DQEBCwUAMHsxFDASBgNVBAoTC0dvb2dsZSBJ</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
  <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.com/sso/saml2/idp?idpid=a-very-long-name-so-that-the-document-is-of-a-thousand-letters-as-the-model-of-the-service-wants-it-to-be-and-not-shorter"/>
  <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example.com/sso/saml2/idp?idpid=a-very-long-name-so-that-the-document-is-of-a-thousand-letters-as-the-model-of-the-service-wants-it-to-be-and-not-shorter"/>
 </md:IDPSSODescriptor>
</md:EntityDescriptor>"#;

#[tokio::test(start_paused = true)]
async fn a_server_certificate_comes_with_its_own_key() {
    let house = House::new();
    let upload = |key: &str, chain: &str| {
        json!({
            "ServerCertificateName": "www", "Path": "/cloudfront/", "CertificateBody": CERTIFICATE,
            "PrivateKey": key, "CertificateChain": chain,
        })
    };
    for (key, chain, code) in [
        (OTHER_KEY, CERTIFICATE, "KeyPairMismatch"),
        ("hello", CERTIFICATE, "MalformedCertificate"),
        (KEY, "hello", "MalformedCertificate"),
    ] {
        let answer = house.call::<UploadServerCertificate>(upload(key, chain)).await;
        assert_eq!(answer.unwrap_err().0, code);
    }
    let made = house.ok::<UploadServerCertificate>(upload(KEY, CERTIFICATE)).await;
    let arn = format!("arn:aws:iam::{ACCOUNT}:server-certificate/cloudfront/www");
    assert_eq!(made["ServerCertificateMetadata"]["Arn"], arn);
    assert_eq!(
        house.call::<UploadServerCertificate>(upload(KEY, CERTIFICATE)).await,
        refused("EntityAlreadyExists", "The Server Certificate with name www already exists.")
    );
    let tags = json!({ "ServerCertificateName": "www", "Tags": [{ "Key": "a", "Value": "b" }] });
    house.ok::<TagServerCertificate>(tags).await;
    let rename = json!({ "ServerCertificateName": "www", "NewServerCertificateName": "web" });
    house.ok::<UpdateServerCertificate>(rename).await;
    let which = json!({ "ServerCertificateName": "web" });
    let seen = house.ok::<GetServerCertificate>(which.clone()).await;
    assert_eq!(seen["ServerCertificate"]["CertificateBody"], CERTIFICATE);
    assert_eq!(seen["ServerCertificate"]["Tags"][0]["Value"], "b");
    assert!(!seen.to_string().contains("PRIVATE KEY"));
    let listed = house.ok::<ListServerCertificates>(json!({ "PathPrefix": "/cloudfront" })).await;
    let listed = &listed["ServerCertificateMetadataList"];
    assert_eq!(names(listed, "ServerCertificateName"), ["web"]);
    house.ok::<DeleteServerCertificate>(which.clone()).await;
    assert_eq!(
        house.call::<GetServerCertificate>(which).await,
        refused("NoSuchEntity", "The Server Certificate with name web cannot be found.")
    );
}

#[tokio::test(start_paused = true)]
async fn a_saml_provider_is_kept_by_its_metadata() {
    let house = House::new();
    let create = |document: &str| json!({ "Name": "idp", "SAMLMetadataDocument": document });
    assert_eq!(
        house.call::<CreateSAMLProvider>(create(&"x".repeat(1000))).await,
        refused("InvalidInput", "Could not parse metadata")
    );
    let made = house.ok::<CreateSAMLProvider>(create(METADATA)).await;
    let arn = format!("arn:aws:iam::{ACCOUNT}:saml-provider/idp");
    assert_eq!(made["SAMLProviderArn"], arn);
    assert_eq!(
        house.call::<CreateSAMLProvider>(create(METADATA)).await.unwrap_err().0,
        "EntityAlreadyExists"
    );
    let with = |more: Value| {
        let mut all = json!({ "SAMLProviderArn": arn });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let required = json!({ "AssertionEncryptionMode": "Required" });
    assert!(house.call::<UpdateSAMLProvider>(with(required.clone())).await.is_err());
    house.ok::<UpdateSAMLProvider>(with(json!({ "AddPrivateKey": KEY }))).await;
    house.ok::<UpdateSAMLProvider>(with(required)).await;
    let seen = house.ok::<GetSAMLProvider>(with(json!({}))).await;
    assert_eq!(seen["SAMLMetadataDocument"], METADATA);
    assert_eq!(seen["AssertionEncryptionMode"], "Required");
    assert!(!seen.to_string().contains("PRIVATE KEY"));
    let key = seen["PrivateKeyList"][0]["KeyId"].clone();
    let last = house.call::<UpdateSAMLProvider>(with(json!({ "RemovePrivateKey": key }))).await;
    assert_eq!(last.unwrap_err().0, "InvalidInput");
    let tags = json!({ "Tags": [{ "Key": "a", "Value": "b" }] });
    house.ok::<TagSAMLProvider>(with(tags)).await;
    let listed = house.ok::<ListSAMLProviderTags>(with(json!({}))).await;
    assert_eq!(names(&listed["Tags"], "Key"), ["a"]);
    let summary = house.ok::<GetAccountSummary>(json!({})).await;
    assert_eq!(summary["SummaryMap"]["Providers"], 1);
    house.ok::<DeleteSAMLProvider>(with(json!({}))).await;
    assert_eq!(house.ok::<ListSAMLProviders>(json!({})).await["SAMLProviderList"], json!([]));
}

/// The report's fields of a user, by column.
async fn report(house: &House, user: &str) -> Value {
    let found = house.ok::<GetCredentialReport>(json!({})).await;
    let bytes = match &found["Content"] {
        Value::String(text) => data_encoding::BASE64.decode(text.as_bytes()).unwrap(),
        other => serde_json::from_value(other.clone()).unwrap(),
    };
    let text = String::from_utf8(bytes).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let columns = lines.next().unwrap();
    assert_eq!(columns.len(), 22);
    let line = lines.find(|line| line[0] == user).unwrap();
    assert_eq!(line.len(), columns.len());
    columns.iter().zip(line).map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
}

#[tokio::test(start_paused = true)]
async fn the_credential_report_tells_of_each_user_until_it_is_old() {
    let house = House::new();
    assert_eq!(
        house.call::<GetCredentialReport>(json!({})).await.unwrap_err().0,
        "ReportNotPresent"
    );
    house.user("ann").await;
    house.ok::<CreateAccessKey>(json!({ "UserName": "ann" })).await;
    let policy = json!({ "MaxPasswordAge": 30 });
    house.ok::<UpdateAccountPasswordPolicy>(policy).await;
    let login = json!({ "UserName": "ann", "Password": "Passw0rd" });
    house.ok::<CreateLoginProfile>(login).await;
    let started = house.ok::<GenerateCredentialReport>(json!({})).await;
    assert_eq!(started["State"], "STARTED");
    assert_eq!(house.ok::<GenerateCredentialReport>(json!({})).await["State"], "COMPLETE");
    let ann = report(&house, "ann").await;
    assert_eq!(ann["arn"], format!("arn:aws:iam::{ACCOUNT}:user/ann"));
    assert_eq!((&ann["password_enabled"], &ann["mfa_active"]), (&json!("true"), &json!("false")));
    assert_eq!(ann["access_key_1_active"], "true");
    assert_eq!(ann["access_key_1_last_used_service"], "N/A");
    assert_eq!(ann["access_key_2_active"], "false");
    assert!(ann["password_next_rotation"].as_str().unwrap().starts_with("2026-03-02T"));
    assert_eq!(report(&house, "<root_account>").await["password_enabled"], "not_supported");
    house.doors.clock.sleep(Duration::from_secs(4 * 3600)).await;
    assert_eq!(house.call::<GetCredentialReport>(json!({})).await.unwrap_err().0, "ReportExpired");
}

#[tokio::test(start_paused = true)]
async fn policies_that_grant_a_service_are_found_with_those_of_groups() {
    let house = House::new();
    house.user("ann").await;
    house.ok::<CreateGroup>(json!({ "GroupName": "g" })).await;
    house.ok::<AddUserToGroup>(json!({ "UserName": "ann", "GroupName": "g" })).await;
    let inline = json!({ "GroupName": "g", "PolicyName": "p", "PolicyDocument": house::POLICY });
    house.ok::<PutGroupPolicy>(inline).await;
    house.ok::<AttachUserPolicy>(json!({ "UserName": "ann", "PolicyArn": BASIC })).await;
    let ask = json!({
        "Arn": format!("arn:aws:iam::{ACCOUNT}:user/ann"), "ServiceNamespaces": ["iam", "logs", "s3"],
    });
    let found = house.ok::<ListPoliciesGrantingServiceAccess>(ask).await;
    let of = |at: usize| found["PoliciesGrantingServiceAccess"][at]["Policies"].clone();
    assert_eq!(of(0)[0]["EntityName"], "g");
    assert_eq!(of(0)[0]["PolicyType"], "INLINE");
    assert_eq!(of(1)[0]["PolicyArn"], BASIC);
    assert_eq!(of(2), json!([]));
    let ghost = json!({
        "Arn": format!("arn:aws:iam::{ACCOUNT}:user/ghost"), "ServiceNamespaces": ["iam"],
    });
    let ghost = house.call::<ListPoliciesGrantingServiceAccess>(ghost).await;
    assert_eq!(ghost.unwrap_err().0, "NoSuchEntity");
}
