//! What users prove themselves by, besides access keys.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod house;

use std::time::Duration;

use haar_iam_contract::peek::{IamPeek as _, MfaError};
use haar_iam_contract::*;
use haar_kernel::Principal;
use haar_policy::Principal as Who;
use hmac::{Hmac, KeyInit as _, Mac as _};
use house::{ACCOUNT, House, names, refused};
use serde_json::{Value, json};
use sha1::Sha1;

/// A phone that holds a device's seed.
struct Phone {
    serial: String,
    seed: Vec<u8>,
}

impl Phone {
    async fn new(house: &House, name: &str) -> Self {
        let input = json!({ "VirtualMFADeviceName": name });
        let made = house.ok::<CreateVirtualMFADevice>(input).await;
        let device = &made["VirtualMFADevice"];
        let seed = blob(&device["Base32StringSeed"]);
        assert!(blob(&device["QRCodePNG"]).starts_with(b"\x89PNG"));
        Self {
            serial: device["SerialNumber"].as_str().unwrap().to_owned(),
            seed: data_encoding::BASE32.decode(&seed).unwrap(),
        }
    }

    /// The code of a step from now: RFC 6238.
    fn code(&self, house: &House, ahead: i64) -> String {
        let step = house.doors.clock.now().seconds() / 30 + ahead;
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.seed).unwrap();
        mac.update(&step.to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let at = usize::from(hash[19] & 15);
        let word = u32::from_be_bytes(hash[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", word % 1_000_000)
    }

    fn pair(&self, house: &House, user: &str) -> Value {
        json!({
            "UserName": user, "SerialNumber": self.serial,
            "AuthenticationCode1": self.code(house, -1), "AuthenticationCode2": self.code(house, 0),
        })
    }

    fn take(&self, house: &House, who: &Principal, code: &str) -> Result<(), MfaError> {
        let now = house.doors.clock.now();
        house.room.take_mfa_code(&who.identity, &self.serial, code, now).map(drop)
    }
}

fn blob(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => data_encoding::BASE64.decode(text.as_bytes()).unwrap(),
        other => serde_json::from_value::<Vec<u8>>(other.clone()).unwrap(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_is_paired_by_two_codes_in_a_row() {
    let house = House::new();
    house.user("ann").await;
    let phone = Phone::new(&house, "phone").await;
    assert_eq!(phone.serial, format!("arn:aws:iam::{ACCOUNT}:mfa/phone"));
    let wrong = json!({
        "UserName": "ann", "SerialNumber": phone.serial,
        "AuthenticationCode1": phone.code(&house, 0), "AuthenticationCode2": phone.code(&house, -1),
    });
    assert_eq!(
        house.call::<EnableMFADevice>(wrong).await,
        refused("InvalidAuthenticationCode", "Authentication code for device is not valid.")
    );
    house.ok::<EnableMFADevice>(phone.pair(&house, "ann")).await;
    assert_eq!(
        house.call::<EnableMFADevice>(phone.pair(&house, "ann")).await,
        refused("EntityAlreadyExists", "MFA Device is already in use.")
    );
    let of_ann = json!({ "UserName": "ann" });
    let listed = house.ok::<ListMFADevices>(of_ann.clone()).await;
    assert_eq!(names(&listed["MFADevices"], "SerialNumber"), [&phone.serial]);
    let which = json!({ "UserName": "ann", "SerialNumber": phone.serial });
    assert!(house.ok::<GetMFADevice>(which.clone()).await.get("EnableDate").is_some());
    let all = house.ok::<ListVirtualMFADevices>(json!({})).await;
    assert_eq!(all["VirtualMFADevices"][0]["User"]["UserName"], "ann");
    assert!(all["VirtualMFADevices"][0].get("Base32StringSeed").is_none());
    let free = json!({ "AssignmentStatus": "Unassigned" });
    assert_eq!(house.ok::<ListVirtualMFADevices>(free).await["VirtualMFADevices"], json!([]));
    let summary = house.ok::<GetAccountSummary>(json!({})).await;
    assert_eq!((&summary["SummaryMap"]["MFADevicesInUse"]), &json!(1));
    assert_eq!(
        house.call::<DeleteUser>(of_ann.clone()).await,
        refused("DeleteConflict", "Cannot delete entity, must delete MFA device first.")
    );
    let serial = json!({ "SerialNumber": phone.serial });
    assert_eq!(
        house.call::<DeleteVirtualMFADevice>(serial.clone()).await,
        refused("DeleteConflict", "MFA VirtualDevice in use. Must deactivate first.")
    );
    house.ok::<DeactivateMFADevice>(which).await;
    house.ok::<DeleteVirtualMFADevice>(serial).await;
    house.ok::<DeleteUser>(of_ann).await;
}

#[tokio::test(start_paused = true)]
async fn a_code_is_taken_once_from_its_owner_and_about_now() {
    let house = House::with(haar_kernel::Auth::Enforce);
    house.user("ann").await;
    house.user("bob").await;
    let (ann, bob) = (house.principal("ann").await, house.principal("bob").await);
    let phone = Phone::new(&house, "phone").await;
    let code = phone.code(&house, 0);
    assert_eq!(phone.take(&house, &ann, &code), Err(MfaError::NotTheirs));
    house.ok::<EnableMFADevice>(phone.pair(&house, "ann")).await;
    assert_eq!(phone.take(&house, &ann, &code), Err(MfaError::WrongCode)); // it paired the device
    house.doors.clock.sleep(Duration::from_secs(60)).await;
    let code = phone.code(&house, 0);
    assert_eq!(phone.take(&house, &bob, &code), Err(MfaError::NotTheirs));
    assert_eq!(phone.take(&house, &ann, &code), Ok(()));
    assert_eq!(phone.take(&house, &ann, &code), Err(MfaError::WrongCode));
    assert_eq!(phone.take(&house, &ann, &phone.code(&house, 2)), Err(MfaError::WrongCode));
    let root = Who::Root { account: ACCOUNT.parse().unwrap() };
    let root = Principal::of(ACCOUNT.parse().unwrap(), root);
    assert_eq!(phone.take(&house, &root, &code), Err(MfaError::NotTheirs));
}

#[tokio::test(start_paused = true)]
async fn a_device_whose_clock_is_off_is_brought_into_step() {
    let house = House::with(haar_kernel::Auth::Enforce);
    house.user("ann").await;
    let ann = house.principal("ann").await;
    let phone = Phone::new(&house, "phone").await;
    house.ok::<EnableMFADevice>(phone.pair(&house, "ann")).await;
    house.doors.clock.sleep(Duration::from_secs(60)).await;
    assert_eq!(phone.take(&house, &ann, &phone.code(&house, 10)), Err(MfaError::WrongCode));
    let input = json!({
        "UserName": "ann", "SerialNumber": phone.serial,
        "AuthenticationCode1": phone.code(&house, 10), "AuthenticationCode2": phone.code(&house, 11),
    });
    house.ok::<ResyncMFADevice>(input).await;
    assert_eq!(phone.take(&house, &ann, &phone.code(&house, 12)), Ok(()));
    house.doors.clock.sleep(Duration::from_secs(300)).await;
    assert_eq!(phone.take(&house, &ann, &phone.code(&house, 11)), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_device_has_tags() {
    let house = House::new();
    let phone = Phone::new(&house, "phone").await;
    let tags = json!({ "SerialNumber": phone.serial, "Tags": [{ "Key": "a", "Value": "b" }] });
    house.ok::<TagMFADevice>(tags).await;
    let which = json!({ "SerialNumber": phone.serial });
    let listed = house.ok::<ListMFADeviceTags>(which.clone()).await;
    assert_eq!(listed["Tags"], json!([{ "Key": "a", "Value": "b" }]));
    let untag = json!({ "SerialNumber": phone.serial, "TagKeys": ["A"] });
    house.ok::<UntagMFADevice>(untag).await;
    assert_eq!(house.ok::<ListMFADeviceTags>(which).await["Tags"], json!([]));
    let other = format!("arn:aws:iam::{ACCOUNT}:mfa/other");
    assert_eq!(
        house.call::<ListMFADeviceTags>(json!({ "SerialNumber": other })).await,
        refused(
            "NoSuchEntity",
            &format!("VirtualMFADevice with serial number {other} doesn't exist.")
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_password_is_changed_by_who_knows_it() {
    let house = House::new();
    house.user("ann").await;
    let ann = house.principal("ann").await;
    let change = |old: &str, new: &str| json!({ "OldPassword": old, "NewPassword": new });
    assert_eq!(
        house.call::<ChangePassword>(change("a", "Passw0rd")).await,
        refused("InvalidUserType", "Only IAM Users can change their own password")
    );
    assert_eq!(
        house.call_as::<ChangePassword>(ann.clone(), change("a", "Passw0rd")).await,
        refused("NoSuchEntity", "Login Profile for User ann cannot be found.")
    );
    assert_eq!(
        house.call::<CreateLoginProfile>(json!({ "UserName": "ann", "Password": "secret" })).await,
        refused("PasswordPolicyViolation", "Password should have a minimum length of 8")
    );
    let policy = json!({ "MinimumPasswordLength": 6, "PasswordReusePrevention": 2 });
    house.ok::<UpdateAccountPasswordPolicy>(policy).await;
    let login = json!({
        "UserName": "ann", "Password": "first1", "PasswordResetRequired": true,
    });
    house.ok::<CreateLoginProfile>(login).await;
    for (old, new, code, text) in [
        ("other1", "second", "AccessDenied", "The old password was incorrect."),
        (
            "first1",
            "short",
            "PasswordPolicyViolation",
            "Password should have a minimum length of 6",
        ),
        ("first1", "first1", "PasswordPolicyViolation", "Password has been used previously"),
    ] {
        let answer = house.call_as::<ChangePassword>(ann.clone(), change(old, new)).await;
        assert_eq!(answer, refused(code, text));
    }
    for (old, new) in [("first1", "second"), ("second", "third3")] {
        house.call_as::<ChangePassword>(ann.clone(), change(old, new)).await.unwrap();
    }
    let again = house.call_as::<ChangePassword>(ann.clone(), change("third3", "second")).await;
    assert_eq!(again, refused("PasswordPolicyViolation", "Password has been used previously"));
    house.call_as::<ChangePassword>(ann, change("third3", "first1")).await.unwrap();
    let profile = house.ok::<GetLoginProfile>(json!({ "UserName": "ann" })).await;
    assert_eq!(profile["LoginProfile"]["PasswordResetRequired"], false);
}

#[tokio::test(start_paused = true)]
async fn an_ssh_key_is_kept_in_both_forms() {
    let house = House::new();
    house.user("ann").await;
    let key = include_str!("../src/rules/ssh/key.pub");
    let upload = json!({ "UserName": "ann", "SSHPublicKeyBody": key });
    let made = house.ok::<UploadSSHPublicKey>(upload.clone()).await;
    let made = &made["SSHPublicKey"];
    assert_eq!(made["Fingerprint"], include_str!("../src/rules/ssh/key.md5").trim());
    assert_eq!(
        house.call::<UploadSSHPublicKey>(upload).await.unwrap_err().0,
        "DuplicateSSHPublicKey"
    );
    let which = |more: Value| {
        let mut all = json!({ "UserName": "ann", "SSHPublicKeyId": made["SSHPublicKeyId"] });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let pem = house.ok::<GetSSHPublicKey>(which(json!({ "Encoding": "PEM" }))).await;
    let pem = pem["SSHPublicKey"]["SSHPublicKeyBody"].as_str().unwrap();
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
    house.user("bob").await;
    let same = json!({ "UserName": "bob", "SSHPublicKeyBody": pem });
    let same = house.ok::<UploadSSHPublicKey>(same).await;
    assert_eq!(same["SSHPublicKey"]["Fingerprint"], made["Fingerprint"]);
    house.ok::<UpdateSSHPublicKey>(which(json!({ "Status": "Inactive" }))).await;
    let listed = house.ok::<ListSSHPublicKeys>(json!({ "UserName": "ann" })).await;
    assert_eq!(listed["SSHPublicKeys"][0]["Status"], "Inactive");
    assert_eq!(
        house.call::<DeleteUser>(json!({ "UserName": "ann" })).await,
        refused("DeleteConflict", "Cannot delete entity, must delete SSH public keys first.")
    );
    house.ok::<DeleteSSHPublicKey>(which(json!({}))).await;
    house.ok::<DeleteUser>(json!({ "UserName": "ann" })).await;
}

#[tokio::test(start_paused = true)]
async fn a_signing_certificate_is_read_before_it_is_kept() {
    let house = House::new();
    house.user("ann").await;
    let upload = |body: &str| json!({ "UserName": "ann", "CertificateBody": body });
    let malformed = house.call::<UploadSigningCertificate>(upload("hello")).await;
    assert_eq!(malformed.unwrap_err().0, "MalformedCertificate");
    let pem = include_str!("inputs/certificate.pem");
    let made = house.ok::<UploadSigningCertificate>(upload(pem)).await;
    assert_eq!(
        house.call::<UploadSigningCertificate>(upload(pem)).await.unwrap_err().0,
        "DuplicateCertificate"
    );
    let expired = include_str!("inputs/expired.pem");
    assert_eq!(
        house.call::<UploadSigningCertificate>(upload(expired)).await.unwrap_err().0,
        "InvalidCertificate"
    );
    let id = &made["Certificate"]["CertificateId"];
    let update = json!({ "UserName": "ann", "CertificateId": id, "Status": "Inactive" });
    house.ok::<UpdateSigningCertificate>(update).await;
    let listed = house.ok::<ListSigningCertificates>(json!({ "UserName": "ann" })).await;
    assert_eq!(listed["Certificates"][0]["Status"], "Inactive");
    assert_eq!(listed["Certificates"][0]["CertificateBody"], pem);
    let which = json!({ "UserName": "ann", "CertificateId": id });
    house.ok::<DeleteSigningCertificate>(which.clone()).await;
    assert_eq!(house.call::<DeleteSigningCertificate>(which).await.unwrap_err().0, "NoSuchEntity");
}

#[tokio::test(start_paused = true)]
async fn credentials_for_one_service_show_their_secret_once() {
    let house = House::new();
    house.user("ann").await;
    let service = |name: &str| json!({ "UserName": "ann", "ServiceName": name });
    let first = house
        .ok::<CreateServiceSpecificCredential>(service("codecommit.amazonaws.com"))
        .await["ServiceSpecificCredential"]
        .clone();
    assert_eq!(first["ServiceUserName"], format!("ann-at-{ACCOUNT}"));
    let second =
        house.ok::<CreateServiceSpecificCredential>(service("codecommit.amazonaws.com")).await;
    let name = &second["ServiceSpecificCredential"]["ServiceUserName"];
    assert_eq!(*name, format!("ann+1-at-{ACCOUNT}"));
    let more = house.call::<CreateServiceSpecificCredential>(service("codecommit.amazonaws.com"));
    assert_eq!(more.await.unwrap_err().0, "LimitExceeded");
    let other = house.call::<CreateServiceSpecificCredential>(service("s3.amazonaws.com")).await;
    assert_eq!(other.unwrap_err().0, "NotSupportedService");
    let mut bedrock = service("bedrock.amazonaws.com");
    bedrock["CredentialAgeDays"] = json!(30);
    let key = house.ok::<CreateServiceSpecificCredential>(bedrock).await;
    assert!(key["ServiceSpecificCredential"]["ServiceCredentialSecret"].is_string());
    assert!(key["ServiceSpecificCredential"].get("ExpirationDate").is_some());
    let which = json!({
        "UserName": "ann", "ServiceSpecificCredentialId": first["ServiceSpecificCredentialId"],
    });
    let reset = house.ok::<ResetServiceSpecificCredential>(which.clone()).await;
    assert_ne!(reset["ServiceSpecificCredential"]["ServicePassword"], first["ServicePassword"]);
    let all = house.ok::<ListServiceSpecificCredentials>(json!({ "AllUsers": true })).await;
    let all = all["ServiceSpecificCredentials"].as_array().unwrap();
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|one| one.get("ServicePassword").is_none()));
    house.ok::<DeleteServiceSpecificCredential>(which).await;
    let listed =
        house.ok::<ListServiceSpecificCredentials>(service("codecommit.amazonaws.com")).await;
    assert_eq!(listed["ServiceSpecificCredentials"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_renamed_user_keeps_its_credentials() {
    let house = House::new();
    house.user("ann").await;
    let phone = Phone::new(&house, "phone").await;
    house.ok::<EnableMFADevice>(phone.pair(&house, "ann")).await;
    house.ok::<UpdateUser>(json!({ "UserName": "ann", "NewUserName": "eve" })).await;
    let listed = house.ok::<ListMFADevices>(json!({ "UserName": "eve" })).await;
    assert_eq!(names(&listed["MFADevices"], "UserName"), ["eve"]);
}

#[tokio::test(start_paused = true)]
async fn a_provider_lives_from_creation_to_deletion() {
    let house = House::new();
    let create = json!({
        "Url": "https://token.example.com/ci", "ClientIDList": ["sts.amazonaws.com"],
        "ThumbprintList": ["6938fd4d98bab03faadb97b34396831e3780aea1"],
    });
    let made = house.ok::<CreateOpenIDConnectProvider>(create.clone()).await;
    let arn = format!("arn:aws:iam::{ACCOUNT}:oidc-provider/token.example.com/ci");
    assert_eq!(made["OpenIDConnectProviderArn"], arn);
    assert_eq!(
        house.call::<CreateOpenIDConnectProvider>(create).await.unwrap_err().0,
        "EntityAlreadyExists"
    );
    let bad = json!({ "Url": "http://token.example.com" });
    assert_eq!(
        house.call::<CreateOpenIDConnectProvider>(bad).await,
        refused("InvalidInput", "Invalid Open ID Connect Provider URL")
    );
    let client = json!({ "OpenIDConnectProviderArn": arn, "ClientID": "app" });
    house.ok::<AddClientIDToOpenIDConnectProvider>(client.clone()).await;
    house.ok::<AddClientIDToOpenIDConnectProvider>(client.clone()).await;
    let which = json!({ "OpenIDConnectProviderArn": arn });
    let seen = house.ok::<GetOpenIDConnectProvider>(which.clone()).await;
    assert_eq!(seen["Url"], "token.example.com/ci");
    assert_eq!(seen["ClientIDList"], json!(["sts.amazonaws.com", "app"]));
    house.ok::<RemoveClientIDFromOpenIDConnectProvider>(client).await;
    let thumbprints =
        |list: Value| json!({ "OpenIDConnectProviderArn": arn, "ThumbprintList": list });
    let short = house.call::<UpdateOpenIDConnectProviderThumbprint>(thumbprints(json!(["ab"])));
    assert!(short.await.is_err());
    let new = thumbprints(json!(["0123456789012345678901234567890123456789"]));
    house.ok::<UpdateOpenIDConnectProviderThumbprint>(new).await;
    let tags = json!({ "OpenIDConnectProviderArn": arn, "Tags": [{ "Key": "a", "Value": "b" }] });
    house.ok::<TagOpenIDConnectProvider>(tags).await;
    let seen = house.ok::<GetOpenIDConnectProvider>(which.clone()).await;
    assert_eq!(seen["ClientIDList"], json!(["sts.amazonaws.com"]));
    assert_eq!(seen["ThumbprintList"], json!(["0123456789012345678901234567890123456789"]));
    assert_eq!(seen["Tags"][0]["Key"], "a");
    house.ok::<DeleteOpenIDConnectProvider>(which.clone()).await;
    assert_eq!(
        house.call::<GetOpenIDConnectProvider>(which).await,
        refused("NoSuchEntity", &format!("OpenIDConnect Provider not found for arn {arn}"))
    );
}
