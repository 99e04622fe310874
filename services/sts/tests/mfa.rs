//! Sessions that begin with the code of a device, and what may be asked of them.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod cloud;

use cloud::{ACCOUNT, Cloud, Key, allow, trust};
use haar_kernel::Auth;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// A user's phone.
struct Phone {
    serial: String,
    seed: Vec<u8>,
}

impl Phone {
    /// One that belongs to a user.
    async fn of(cloud: &Cloud, user: &str) -> Self {
        let root = cloud.root();
        let create = [("Action", "CreateVirtualMFADevice"), ("VirtualMFADeviceName", user)];
        let made = cloud.ok(&root, "iam", &create).await;
        let seed = data_encoding::BASE64.decode(made.get("Base32StringSeed").as_bytes()).unwrap();
        let seed = data_encoding::BASE32.decode(&seed).unwrap();
        let phone = Self { serial: made.get("SerialNumber"), seed };
        let enable = [
            ("Action", "EnableMFADevice"),
            ("UserName", user),
            ("SerialNumber", &*phone.serial),
            ("AuthenticationCode1", &*phone.code(cloud, -1)),
            ("AuthenticationCode2", &*phone.code(cloud, 0)),
        ];
        cloud.ok(&root, "iam", &enable).await;
        cloud.wait(60).await;
        phone
    }

    fn code(&self, cloud: &Cloud, ahead: i64) -> String {
        let step = cloud.doors.clock.now().seconds() / 30 + ahead;
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.seed).unwrap();
        mac.update(&step.to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let at = usize::from(hash[19] & 15);
        let word = u32::from_be_bytes(hash[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", word % 1_000_000)
    }
}

async fn session(cloud: &Cloud, key: &Key, more: &[(&str, &str)]) -> cloud::Answer {
    let mut form = vec![("Action", "GetSessionToken")];
    form.extend(more);
    cloud.ask(key, "sts", &form).await
}

/// A policy that allows an action under a condition.
fn under(condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*","Condition":{condition}}}]}}"#
    )
}

const LIST: [(&str, &str); 1] = [("Action", "ListUsers")];

#[tokio::test(start_paused = true)]
async fn a_session_tells_whether_there_was_a_device_and_when() {
    let cloud = Cloud::new(Auth::Enforce);
    let policy = under(
        r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"},"NumericLessThan":{"aws:MultiFactorAuthAge":"600"}}"#,
    );
    let ann = cloud.user("ann", Some(&policy)).await;
    let phone = Phone::of(&cloud, "ann").await;
    assert_eq!(cloud.ask(&ann, "iam", &LIST).await.status, 403); // her long-term key has neither
    let plain = session(&cloud, &ann, &[]).await.key();
    assert_eq!(cloud.ask(&plain, "iam", &LIST).await.status, 403);
    let code = phone.code(&cloud, 0);
    let proven = [("SerialNumber", &*phone.serial), ("TokenCode", &*code)];
    let key = session(&cloud, &ann, &proven).await.key();
    cloud.ok(&key, "iam", &LIST).await;
    cloud.wait(599).await;
    cloud.ok(&key, "iam", &LIST).await;
    cloud.wait(1).await;
    assert_eq!(cloud.ask(&key, "iam", &LIST).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn wrong_codes_and_the_devices_of_others_are_refused_in_awss_words() {
    let cloud = Cloud::new(Auth::Enforce);
    let (ann, bob) = (cloud.user("ann", None).await, cloud.user("bob", None).await);
    let phone = Phone::of(&cloud, "ann").await;
    let code = phone.code(&cloud, 0);
    let proven = [("SerialNumber", &*phone.serial), ("TokenCode", &*code)];
    let refusal = |text: &str| ("AccessDenied".to_owned(), text.to_owned());
    let not_theirs = refusal(
        "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA \
         serial number is valid and associated with this user.",
    );
    let wrong = refusal("MultiFactorAuthentication failed with invalid MFA one time pass code. ");
    let half = refusal(
        "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass \
         code.",
    );
    assert_eq!(session(&cloud, &bob, &proven).await.refusal(), not_theirs);
    assert_eq!(session(&cloud, &ann, &proven[..1]).await.refusal(), half);
    let old = phone.code(&cloud, -10);
    let late = [("SerialNumber", &*phone.serial), ("TokenCode", &*old)];
    assert_eq!(session(&cloud, &ann, &late).await.refusal(), wrong);
    assert_eq!(session(&cloud, &ann, &proven).await.status, 200);
    assert_eq!(session(&cloud, &ann, &proven).await.refusal(), wrong); // taken already
}

#[tokio::test(start_paused = true)]
async fn a_role_asks_for_a_device_and_its_session_tells_of_none() {
    let cloud = Cloud::new(Auth::Enforce);
    let ann = cloud.user("ann", Some(&allow(r#""sts:AssumeRole""#))).await;
    let phone = Phone::of(&cloud, "ann").await;
    let condition = r#","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#;
    let denied = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"iam:*","Resource":"*"},
        {"Effect":"Deny","Action":"iam:ListUsers","Resource":"*",
         "Condition":{"Bool":{"aws:MultiFactorAuthPresent":"false"}}}]}"#;
    let arn = cloud.role("r", &trust(ACCOUNT, condition), denied).await;
    let mut assume =
        vec![("Action", "AssumeRole"), ("RoleArn", &*arn), ("RoleSessionName", "session")];
    assert_eq!(cloud.ask(&ann, "sts", &assume).await.status, 403);
    let code = phone.code(&cloud, 0);
    assume.extend([("SerialNumber", &*phone.serial), ("TokenCode", &*code)]);
    let key = cloud.ok(&ann, "sts", &assume).await.key();
    cloud.ok(&key, "iam", &[("Action", "ListRoles")]).await;
    assert_eq!(cloud.ask(&key, "iam", &LIST).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn an_account_may_let_its_users_change_their_passwords() {
    let cloud = Cloud::new(Auth::Enforce);
    let root = cloud.root();
    let ann = cloud.user("ann", None).await;
    let login = [("Action", "CreateLoginProfile"), ("UserName", "ann"), ("Password", "Passw0rd")];
    cloud.ok(&root, "iam", &login).await;
    let change =
        [("Action", "ChangePassword"), ("OldPassword", "Passw0rd"), ("NewPassword", "Passw0rds")];
    let refusal = cloud.ask(&ann, "iam", &change).await.refusal();
    assert!(refusal.1.contains("is not authorized to perform: iam:ChangePassword"), "{refusal:?}");
    let policy = [
        ("Action", "UpdateAccountPasswordPolicy"),
        ("MinimumPasswordLength", "8"),
        ("AllowUsersToChangePassword", "true"),
    ];
    cloud.ok(&root, "iam", &policy).await;
    cloud.ok(&ann, "iam", &change).await;
    cloud.ok(&ann, "iam", &[("Action", "GetAccountPasswordPolicy")]).await;
    assert_eq!(cloud.ask(&ann, "iam", &LIST).await.status, 403);
}
