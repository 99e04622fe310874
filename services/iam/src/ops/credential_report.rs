//! The credential report: a table of an account's users and of what they prove themselves by.

use std::fmt::Write as _;

use bytes::Bytes;
use haar_iam_contract::{
    CredentialReportExpiredException, CredentialReportNotPresentException,
    GenerateCredentialReport, GenerateCredentialReportInput, GenerateCredentialReportResponse,
    GetCredentialReport, GetCredentialReportInput, GetCredentialReportResponse, ReportFormatType,
    ReportStateType,
};
use haar_kernel::{Answer, Call, Command, Query};
use haar_ledger::{Snapshot, Tx};
use haar_types::{AccountId, Timestamp};

use crate::Iam;
use crate::ops::account::account_of;
use crate::state::{
    AccessKeyRow, AccessKeyUseRow, CredentialReportRow, MfaRow, Named as _, OfUser as _,
    PasswordRow, SigningCertificateRow, UserRow, rows_of,
};

/// How long a report is given again. AWS docs: *IAM User Guide > Generate credential reports*.
const FRESH_FOR: std::time::Duration = std::time::Duration::from_secs(4 * 3600);
const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);
const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,\
password_last_changed,password_next_rotation,mfa_active,access_key_1_active,\
access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,\
access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,\
access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,\
cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated";
const NONE: &str = "N/A";

fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| NONE.to_owned(), |at| at.strftime("%Y-%m-%dT%H:%M:%S+00:00"))
}

/// The columns of two access keys.
fn keys(snapshot: &Snapshot, owner: &str) -> Vec<String> {
    let mut keys: Vec<_> = snapshot.by_index::<AccessKeyRow>("owner", owner).collect();
    keys.sort_by_key(|key| key.created_at.0);
    let mut columns = Vec::new();
    for at in 0..2 {
        let Some(key) = keys.get(at) else {
            columns.extend(["false", NONE, NONE, NONE, NONE].map(str::to_owned));
            continue;
        };
        let used = snapshot.get::<AccessKeyUseRow>(&key.id);
        let of_use = |of: fn(&AccessKeyUseRow) -> String| {
            used.as_deref().map_or_else(|| NONE.to_owned(), of)
        };
        columns.extend([
            key.is_active.to_string(),
            time(Some(key.created_at)),
            time(used.as_ref().map(|used| used.used_at)),
            of_use(|used| used.region.clone()),
            of_use(|used| used.service.clone()),
        ]);
    }
    columns
}

/// The columns of two signing certificates.
fn certificates(snapshot: &Snapshot, user: &str) -> Vec<String> {
    let mut rows = SigningCertificateRow::of_user(snapshot, user);
    rows.sort_by_key(|row| row.uploaded_at.0);
    let column = |at: usize| match rows.get(at) {
        Some(row) => [row.is_active.to_string(), time(Some(row.uploaded_at))],
        None => ["false".to_owned(), NONE.to_owned()],
    };
    [column(0), column(1)].concat()
}

/// The root user's line. *Ours*: the root has no password here, and is as old as nobody knows.
fn line_of_root(snapshot: &Snapshot, account: &AccountId) -> Vec<String> {
    let mut line = vec!["<root_account>".to_owned(), format!("arn:aws:iam::{account}:root")];
    line.extend(
        [NONE, "not_supported", NONE, "not_supported", "not_supported", "false"].map(Into::into),
    );
    line.extend(keys(snapshot, &format!("{account}|")));
    line.extend(["false", NONE, "false", NONE].map(str::to_owned));
    line
}

fn line_of(snapshot: &Snapshot, user: &UserRow, age_days_max: Option<i32>) -> Vec<String> {
    let password = snapshot.get::<PasswordRow>(&user.id).filter(|_| user.login.is_some());
    let changed_at = password.map(|row| row.changed_at).or(user.login.map(|(at, _)| at));
    let days = age_days_max.and_then(|days| u32::try_from(days).ok()).filter(|days| *days > 0);
    let rotation = changed_at.zip(days).map(|(at, days)| at + DAY * days);
    // nobody logs in to a console that is not there
    let last_used = if changed_at.is_some() { "no_information" } else { NONE };
    let mut line = vec![
        user.name.clone(),
        user.arn(),
        time(Some(user.created_at)),
        changed_at.is_some().to_string(),
        last_used.to_owned(),
        time(changed_at),
        time(rotation),
        (!MfaRow::of_user(snapshot, &user.id).is_empty()).to_string(),
    ];
    line.extend(keys(snapshot, &format!("{}|{}", user.account, user.name.to_lowercase())));
    line.extend(certificates(snapshot, &user.id));
    line
}

fn report(snapshot: &Snapshot, account: &AccountId) -> String {
    let policy = account_of(snapshot, account).password_policy;
    let age = policy.and_then(|policy| policy.age_days_max);
    let mut text = HEADER.to_owned();
    let users = rows_of::<UserRow>(snapshot, account);
    let lines = std::iter::once(line_of_root(snapshot, account))
        .chain(users.map(|user| line_of(snapshot, &user, age)));
    for line in lines {
        // names, ARNs and times hold neither commas nor quotes but for a user's name
        let fields: Vec<String> = line.into_iter().map(quoted).collect();
        let _ = write!(text, "\n{}", fields.join(","));
    }
    text
}

/// A field as CSV has it (RFC 4180).
fn quoted(field: String) -> String {
    match field.contains([',', '"']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field,
    }
}

/// AWS docs: *IAM API Reference > GenerateCredentialReport*.
impl Command<GenerateCredentialReport> for Iam {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        _input: GenerateCredentialReportInput,
    ) -> Answer<GenerateCredentialReport> {
        let known = tx.get::<CredentialReportRow>(&call.account);
        if known.is_some_and(|row| call.now.since(row.generated_at) < FRESH_FOR) {
            let state = Some(ReportStateType::Complete);
            return Ok(GenerateCredentialReportResponse { state, description: None });
        }
        let content = report(tx, &call.account);
        let account = call.account.clone();
        tx.put(CredentialReportRow { account, generated_at: call.now, content });
        Ok(GenerateCredentialReportResponse {
            state: Some(ReportStateType::Started),
            description: Some("No report exists. Starting a new report generation task".to_owned()),
        })
    }
}

impl Query<GetCredentialReport> for Iam {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        _input: GetCredentialReportInput,
    ) -> Answer<GetCredentialReport> {
        let row = snapshot.get::<CredentialReportRow>(&call.account).ok_or_else(|| {
            CredentialReportNotPresentException::message("No report exists for the account.")
        })?;
        if call.now.since(row.generated_at) >= FRESH_FOR {
            let text = "The most recent credential report has expired.";
            return Err(CredentialReportExpiredException::message(text).into());
        }
        Ok(GetCredentialReportResponse {
            content: Some(Bytes::from(row.content.clone())),
            report_format: Some(ReportFormatType::TextCsv),
            generated_time: Some(row.generated_at),
        })
    }
}
