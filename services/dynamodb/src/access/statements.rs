//! What PartiQL statements ask the policies. AWS docs: *Developer Guide > IAM security policies with
//! PartiQL for DynamoDB*.

use std::collections::BTreeSet;

use super::keys::{ALL, ATTRIBUTES, FULL_SCAN, LEADING, PROJECTED, RETURNED, SELECT, SPECIFIC};
use super::keys::{Key, shown};
use crate::ops::partiql::returned;
use crate::rules::expression::ast::{Clause, Condition};
use crate::rules::partiql::{Select, Statement, partitions};
use crate::rules::schema::KeySchema;
use crate::state::TableRow;

/// The resource of a statement: the table's, or the index's that it reads.
pub(super) fn resource(table: &TableRow, statement: &Statement) -> String {
    match statement {
        Statement::Select(Select { index: Some(index), .. }) => {
            format!("{}/index/{index}", table.arn())
        }
        _ => table.arn(),
    }
}

/// The condition keys of a statement.
pub(super) fn keys(table: &TableRow, statement: &Statement) -> Vec<Key> {
    let read = keys_of(table, statement);
    let within = match statement {
        Statement::Insert { item, .. } => item.get(&read.hash.name).map(|it| vec![it.clone()]),
        other => condition_of(other).and_then(|condition| {
            let mut all = read.hashes().map(|part| partitions(condition, &part.name));
            let first = all.next()?;
            first.filter(|_| all.all(|more| more.is_some()))
        }),
    };
    let leading: BTreeSet<String> = within.iter().flatten().filter_map(shown).collect();
    let mut keys = vec![
        (LEADING.to_owned(), leading.into_iter().collect()),
        (ATTRIBUTES.to_owned(), attributes(statement).into_iter().collect()),
    ];
    match statement {
        Statement::Select(select) | Statement::Exists(select) => {
            let shown = match (&select.paths, &select.index) {
                (Some(_), _) => SPECIFIC,
                (None, Some(_)) => PROJECTED,
                (None, None) => ALL,
            };
            keys.push((SELECT.to_owned(), vec![shown.to_owned()]));
            keys.push((FULL_SCAN.to_owned(), vec![within.is_none().to_string()]));
        }
        Statement::Update { .. } | Statement::Delete { .. } => {
            keys.push((RETURNED.to_owned(), vec![returned(statement).as_str().to_owned()]));
        }
        Statement::Insert { .. } => {}
    }
    keys.retain(|(_, values): &Key| !values.is_empty());
    keys
}

/// The key of what a statement is about: the index that it reads, else the table.
fn keys_of<'t>(table: &'t TableRow, statement: &Statement) -> &'t KeySchema {
    let index = match statement {
        Statement::Select(select) => select.index.as_deref().and_then(|name| table.index(name)),
        _ => None,
    };
    index.map_or(&table.keys, |index| &index.keys)
}

fn condition_of(statement: &Statement) -> Option<&Condition> {
    match statement {
        Statement::Select(select) | Statement::Exists(select) => select.condition.as_ref(),
        Statement::Update { condition, .. } | Statement::Delete { condition, .. } => {
            Some(condition)
        }
        Statement::Insert { .. } => None,
    }
}

/// The top-level attributes that a statement names.
fn attributes(statement: &Statement) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut see = |path: &crate::rules::expression::path::Path| {
        found.insert(path.attribute.clone());
    };
    if let Some(condition) = condition_of(statement) {
        condition.each_path(&mut see);
    }
    match statement {
        Statement::Select(select) | Statement::Exists(select) => {
            select.paths.iter().flatten().for_each(&mut see);
            found.extend(select.order.iter().map(|(name, _)| name.clone()));
        }
        Statement::Update { clauses, .. } => {
            clauses.iter().for_each(|clause: &Clause| clause.each_path(&mut see));
        }
        Statement::Insert { item, .. } => found.extend(item.keys().cloned()),
        Statement::Delete { .. } => {}
    }
    found
}
