//! The bill for machines and for people.

use comfy_table::{CellAlignment, Table, presets};
use haar_kv::KvError;
use serde_json::{Value, json};

use crate::bill::{Bill, Charges, FunctionBill};
use crate::fargate;
use crate::meter::UsageBook;
use crate::money::{Dollars, MIB_MS_PER_GB_SECOND};
use crate::prices::{FargatePrices, LambdaPrices, StoragePrices};
use crate::services::{self, ServicePrices};
use crate::storage;
use crate::usage::{ComputeUsage, Usage};

/// The bill of a month (`2026-11`) over all accounts, as `GET /_haar/cost` answers it.
///
/// Money is in dollars, as text with all its decimals; quantities are numbers for reading.
///
/// # Errors
/// When the records cannot be read.
pub fn bill_json(book: &UsageBook, month: &str) -> Result<Value, KvError> {
    let prices = LambdaPrices::shipped();
    let storage_prices = StoragePrices::shipped();
    let task_prices = FargatePrices::shipped();
    let plain_prices = ServicePrices::shipped();
    let mut services = book.services(month)?;
    let (mut accounts, mut full, mut net) = (Vec::new(), Dollars::default(), Dollars::default());
    let mut functions = book.month(month)?;
    for account in services.keys() {
        functions.entry(account.clone()).or_default();
    }
    for (account, usage) in functions {
        let bill = Bill::of(&usage, &prices);
        let functions: Vec<Value> = bill
            .functions
            .iter()
            .map(|(function, bill)| {
                let mut shown = json!({ "region": function.region, "function": function.name });
                merge(&mut shown, function_json(bill));
                shown
            })
            .collect();
        let total = bill.total();
        let mut used = services.remove(&account).unwrap_or_default();
        let kept = used.remove("ecr").unwrap_or_default();
        let (repositories, storage) = storage::charge(&kept, month, &storage_prices);
        let run = used.remove("ecs").unwrap_or_default();
        let (tasks, fargate) = fargate::charge(&run, &task_prices);
        full += total.full.total() + storage + fargate;
        net += total.net.total() + storage + fargate;
        let mut others = Vec::new();
        for prices in &plain_prices {
            let Some(used) = used.get(&prices.name) else { continue };
            let (rows, cost, after) = services::charge(used, month, prices);
            others.extend(rows);
            full += cost;
            net += after;
        }
        accounts.push(json!({
            "account": account,
            "functions": functions,
            "total": function_json(&total),
            "repositories": repositories,
            "storage": { "cost": storage.to_string() },
            "tasks": tasks,
            "fargate": { "cost": fargate.to_string() },
            "services": others,
        }));
    }
    Ok(json!({
        "month": month,
        "currency": "USD",
        "prices": { "source": prices.source, "region": prices.region, "asOf": prices.as_of },
        "storagePrices": {
            "source": storage_prices.source, "region": storage_prices.region,
            "asOf": storage_prices.as_of,
        },
        "fargatePrices": {
            "source": task_prices.source, "region": task_prices.region, "asOf": task_prices.as_of,
        },
        "servicePrices": plain_prices.iter().map(|prices| json!({
            "service": prices.title, "source": prices.source, "region": prices.region,
            "asOf": prices.as_of,
        })).collect::<Vec<_>>(),
        "accounts": accounts,
        "total": { "cost": full.to_string(), "costAfterFreeTier": net.to_string() },
    }))
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

fn function_json(bill: &FunctionBill) -> Value {
    let Usage { requests, compute, ephemeral_storage_mib_ms } = &bill.usage;
    let by_architecture = |part: fn(&ComputeUsage) -> u128| {
        let shown = compute.iter().filter(|(_, used)| part(used) > 0);
        let shown = shown
            .map(|(architecture, used)| (architecture.as_str().to_owned(), gb_seconds(part(used))));
        Value::Object(shown.collect())
    };
    json!({
        "requests": requests,
        "gbSeconds": by_architecture(|used| used.duration_mib_ms),
        "provisionedGbSeconds": by_architecture(|used| used.provisioned_mib_ms),
        "provisionedDurationGbSeconds": by_architecture(|used| used.provisioned_duration_mib_ms),
        "ephemeralStorageGbSeconds": gb_seconds(*ephemeral_storage_mib_ms),
        "cost": charges_json(&bill.full),
        "costAfterFreeTier": charges_json(&bill.net),
    })
}

fn gb_seconds(mib_ms: u128) -> Value {
    json!(mib_ms as f64 / MIB_MS_PER_GB_SECOND as f64)
}

fn charges_json(charges: &Charges) -> Value {
    json!({
        "requests": charges.requests.to_string(),
        "duration": charges.duration.to_string(),
        "ephemeralStorage": charges.ephemeral_storage.to_string(),
        "provisioned": charges.provisioned.to_string(),
        "total": charges.total().to_string(),
    })
}

/// The bill that [`bill_json`] made, as a table for a terminal.
pub fn bill_text(bill: &Value) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "account",
        "region",
        "function",
        "requests",
        "GB-s",
        "GB-s held",
        "USD",
        "after free tier",
    ]);
    for account in bill["accounts"].as_array().into_iter().flatten() {
        for function in account["functions"].as_array().into_iter().flatten() {
            let place = [&account["account"], &function["region"], &function["function"]];
            table.add_row(row(place.map(text), function));
        }
        let whole = [text(&account["account"]), "all".to_owned(), "all".to_owned()];
        table.add_row(row(whole, &account["total"]));
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let prices = &bill["prices"];
    let source = format!(
        "AWS Lambda in {}: what AWS would charge at the prices of {} ({}, {}).",
        text(&bill["month"]),
        text(&prices["region"]),
        text(&prices["source"]),
        text(&prices["asOf"]),
    );
    if bill["accounts"].as_array().is_none_or(Vec::is_empty) {
        return format!("Nothing was used in {}.\n", text(&bill["month"]));
    }
    let others = [storage_text(bill), tasks_text(bill), services_text(bill)].concat();
    format!("{table}\n{source}\n{others}{}", total_text(bill))
}

/// What all of the month comes to.
fn total_text(bill: &Value) -> String {
    let total = &bill["total"];
    format!(
        "Total of {}: {} USD, {} USD after the free tier.\n",
        text(&bill["month"]),
        cents(&total["cost"]),
        cents(&total["costAfterFreeTier"]),
    )
}

/// What all other services were used for; nothing where they were not.
fn services_text(bill: &Value) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "account",
        "service",
        "region",
        "resource",
        "used",
        "of",
        "USD",
        "after free tier",
    ]);
    let mut shown: Vec<String> = Vec::new();
    for account in bill["accounts"].as_array().into_iter().flatten() {
        for used in account["services"].as_array().into_iter().flatten() {
            let place = [&account["account"], &used["service"], &used["region"], &used["resource"]];
            let mut row = place.map(text).to_vec();
            row.push(format!("{:.9}", used["units"].as_f64().unwrap_or_default()));
            row.push(text(&used["unit"]));
            row.push(cents(&used["cost"]));
            row.push(cents(&used["costAfterFreeTier"]));
            table.add_row(row);
            shown.push(text(&used["service"]));
        }
    }
    for column in [4, 6, 7] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    if table.row_count() == 0 {
        return String::new();
    }
    let sources = bill["servicePrices"].as_array().into_iter().flatten();
    let sources = sources.filter(|one| shown.contains(&text(&one["service"])));
    let sources: String = sources
        .map(|one| {
            let [service, region] = [&one["service"], &one["region"]].map(text);
            let [source, date] = [&one["source"], &one["asOf"]].map(text);
            format!("{service}: at the prices of {region} ({source}, {date}).\n")
        })
        .collect();
    format!("{table}\n{sources}")
}

/// What tasks on Fargate used; nothing where there are none.
fn tasks_text(bill: &Value) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["account", "region", "service or family", "vCPU-s", "GB-s", "USD"]);
    for account in bill["accounts"].as_array().into_iter().flatten() {
        for run in account["tasks"].as_array().into_iter().flatten() {
            let place = [&account["account"], &run["region"], &run["name"]];
            let mut row = place.map(text).to_vec();
            for kind in ["vcpuSeconds", "gbSeconds"] {
                row.push(format!("{:.0}", run[kind].as_f64().unwrap_or_default()));
            }
            row.push(cents(&run["cost"]));
            table.add_row(row);
        }
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    if table.row_count() == 0 {
        return String::new();
    }
    let prices = &bill["fargatePrices"];
    format!(
        "{table}\nAWS Fargate: tasks at the prices of {} ({}, {}).\n",
        text(&prices["region"]),
        text(&prices["source"]),
        text(&prices["asOf"]),
    )
}

/// What repositories stored; nothing where there are none.
fn storage_text(bill: &Value) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["account", "region", "repository", "GB-months", "USD"]);
    for account in bill["accounts"].as_array().into_iter().flatten() {
        for stored in account["repositories"].as_array().into_iter().flatten() {
            let place = [&account["account"], &stored["region"], &stored["repository"]];
            let mut row = place.map(text).to_vec();
            row.push(format!("{:.6}", stored["gbMonths"].as_f64().unwrap_or_default()));
            row.push(cents(&stored["cost"]));
            table.add_row(row);
        }
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    if table.row_count() == 0 {
        return String::new();
    }
    let prices = &bill["storagePrices"];
    format!(
        "{table}\nAmazon ECR: storage at the prices of {} ({}, {}).\n",
        text(&prices["region"]),
        text(&prices["source"]),
        text(&prices["asOf"]),
    )
}

fn row(place: [String; 3], used: &Value) -> Vec<String> {
    let sum = |kind: &str| -> f64 {
        let by_architecture = used[kind].as_object().into_iter();
        let parts = by_architecture.flat_map(|all| all.values().filter_map(Value::as_f64));
        parts.fold(0.0, |sum, part| sum + part) // a `sum` of nothing is -0
    };
    let worked = sum("gbSeconds") + sum("provisionedDurationGbSeconds");
    let mut row = place.to_vec();
    row.push(used["requests"].to_string());
    row.push(format!("{worked:.3}"));
    row.push(format!("{:.3}", sum("provisionedGbSeconds")));
    row.push(cents(&used["cost"]["total"]));
    row.push(cents(&used["costAfterFreeTier"]["total"]));
    row
}

/// Eight decimals: a single short invocation costs about 0.000000002 dollars.
fn cents(dollars: &Value) -> String {
    let dollars = text(dollars);
    dollars.parse::<Dollars>().map_or(dollars, |exact| exact.rounded(8))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use haar_kernel::{Meter, UsageRecord};
    use haar_kv::Kv;
    use haar_types::{AccountId, Region, Timestamp};

    use super::*;

    #[test]
    fn a_bill_is_shown_as_json_and_as_a_table() {
        let book = UsageBook::open(&Kv::ephemeral()).unwrap();
        for (function, mb_ms) in [("hello", 128_000), ("other", 512_000)] {
            book.record(UsageRecord {
                account: AccountId::default(),
                region: Region::default(),
                at: Timestamp(1_795_000_000_000),
                service: "lambda",
                resource: function.to_owned(),
                quantities: vec![("requests", 1), ("mb-ms/x86_64", mb_ms)],
            });
        }
        let bill = bill_json(&book, "2026-11").unwrap();
        let account = &bill["accounts"][0];
        assert_eq!(account["functions"][0]["function"], "hello");
        assert_eq!(account["functions"][0]["gbSeconds"]["x86_64"], 0.125);
        assert_eq!(account["functions"][0]["cost"]["total"], "0.0000022833375");
        assert_eq!(bill["total"]["costAfterFreeTier"], "0.00");
        let table = bill_text(&bill);
        assert!(table.contains("hello") && table.contains("0.00000228"), "{table}");
        assert!(table.contains("GB-s held") && !table.contains(" -"), "{table}");
        book.record(UsageRecord {
            account: AccountId::default(),
            region: Region::default(),
            at: Timestamp(1_795_000_000_000),
            service: "ecr",
            resource: "app".to_owned(),
            quantities: vec![("kib-ms/standard", 1024 * 1024 * 3_600_000 * 72)],
        });
        let bill = bill_json(&book, "2026-11").unwrap();
        assert_eq!(bill["accounts"][0]["repositories"][0]["cost"], "0.01"); // 3 of 30 days
        assert_eq!(bill["total"]["costAfterFreeTier"], "0.01");
        let shown = bill_text(&bill);
        assert!(shown.contains("GB-months"));
        let total = "Total of 2026-11: 0.01001082 USD, 0.01000000 USD after the free tier.\n";
        assert!(shown.ends_with(total), "{shown}");
        let nothing = bill_text(&bill_json(&book, "2026-10").unwrap());
        assert_eq!(nothing, "Nothing was used in 2026-10.\n");
    }
}
