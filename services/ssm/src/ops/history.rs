//! Versions of a parameter, and their labels.

use haar_kernel::{Answer, Call, Command, Query, page};
use haar_ledger::{Snapshot, Tx};
use haar_ssm_contract::{
    GetParameterHistory, GetParameterHistoryRequest, GetParameterHistoryResult,
    LabelParameterVersion, LabelParameterVersionRequest, LabelParameterVersionResult,
    ParameterVersionLabelLimitExceeded, UnlabelParameterVersion, UnlabelParameterVersionRequest,
    UnlabelParameterVersionResult,
};

use super::get::{after, limit};
use crate::announce::{self, Change};
use crate::lookup::{find_row, version};
use crate::refusal::no_version;
use crate::state::{VersionRow, versions};
use crate::{Ssm, render};

/// Versions of a page at most.
const PAGE_MAX: usize = 50;
/// Labels of a version at most, and letters of a label.
const LABELS_MAX: usize = 10;
const LABEL_LEN_MAX: usize = 100;

impl Query<GetParameterHistory> for Ssm {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: GetParameterHistoryRequest,
    ) -> Answer<GetParameterHistory> {
        let row = find_row(snapshot, call, &input.name)?;
        let decrypt = input.with_decryption == Some(true);
        let scope = format!("GetParameterHistory/{:?}", row.key);
        let last = after(&scope, input.next_token)?.and_then(|last| last.parse::<i64>().ok());
        let rest = versions(snapshot, &row.key);
        let rest = rest.filter(|version| last.is_none_or(|last| version.key.1 > last));
        let limit = limit(input.max_results, PAGE_MAX);
        let page = page(rest, limit, &scope, |version| version.key.1.to_string());
        let shown = page.items.iter().map(|row| render::history(&self.key, row, decrypt));
        Ok(GetParameterHistoryResult { parameters: Some(shown.collect()), next_token: page.next })
    }
}

/// Whether a label is one. AWS docs: *Parameter Store > Labeling a parameter version*.
fn is_label(text: &str) -> bool {
    let lower = text.to_lowercase();
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let begins_well = !text.starts_with(|letter: char| letter.is_ascii_digit())
        && !lower.starts_with("aws")
        && !lower.starts_with("ssm");
    !text.is_empty() && text.len() <= LABEL_LEN_MAX && text.chars().all(legal) && begins_well
}

impl Command<LabelParameterVersion> for Ssm {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: LabelParameterVersionRequest,
    ) -> Answer<LabelParameterVersion> {
        let row = find_row(tx, call, &input.name)?;
        let number = input.parameter_version.unwrap_or(row.version);
        let target = version(tx, &row.key, number);
        let target = target.ok_or_else(|| no_version(&row.key.2, number))?;
        let (labels, wrong): (Vec<String>, Vec<String>) =
            input.labels.into_iter().partition(|label| is_label(label));
        let mut target = VersionRow::clone(&target);
        target.labels.extend(labels.iter().cloned());
        if target.labels.len() > LABELS_MAX {
            let text = format!(
                "An error occurred (ParameterVersionLabelLimitExceeded) when calling the \
                 LabelParameterVersion operation: A parameter version can have maximum \
                 {LABELS_MAX} labels.Move one or more labels to another version and try again."
            );
            return Err(ParameterVersionLabelLimitExceeded::message(text).into());
        }
        let others: Vec<_> = versions(tx, &row.key).filter(|it| it.key.1 != number).collect();
        for other in others {
            if labels.iter().any(|label| other.labels.contains(label)) {
                let mut other = VersionRow::clone(&other);
                other.labels.retain(|label| !labels.contains(label));
                tx.put(other);
            }
        }
        tx.put(target);
        if !labels.is_empty() {
            let change = Change::LabelParameterVersion;
            announce::changed(&self.doors.outbox, tx, &row.key, change, call.now);
        }
        Ok(LabelParameterVersionResult {
            invalid_labels: Some(wrong),
            parameter_version: Some(number),
        })
    }
}

impl Command<UnlabelParameterVersion> for Ssm {
    fn command(
        &self,
        call: &Call,
        tx: &mut Tx,
        input: UnlabelParameterVersionRequest,
    ) -> Answer<UnlabelParameterVersion> {
        let row = find_row(tx, call, &input.name)?;
        let number = input.parameter_version;
        let target = version(tx, &row.key, number);
        let target = target.ok_or_else(|| no_version(&row.key.2, number))?;
        let mut target = VersionRow::clone(&target);
        let (removed, wrong): (Vec<String>, Vec<String>) =
            input.labels.into_iter().partition(|label| target.labels.remove(label));
        tx.put(target);
        Ok(UnlabelParameterVersionResult {
            removed_labels: Some(removed),
            invalid_labels: Some(wrong),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::is_label;

    #[test]
    fn labels_keep_to_the_rules() {
        for label in ["live", "v1.2_x-y"] {
            assert!(is_label(label), "{label}");
        }
        for label in ["", "1st", "awsome", "SSM", "a b", &"a".repeat(101)] {
            assert!(!is_label(label), "{label}");
        }
    }
}
