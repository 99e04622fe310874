//! The room behind a kernel, on a memory ledger and simulated time.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

mod nothing;

use std::sync::Arc;

use haar_blobs::Blobs;
use haar_clock::{Clock, IdSource};
use haar_iam::Iam;
use haar_kernel::{
    Auth, DoorParts, Doors, Identities, Kernel, KernelBuilder, NoMeter, Principal, Settings,
};
use haar_kv::Kv;
use haar_ledger::Ledger;
use haar_policy::Principal as Who;
use haar_types::{AccountId, Region, Timestamp};
use haar_wire::Operation;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub const ACCOUNT: &str = "123456789012";
pub const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
pub const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:Get*","Resource":"*"}]}"#;
pub const BASIC: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

pub struct House {
    pub doors: Doors,
    pub room: Arc<Iam>,
    pub kernel: Arc<Kernel>,
}

/// An error as a customer sees it: its code and its message.
pub type Refused = (String, String);

pub fn refused(code: &str, message: &str) -> Result<Value, Refused> {
    Err((code.to_owned(), message.to_owned()))
}

impl House {
    pub fn new() -> Self {
        Self::with(Auth::Permissive)
    }

    pub fn with(auth: Auth) -> Self {
        let ids = IdSource::seeded(7);
        let account = ACCOUNT.parse().unwrap();
        let doors = Doors::new(DoorParts {
            clock: Clock::simulated(Timestamp(1_769_851_800_000)),
            ids: ids.clone(),
            ledger: Ledger::ephemeral(haar_iam::tables()),
            kv: Kv::ephemeral(),
            blobs: Blobs::ephemeral(ids).unwrap(),
            substrate: Arc::new(nothing::Nothing),
            meter: Arc::new(NoMeter),
            settings: Settings { auth, account, ..Settings::default() },
        });
        let room = Arc::new(Iam::new(doors.clone(), haar_kernel::DataKey::new(&[7; 32])));
        let identities: Arc<dyn Identities> = room.clone();
        let kernel = KernelBuilder::new(doors.clone(), identities)
            .room(Arc::clone(&room), haar_iam::lanes)
            .build();
        Self { doors, room, kernel }
    }

    /// Calls an operation as the root user.
    pub async fn call<O: Operation>(&self, input: Value) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        let account: AccountId = ACCOUNT.parse().unwrap();
        self.call_as::<O>(Principal::root(account), input).await
    }

    /// Calls an operation with its input as JSON; answers its output as JSON.
    pub async fn call_as<O: Operation>(
        &self,
        principal: Principal,
        input: Value,
    ) -> Result<Value, Refused>
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        let input = serde_json::from_value(input).unwrap();
        let answer = self.doors.call::<O>(Arc::new(principal), &Region::default(), input).await;
        match answer {
            Ok(output) => Ok(serde_json::to_value(&output).unwrap()),
            Err(error) => Err((error.code().to_owned(), error.message().to_owned())),
        }
    }

    /// The same where nothing may fail.
    pub async fn ok<O: Operation>(&self, input: Value) -> Value
    where
        O::Input: DeserializeOwned,
        O::Output: Serialize,
    {
        self.call::<O>(input).await.unwrap()
    }

    pub async fn user(&self, name: &str) -> Value {
        self.ok::<haar_iam_contract::CreateUser>(json!({ "UserName": name })).await
    }

    pub async fn role(&self, name: &str) -> Value {
        let input = json!({ "RoleName": name, "AssumeRolePolicyDocument": TRUST });
        self.ok::<haar_iam_contract::CreateRole>(input).await
    }

    pub async fn policy(&self, name: &str) -> String {
        let input = json!({ "PolicyName": name, "PolicyDocument": POLICY });
        let made = self.ok::<haar_iam_contract::CreatePolicy>(input).await;
        made["Policy"]["Arn"].as_str().unwrap().to_owned()
    }

    /// The user as a caller.
    pub async fn principal(&self, name: &str) -> Principal {
        let user = self.ok::<haar_iam_contract::GetUser>(json!({ "UserName": name })).await;
        let text = |member: &str| user["User"][member].as_str().unwrap().to_owned();
        let account: AccountId = ACCOUNT.parse().unwrap();
        let who = Who::User {
            account: account.clone(),
            arn: text("Arn"),
            name: name.to_owned(),
            id: text("UserId"),
        };
        Principal::of(account, who)
    }
}

/// Texts of a list's members.
pub fn names<'a>(list: &'a Value, member: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|item| item[member].as_str().unwrap()).collect()
}
