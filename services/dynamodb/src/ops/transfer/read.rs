//! `DescribeExport`, `DescribeImport`, `ListExports` and `ListImports`.

use std::sync::Arc;

use haar_dynamodb_contract::{
    DescribeExport, DescribeExportInput, DescribeExportOutput, DescribeImport, DescribeImportInput,
    DescribeImportOutput, ExportNotFoundException, ExportSummary, ExportType,
    ImportNotFoundException, ImportSummary, ListExports, ListExportsInput, ListExportsOutput,
    ListImports, ListImportsInput, ListImportsOutput,
};
use haar_kernel::{Answer, Call, Query};
use haar_ledger::Snapshot;
use haar_wire::AwsError;

use super::{export, import};
use crate::Dynamodb;
use crate::lookup::arn_key;
use crate::refusal::invalid;
use crate::state::{ExportRow, ImportRow, TransferKey, key_of_arn};

/// Exports or imports on a page.
const PAGE: usize = 25;

/// Bytes of a token at least, before they are written as digits: AWS's have 112 of them.
const TOKEN_BYTES: usize = 56;

/// AWS docs: *Amazon DynamoDB API Reference > DescribeExport*.
impl Query<DescribeExport> for Dynamodb {
    fn query(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        input: DescribeExportInput,
    ) -> Answer<DescribeExport> {
        let arn = &input.export_arn;
        let row = key_of_arn(arn, "export").and_then(|key| snapshot.get::<ExportRow>(&key));
        let row = row
            .ok_or_else(|| ExportNotFoundException::message(format!("Export not found: {arn}")))?;
        Ok(DescribeExportOutput { export_description: Some(export::describe(&row)) })
    }
}

/// AWS docs: *Amazon DynamoDB API Reference > DescribeImport*.
impl Query<DescribeImport> for Dynamodb {
    fn query(
        &self,
        _call: &Call,
        snapshot: &Snapshot,
        input: DescribeImportInput,
    ) -> Answer<DescribeImport> {
        let arn = &input.import_arn;
        let row = key_of_arn(arn, "import").and_then(|key| snapshot.get::<ImportRow>(&key));
        let row = row
            .ok_or_else(|| ImportNotFoundException::message(format!("Import not found: {arn}")))?;
        Ok(DescribeImportOutput { import_table_description: import::describe(&row) })
    }
}

/// AWS docs: *Amazon DynamoDB API Reference > ListExports*.
impl Query<ListExports> for Dynamodb {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListExportsInput,
    ) -> Answer<ListExports> {
        let table = input.table_arn.as_deref();
        let after = input.next_token.as_deref().map(read_token).transpose()?;
        let all = snapshot.all::<ExportRow>().map(|row| (row.key.clone(), row));
        let (page, next_token) = page(call, all, (table, after, input.max_results));
        let summaries = page.iter().map(|row| ExportSummary {
            export_arn: Some(row.arn()),
            export_status: Some(row.status),
            export_type: Some(ExportType::FullExport),
        });
        Ok(ListExportsOutput { export_summaries: Some(summaries.collect()), next_token })
    }
}

/// AWS docs: *Amazon DynamoDB API Reference > ListImports*.
impl Query<ListImports> for Dynamodb {
    fn query(
        &self,
        call: &Call,
        snapshot: &Snapshot,
        input: ListImportsInput,
    ) -> Answer<ListImports> {
        let table = input.table_arn.as_deref();
        let after = input.next_token.as_deref().map(read_token).transpose()?;
        let all = snapshot.all::<ImportRow>().map(|row| (row.key.clone(), row));
        let (page, next_token) = page(call, all, (table, after, input.page_size));
        let summaries = page.iter().map(|row| {
            let shown = import::describe(row);
            ImportSummary {
                import_arn: shown.import_arn,
                import_status: shown.import_status,
                table_arn: shown.table_arn,
                s3_bucket_source: shown.s3_bucket_source,
                cloud_watch_log_group_arn: None,
                input_format: shown.input_format,
                start_time: shown.start_time,
                end_time: shown.end_time,
            }
        });
        Ok(ListImportsOutput { import_summary_list: Some(summaries.collect()), next_token })
    }
}

/// The caller's own, of one table where it is named, in the order of their keys.
fn page<R>(
    call: &Call,
    all: impl Iterator<Item = (TransferKey, Arc<R>)>,
    (table, after, limit): (Option<&str>, Option<TransferKey>, Option<i32>),
) -> (Vec<Arc<R>>, Option<String>) {
    let table = table.and_then(arn_key);
    let fits = |key: &TransferKey| {
        (&key.0, &key.1) == (&call.account, &call.region)
            && table.as_ref().is_none_or(|table| table.2 == key.2)
            && after.as_ref().is_none_or(|after| key > after)
    };
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE);
    let mut rest = all.filter(|(key, _)| fits(key));
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let last = page.last().map(|(key, _)| key.clone());
    let next = last.filter(|_| rest.next().is_some()).map(|key| write_token(&key));
    (page.into_iter().map(|(_, row)| row).collect(), next)
}

fn write_token((account, region, name, id): &TransferKey) -> String {
    use std::fmt::Write as _;
    let mut bytes = format!("{account} {region} {name} {id}").into_bytes();
    let length = bytes.len().max(TOKEN_BYTES).next_multiple_of(8);
    bytes.resize(length, 0);
    bytes.iter().fold(String::new(), |mut token, byte| {
        let _ = write!(token, "{byte:02x}"); // a String takes everything
        token
    })
}

fn read_token(token: &str) -> Result<TransferKey, AwsError> {
    let read = || {
        let digits = token.as_bytes().chunks_exact(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Vec<u8> = digits.map(byte).collect::<Option<_>>()?;
        let text = String::from_utf8(bytes).ok()?;
        let mut parts = text.trim_end_matches('\0').split(' ');
        let (account, region) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some((account, region, parts.next()?.to_owned(), parts.next()?.to_owned()))
    };
    read().ok_or_else(|| invalid("The NextToken is invalid"))
}
