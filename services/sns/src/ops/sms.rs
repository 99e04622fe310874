//! SMS: an account's settings, and numbers that want no messages.

use std::collections::BTreeMap;

use haar_kernel::{Answer, Call, Command, Listing, Query};
use haar_ledger::{Snapshot, Tx};
use haar_sns_contract::{
    CheckIfPhoneNumberIsOptedOut, CheckIfPhoneNumberIsOptedOutInput,
    CheckIfPhoneNumberIsOptedOutResponse, GetSMSAttributes, GetSMSAttributesInput,
    GetSMSAttributesResponse, LIST_PHONE_NUMBERS_OPTED_OUT, ListPhoneNumbersOptedOut,
    ListPhoneNumbersOptedOutInput, ListPhoneNumbersOptedOutResponse, OptInPhoneNumber,
    OptInPhoneNumberInput, OptInPhoneNumberResponse, SetSMSAttributes, SetSMSAttributesInput,
    SetSMSAttributesResponse,
};
use haar_types::{AccountId, Region};
use haar_wire::AwsError;

use super::listing::{PAGE, bad_token};
use crate::Sns;
use crate::refusal::invalid;
use crate::rules::subscriber::is_phone_number;
use crate::state::{OptedOutRow, SmsRow};

/// What can be set.
const ATTRIBUTES: &[&str] = &[
    "DefaultSenderID",
    "DefaultSMSType",
    "DeliveryStatusIAMRole",
    "DeliveryStatusSuccessSamplingRate",
    "MonthlySpendLimit",
    "UsageReportS3Bucket",
];

impl Sns {
    /// Notes that a number answered `STOP`.
    ///
    /// # Errors
    /// When it is no number, or the ledger fails.
    pub async fn stop_sms(
        &self,
        account: &AccountId,
        region: &Region,
        number: &str,
    ) -> Result<(), String> {
        if !is_phone_number(number) {
            return Err(format!("{number} is not a phone number"));
        }
        let key = (account.clone(), region.clone(), number.to_owned());
        let committed = self.doors.ledger.write(|tx| tx.put(OptedOutRow { key }));
        committed.durable().await.map_err(|error| error.to_string())
    }
}

/// AWS docs: *Amazon SNS API Reference > SetSMSAttributes*.
impl Command<SetSMSAttributes> for Sns {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: SetSMSAttributesInput,
    ) -> Answer<SetSMSAttributes> {
        for (name, value) in &input.attributes {
            let fits = match name.as_str() {
                "DefaultSMSType" => matches!(value.as_str(), "Promotional" | "Transactional"),
                "MonthlySpendLimit" => value.parse::<u64>().is_ok(),
                "DeliveryStatusSuccessSamplingRate" => {
                    value.parse::<u8>().is_ok_and(|percent| percent <= 100)
                }
                name => ATTRIBUTES.contains(&name),
            };
            if !fits {
                return Err(invalid(name));
            }
        }
        let key = (call.account.clone(), call.region.clone());
        let mut attributes = all(tx, call);
        attributes.extend(input.attributes);
        tx.put(SmsRow { key, attributes });
        Ok(SetSMSAttributesResponse {})
    }
}

/// AWS docs: *Amazon SNS API Reference > GetSMSAttributes*.
impl Query<GetSMSAttributes> for Sns {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetSMSAttributesInput,
    ) -> Answer<GetSMSAttributes> {
        let mut attributes = all(snapshot, call);
        attributes.entry("MonthlySpendLimit".to_owned()).or_insert_with(|| "1".to_owned());
        if let Some(names) = input.attributes.filter(|names| !names.is_empty()) {
            attributes.retain(|name, _| names.contains(name));
        }
        Ok(GetSMSAttributesResponse { attributes: Some(attributes) })
    }
}

fn all(snapshot: &Snapshot, call: &Call) -> BTreeMap<String, String> {
    let row = snapshot.get::<SmsRow>(&(call.account.clone(), call.region.clone()));
    row.map(|row| row.attributes.clone()).unwrap_or_default()
}

/// AWS docs: *Amazon SNS API Reference > CheckIfPhoneNumberIsOptedOut*.
impl Query<CheckIfPhoneNumberIsOptedOut> for Sns {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: CheckIfPhoneNumberIsOptedOutInput,
    ) -> Answer<CheckIfPhoneNumberIsOptedOut> {
        let key = key_of(call, &input.phone_number)?;
        let is_opted_out = Some(snapshot.contains::<OptedOutRow>(&key));
        Ok(CheckIfPhoneNumberIsOptedOutResponse { is_opted_out })
    }
}

/// AWS docs: *Amazon SNS API Reference > OptInPhoneNumber*.
impl Command<OptInPhoneNumber> for Sns {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: OptInPhoneNumberInput,
    ) -> Answer<OptInPhoneNumber> {
        tx.remove::<OptedOutRow>(&key_of(call, &input.phone_number)?);
        Ok(OptInPhoneNumberResponse {})
    }
}

/// AWS docs: *Amazon SNS API Reference > ListPhoneNumbersOptedOut*.
impl Query<ListPhoneNumbersOptedOut> for Sns {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListPhoneNumbersOptedOutInput,
    ) -> Answer<ListPhoneNumbersOptedOut> {
        let listing = Listing::of(&LIST_PHONE_NUMBERS_OPTED_OUT, call, &input, PAGE, PAGE);
        let listing = listing.map_err(|_| bad_token())?;
        let first = (call.account.clone(), call.region.clone(), String::new());
        let own = snapshot
            .range::<OptedOutRow>(first..)
            .take_while(|row| row.key.0 == call.account && row.key.1 == call.region);
        let page = listing.page(own, |row| row.key.2.clone());
        let numbers = page.items.iter().map(|row| row.key.2.clone()).collect();
        Ok(ListPhoneNumbersOptedOutResponse { phone_numbers: Some(numbers), next_token: page.next })
    }
}

fn key_of(call: &Call, number: &str) -> Result<(AccountId, Region, String), AwsError> {
    match is_phone_number(number) {
        true => Ok((call.account.clone(), call.region.clone(), number.to_owned())),
        false => Err(invalid(format!("PhoneNumber Reason: {number} is not valid"))),
    }
}
