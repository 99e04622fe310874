//! The sandbox of SMS: numbers that an account has verified, by codes that go to the outbox.
//!
//! AWS docs: *Amazon SNS Developer Guide > Using the Amazon SNS SMS sandbox*.

use std::sync::Arc;
use std::time::Duration;

use haar_kernel::{Answer, Call, Command, Flow, Listing, Query, unwritten};
use haar_ledger::{Snapshot, Tx};
use haar_sns_contract::{
    CreateSMSSandboxPhoneNumber, CreateSMSSandboxPhoneNumberInput,
    CreateSMSSandboxPhoneNumberResult, DeleteSMSSandboxPhoneNumber,
    DeleteSMSSandboxPhoneNumberInput, DeleteSMSSandboxPhoneNumberResult,
    GetSMSSandboxAccountStatus, GetSMSSandboxAccountStatusInput, GetSMSSandboxAccountStatusResult,
    LIST_ORIGINATION_NUMBERS, LIST_SMS_SANDBOX_PHONE_NUMBERS, ListOriginationNumbers,
    ListOriginationNumbersRequest, ListOriginationNumbersResult, ListSMSSandboxPhoneNumbers,
    ListSMSSandboxPhoneNumbersInput, ListSMSSandboxPhoneNumbersResult, OptedOutException,
    ResourceNotFoundException, SMSSandboxPhoneNumber, SMSSandboxPhoneNumberVerificationStatus,
    UserErrorException, VerificationException, VerifySMSSandboxPhoneNumber,
    VerifySMSSandboxPhoneNumberInput, VerifySMSSandboxPhoneNumberResult,
};
use haar_types::{AccountId, Region};
use haar_wire::AwsError;

use super::listing::bad_token;
use crate::Sns;
use crate::refusal::invalid;
use crate::rules::message::Message;
use crate::rules::subscriber::is_phone_number;
use crate::state::{OptedOutRow, SandboxRow};

/// Most numbers of an account in a region.
const NUMBERS_MAX: usize = 10;
/// How long a number stays after it was verified, or its code was sent.
const STAY: Duration = Duration::from_secs(24 * 3600);
const PAGE_MAX: usize = 100;
const ORIGINATION_PAGE: usize = 30;

/// AWS docs: *Amazon SNS API Reference > GetSMSSandboxAccountStatus*. *Ours*: no account of haar is
/// confined to numbers that it verified, since nothing leaves the machine.
impl Query<GetSMSSandboxAccountStatus> for Sns {
    fn query(
        &self,
        _call: &Call,
        _snapshot: &Snapshot,
        _input: GetSMSSandboxAccountStatusInput,
    ) -> Answer<GetSMSSandboxAccountStatus> {
        Ok(GetSMSSandboxAccountStatusResult { is_in_sandbox: false })
    }
}

/// AWS docs: *Amazon SNS API Reference > ListOriginationNumbers*. There are none here.
impl Query<ListOriginationNumbers> for Sns {
    fn query(
        &self,
        call: &Call,
        _snapshot: &Snapshot,
        input: ListOriginationNumbersRequest,
    ) -> Answer<ListOriginationNumbers> {
        Listing::of(&LIST_ORIGINATION_NUMBERS, call, &input, ORIGINATION_PAGE, ORIGINATION_PAGE)
            .map_err(|_| bad_token())?;
        Ok(ListOriginationNumbersResult { phone_numbers: Some(Vec::new()), next_token: None })
    }
}

/// AWS docs: *Amazon SNS API Reference > CreateSMSSandboxPhoneNumber*. A number that is there gets
/// another code.
impl Flow<CreateSMSSandboxPhoneNumber> for Sns {
    async fn flow(
        self: Arc<Self>,
        call: Call,
        input: CreateSMSSandboxPhoneNumberInput,
    ) -> Answer<CreateSMSSandboxPhoneNumber> {
        let key = key_of(&call, &input.phone_number)?;
        let code = format!("{:06}", call.ids.draw() % 1_000_000);
        let committed = self.doors.ledger.transact(|tx| {
            if tx.contains::<OptedOutRow>(&key) {
                return Err(OptedOutException::message("Phone number is opted out").into());
            }
            let there = tx.get::<SandboxRow>(&key);
            if there.as_ref().is_some_and(|row| row.is_verified) {
                let text = "The phone number is already verified in the SMS sandbox";
                return Err(UserErrorException::message(text).into());
            }
            if there.is_none() && own(tx, &call).count() >= NUMBERS_MAX {
                let text = "The maximum number of phone numbers in the SMS sandbox is reached";
                return Err(UserErrorException::message(text).into());
            }
            let (key, code) = (key.clone(), code.clone());
            tx.put(SandboxRow { key, code, is_verified: false, changed_at: call.now });
            Ok::<_, AwsError>(())
        })?;
        committed.durable().await.map_err(unwritten)?;
        let text = format!("{code} is your verification code for the Amazon SNS SMS sandbox.");
        let message = Message::of_text(call.ids.uuid(), text);
        self.send_direct(&call, "sms", input.phone_number, message).await?;
        Ok(CreateSMSSandboxPhoneNumberResult {})
    }
}

/// AWS docs: *Amazon SNS API Reference > VerifySMSSandboxPhoneNumber*.
impl Command<VerifySMSSandboxPhoneNumber> for Sns {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: VerifySMSSandboxPhoneNumberInput,
    ) -> Answer<VerifySMSSandboxPhoneNumber> {
        let mut row = find(tx, call, &input.phone_number)?;
        if row.code != input.one_time_password {
            let message = "The one-time password is not valid".to_owned();
            return Err(VerificationException { message, status: "INVALID_OTP".to_owned() }.into());
        }
        (row.is_verified, row.changed_at) = (true, call.now);
        tx.put(row);
        Ok(VerifySMSSandboxPhoneNumberResult {})
    }
}

/// AWS docs: *Amazon SNS API Reference > DeleteSMSSandboxPhoneNumber*.
impl Command<DeleteSMSSandboxPhoneNumber> for Sns {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: DeleteSMSSandboxPhoneNumberInput,
    ) -> Answer<DeleteSMSSandboxPhoneNumber> {
        let row = find(tx, call, &input.phone_number)?;
        if call.now.since(row.changed_at) < STAY {
            let text = "A phone number can be deleted from the SMS sandbox 24 hours after it was \
                        verified, or after its last one-time password was sent";
            return Err(UserErrorException::message(text).into());
        }
        tx.remove::<SandboxRow>(&row.key);
        Ok(DeleteSMSSandboxPhoneNumberResult {})
    }
}

/// AWS docs: *Amazon SNS API Reference > ListSMSSandboxPhoneNumbers*.
impl Query<ListSMSSandboxPhoneNumbers> for Sns {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListSMSSandboxPhoneNumbersInput,
    ) -> Answer<ListSMSSandboxPhoneNumbers> {
        let listing =
            Listing::of(&LIST_SMS_SANDBOX_PHONE_NUMBERS, call, &input, PAGE_MAX, PAGE_MAX);
        let listing = listing.map_err(|_| bad_token())?;
        let page = listing.page(own(snapshot, call), |row| row.key.2.clone());
        let shown = |row: &Arc<SandboxRow>| SMSSandboxPhoneNumber {
            phone_number: Some(row.key.2.clone()),
            status: Some(match row.is_verified {
                true => SMSSandboxPhoneNumberVerificationStatus::Verified,
                false => SMSSandboxPhoneNumberVerificationStatus::Pending,
            }),
        };
        let phone_numbers = page.items.iter().map(shown).collect();
        Ok(ListSMSSandboxPhoneNumbersResult { phone_numbers, next_token: page.next })
    }
}

fn own<'a>(snapshot: &'a Snapshot, call: &Call) -> impl Iterator<Item = Arc<SandboxRow>> + use<'a> {
    let (account, region) = (call.account.clone(), call.region.clone());
    let first = (account.clone(), region.clone(), String::new());
    let rows = snapshot.range::<SandboxRow>(first..);
    rows.take_while(move |row| row.key.0 == account && row.key.1 == region)
}

fn find(snapshot: &Snapshot, call: &Call, number: &str) -> Result<SandboxRow, AwsError> {
    let row = snapshot.get::<SandboxRow>(&key_of(call, number)?);
    row.map(|row| SandboxRow::clone(&row)).ok_or_else(|| {
        let text = "The phone number is not in the SMS sandbox";
        ResourceNotFoundException::message(text).into()
    })
}

fn key_of(call: &Call, number: &str) -> Result<(AccountId, Region, String), AwsError> {
    match is_phone_number(number) {
        true => Ok((call.account.clone(), call.region.clone(), number.to_owned())),
        false => Err(invalid(format!("PhoneNumber Reason: {number} is not valid"))),
    }
}
