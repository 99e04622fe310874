//! Writes as orders.

use std::collections::BTreeMap;

use haar_dynamodb_contract::{
    AttributeValue, AttributeValueUpdate, ConditionalOperator, ExpectedAttributeValue,
    ReturnValuesOnConditionCheckFailure,
};
use haar_wire::AwsError;

use crate::convert::{self, WireItem};
use crate::orders::{Deed, Order, check_keys};
use crate::refusal::invalid;
use crate::rules::expression::ast::Condition;
use crate::rules::expression::{self, Placeholders};
use crate::rules::legacy;
use crate::state::TableRow;

/// The parameters that make a write conditional.
#[derive(Default)]
pub(crate) struct ConditionInput {
    pub(crate) expression: Option<String>,
    pub(crate) names: Option<BTreeMap<String, String>>,
    pub(crate) values: Option<BTreeMap<String, AttributeValue>>,
    pub(crate) expected: Option<BTreeMap<String, ExpectedAttributeValue>>,
    pub(crate) operator: Option<ConditionalOperator>,
    pub(crate) on_failure: Option<ReturnValuesOnConditionCheckFailure>,
}

/// The parameters that say how an item is to change.
#[derive(Default)]
pub(crate) struct UpdateInput {
    pub(crate) expression: Option<String>,
    pub(crate) updates: Option<BTreeMap<String, AttributeValueUpdate>>,
}

impl ConditionInput {
    fn shows_failed(&self) -> bool {
        self.on_failure == Some(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    fn legacy(&self) -> [(&'static str, bool); 2] {
        [("Expected", self.expected.is_some()), ("ConditionalOperator", self.operator.is_some())]
    }

    /// The condition, given the placeholders.
    fn condition(
        &mut self,
        placeholders: &mut Placeholders,
    ) -> Result<Option<Condition>, AwsError> {
        if let Some(text) = &self.expression {
            return expression::condition("ConditionExpression", text, placeholders).map(Some);
        }
        let expected = self.expected.take().filter(|expected| !expected.is_empty());
        let Some(expected) = expected else {
            return match self.operator {
                Some(_) => Err(invalid(
                    "One or more parameter values were invalid: ConditionalOperator cannot be \
                     used without Filter or Expected",
                )),
                None => Ok(None),
            };
        };
        legacy::expected(expected, self.operator)
    }

    /// The condition of a write that has no other expression.
    fn only_condition(&mut self) -> Result<Option<Condition>, AwsError> {
        let given = self.expression.is_some();
        legacy::not_both(&self.legacy(), &[("ConditionExpression", given)])?;
        let expressions = [("ConditionExpression", self.expression.as_deref())];
        let (names, values) = (self.names.take(), self.values.take());
        let mut placeholders = Placeholders::read(names, values, &expressions, &expressions)?;
        let condition = self.condition(&mut placeholders)?;
        placeholders.check_all_used()?;
        Ok(condition)
    }
}

/// An item that is to be put.
pub(crate) fn put(
    table: &TableRow,
    item: WireItem,
    mut input: ConditionInput,
) -> Result<Order, AwsError> {
    let item = convert::item(item)?;
    let condition = input.only_condition()?;
    let key = table.keys.of_item(&item)?;
    let shows_failed = input.shows_failed();
    Ok(Order { table: table.key.clone(), key, condition, deed: Deed::Put(item), shows_failed })
}

/// An item that is to go, or only to be checked.
pub(crate) fn delete(
    table: &TableRow,
    key: WireItem,
    mut input: ConditionInput,
    deed: Deed,
) -> Result<Order, AwsError> {
    let condition = input.only_condition()?;
    let key = table.keys.of_key(convert::item(key)?)?;
    let shows_failed = input.shows_failed();
    Ok(Order { table: table.key.clone(), key, condition, deed, shows_failed })
}

/// An item that is to change.
pub(crate) fn update(
    table: &TableRow,
    key: WireItem,
    update: UpdateInput,
    mut input: ConditionInput,
) -> Result<Order, AwsError> {
    let [expected, operator] = input.legacy();
    let updates = ("AttributeUpdates", update.updates.is_some());
    legacy::not_both(
        &[updates, expected, operator],
        &[
            ("UpdateExpression", update.expression.is_some()),
            ("ConditionExpression", input.expression.is_some()),
        ],
    )?;
    let expressions = [
        ("UpdateExpression", update.expression.as_deref()),
        ("ConditionExpression", input.expression.as_deref()),
    ];
    let (names, values) = (input.names.take(), input.values.take());
    let mut placeholders = Placeholders::read(names, values, &expressions, &expressions)?;
    let clauses = match (&update.expression, update.updates) {
        (Some(text), _) => expression::update(text, &mut placeholders)?,
        (None, Some(updates)) => legacy::updates(updates)?,
        (None, None) => Vec::new(),
    };
    let condition = input.condition(&mut placeholders)?;
    placeholders.check_all_used()?;
    let key = table.keys.of_key(convert::item(key)?)?;
    check_keys(&table.keys, &clauses)?;
    let shows_failed = input.shows_failed();
    let deed = Deed::Update(clauses);
    Ok(Order { table: table.key.clone(), key, condition, deed, shows_failed })
}
