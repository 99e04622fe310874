//! IAM, STS and a service with resource policies behind a kernel in `enforce` mode: signed
//! requests in, answers out.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

#[path = "../../../iam/tests/house/nothing.rs"]
mod nothing;

use std::sync::Arc;
use std::time::Duration;

use haar_blobs::Blobs;
use haar_clock::{Clock, IdSource};
use haar_iam::Iam;
use haar_iam_contract::peek::IamPeek;
use haar_kernel::{
    Auth, DoorParts, Doors, Identities, Inbound, Kernel, KernelBuilder, NoMeter, Settings,
};
use haar_kv::Kv;
use haar_ledger::Ledger;
use haar_secretsmanager::SecretsManager;
use haar_sts::Sts;
use haar_types::Timestamp;
use haar_wire::sigv4::Signer;
use http::Request;
use http_body_util::BodyExt as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

pub const ACCOUNT: &str = "123456789012";
const TOKEN: &str = "11111111-2222-3333-4444-555555555555";

pub struct Cloud {
    pub doors: Doors,
    pub iam: Arc<Iam>,
    kernel: Arc<Kernel>,
    pub root: Option<Key>,
}

/// What a caller signs with.
#[derive(Clone, Debug)]
pub struct Key {
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
}

/// An answer: its HTTP status and its XML.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub text: String,
}

impl Answer {
    /// The text of the first element of that name.
    pub fn get(&self, element: &str) -> String {
        let open = format!("<{element}>");
        let rest = self.text.split_once(&open).unwrap_or_else(|| panic!("{}", self.text)).1;
        let text = rest.split_once(&format!("</{element}>")).unwrap().0;
        text.replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
    }

    /// Code and message of an error.
    pub fn refusal(&self) -> (String, String) {
        (self.get("Code"), self.get("Message"))
    }

    /// The credentials in it.
    pub fn key(&self) -> Key {
        let token = self.text.contains("<SessionToken>").then(|| self.get("SessionToken"));
        Key { id: self.get("AccessKeyId"), secret: self.get("SecretAccessKey"), token }
    }
}

impl Cloud {
    pub fn new(auth: Auth) -> Self {
        let ids = IdSource::seeded(11);
        let account = ACCOUNT.parse().unwrap();
        let doors = Doors::new(DoorParts {
            clock: Clock::simulated(Timestamp(1_769_851_800_000)),
            ids: ids.clone(),
            ledger: Ledger::ephemeral(
                haar_kernel::tables().and(&haar_iam::tables()).and(&haar_secretsmanager::tables()),
            ),
            kv: Kv::ephemeral(),
            blobs: Blobs::ephemeral(ids).unwrap(),
            substrate: Arc::new(nothing::Nothing),
            meter: Arc::new(NoMeter),
            settings: Settings { auth, account, ..Settings::default() },
        });
        let mut cloud = Self::on(doors);
        let root = cloud.iam.ensure_root_key().unwrap();
        cloud.root = root.map(|key| Key {
            id: key.access_key_id,
            secret: key.secret_access_key,
            token: None,
        });
        cloud
    }

    /// The rooms behind these doors.
    pub fn on(doors: Doors) -> Self {
        let iam = Arc::new(Iam::new(doors.clone(), haar_kernel::DataKey::new(&[7; 32])));
        let identities: Arc<dyn Identities> = iam.clone();
        let peek: Arc<dyn IamPeek> = iam.clone();
        doors.peeks.offer::<dyn IamPeek>(peek);
        let sts = Arc::new(Sts::new(doors.clone(), identities.clone()));
        let secrets = SecretsManager::new(&doors, haar_kernel::DataKey::new(&[7; 32]));
        let kernel = KernelBuilder::new(doors.clone(), identities)
            .room(Arc::clone(&iam), haar_iam::lanes)
            .room(sts, haar_sts::lanes)
            .room(Arc::new(secrets), haar_secretsmanager::lanes)
            .build();
        Self { doors, iam, kernel, root: None }
    }

    pub fn root(&self) -> Key {
        self.root.clone().unwrap()
    }

    /// One signed request of the query protocol.
    pub async fn ask(&self, key: &Key, service: &str, form: &[(&str, &str)]) -> Answer {
        self.send(Some(key), service, form).await
    }

    /// The same from somebody who has no key.
    pub async fn ask_unsigned(&self, service: &str, form: &[(&str, &str)]) -> Answer {
        self.send(None, service, form).await
    }

    async fn send(&self, key: Option<&Key>, service: &str, form: &[(&str, &str)]) -> Answer {
        let version = if service == "iam" { "2010-05-08" } else { "2011-06-15" };
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let mut body: Vec<String> =
            form.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        body.push(format!("Version={version}"));
        let body = body.join("&");
        let request = Request::post("http://localhost:4566/")
            .header("host", "localhost:4566")
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        let mut parts = request.body(()).unwrap().into_parts().0;
        if let Some(key) = key {
            self.sign(key, service, &mut parts, &body);
        }
        self.answered(parts, body).await
    }

    fn sign(&self, key: &Key, service: &str, parts: &mut http::request::Parts, body: &str) {
        let signer = Signer {
            access_key_id: key.id.clone(),
            secret_access_key: key.secret.clone(),
            session_token: key.token.clone(),
            region: "us-east-1".into(),
            service: service.into(),
        };
        signer.sign(parts, body.as_bytes(), self.doors.clock.now());
    }

    /// One signed request to Secrets Manager: the HTTP status, and the JSON.
    pub async fn secrets(&self, key: &Key, operation: &str, input: &Value) -> (u16, Value) {
        let request = Request::post("http://localhost:4566/")
            .header("host", "localhost:4566")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("secretsmanager.{operation}"));
        let mut parts = request.body(()).unwrap().into_parts().0;
        let body = input.to_string();
        self.sign(key, "secretsmanager", &mut parts, &body);
        let answer = self.answered(parts, body).await;
        (answer.status, serde_json::from_str(&answer.text).unwrap())
    }

    /// A secret, and where principals are given a policy that lets them read it.
    pub async fn secret(&self, name: &str, principals: &[&str]) {
        let (root, id) = (self.root(), json!(name));
        let made = json!({ "Name": id, "SecretString": "x", "ClientRequestToken": TOKEN });
        assert_eq!(self.secrets(&root, "CreateSecret", &made).await.0, 200);
        if principals.is_empty() {
            return;
        }
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "AWS": principals },
            "Action": "secretsmanager:GetSecretValue", "Resource": "*" }] });
        let put = json!({ "SecretId": id, "ResourcePolicy": policy.to_string() });
        let (status, answer) = self.secrets(&root, "PutResourcePolicy", &put).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// What somebody who reads a secret is told: `Ok`, or the refusal's code.
    pub async fn read(&self, key: &Key, secret: &str) -> Result<(), String> {
        let (status, answer) =
            self.secrets(key, "GetSecretValue", &json!({ "SecretId": secret })).await;
        match status {
            200 => Ok(()),
            _ => Err(answer["__type"].as_str().unwrap().to_owned()),
        }
    }

    async fn answered(&self, parts: http::request::Parts, body: String) -> Answer {
        let inbound = Inbound { parts, body: body.into(), source_ip: None };
        let response = self.kernel.serve(inbound).await;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        Answer { status, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    /// The same where nothing may fail.
    pub async fn ok(&self, key: &Key, service: &str, form: &[(&str, &str)]) -> Answer {
        let answer = self.ask(key, service, form).await;
        assert_eq!(answer.status, 200, "{form:?}: {}", answer.text);
        answer
    }

    /// A user with a key and an inline policy.
    pub async fn user(&self, name: &str, policy: Option<&str>) -> Key {
        let root = self.root();
        self.ok(&root, "iam", &[("Action", "CreateUser"), ("UserName", name)]).await;
        if let Some(policy) = policy {
            self.ok(
                &root,
                "iam",
                &[
                    ("Action", "PutUserPolicy"),
                    ("UserName", name),
                    ("PolicyName", "p"),
                    ("PolicyDocument", policy),
                ],
            )
            .await;
        }
        self.ok(&root, "iam", &[("Action", "CreateAccessKey"), ("UserName", name)]).await.key()
    }

    /// Removes what [`Self::user`] made.
    #[allow(dead_code)] // not every suite does
    pub async fn remove_user(&self, name: &str, key: &Key) {
        let root = self.root();
        let user = ("UserName", name);
        let delete_key = [("Action", "DeleteAccessKey"), user, ("AccessKeyId", key.id.as_str())];
        self.ok(&root, "iam", &delete_key).await;
        let delete_policy = [("Action", "DeleteUserPolicy"), user, ("PolicyName", "p")];
        self.ok(&root, "iam", &delete_policy).await;
        self.ok(&root, "iam", &[("Action", "DeleteUser"), user]).await;
    }

    /// A role that trusts a principal, with an inline policy.
    pub async fn role(&self, name: &str, trust: &str, policy: &str) -> String {
        let root = self.root();
        let made = self
            .ok(
                &root,
                "iam",
                &[
                    ("Action", "CreateRole"),
                    ("RoleName", name),
                    ("AssumeRolePolicyDocument", trust),
                ],
            )
            .await;
        self.ok(
            &root,
            "iam",
            &[
                ("Action", "PutRolePolicy"),
                ("RoleName", name),
                ("PolicyName", "p"),
                ("PolicyDocument", policy),
            ],
        )
        .await;
        made.get("Arn")
    }

    pub async fn wait(&self, seconds: u64) {
        self.doors.clock.sleep(Duration::from_secs(seconds)).await;
    }
}

/// A policy that allows actions on everything.
pub fn allow(actions: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":{actions},"Resource":"*"}}]}}"#
    )
}

/// A trust policy.
pub fn trust(principal: &str, condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"],"Principal":{{"AWS":"{principal}"}}{condition}}}]}}"#
    )
}
