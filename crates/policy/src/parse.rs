//! Reading a policy's text.

use std::collections::BTreeSet;

use crate::condition::{Clause, Quantifier};
use crate::document::{Document, Effect, Grammar, PolicyError};
use crate::glob::Glob;
use crate::json::Json;
use crate::operator::Operator;
use crate::principal::{AwsPrincipal, Principals};
use crate::resource::ResourcePattern;
use crate::statement::{Scope, Statement};
use crate::template::Template;
use crate::validate;

/// The version from which on policies have variables.
const VERSION_NOW: &str = "2012-10-17";
const VERSION_OLD: &str = "2008-10-17";

type Members = Vec<(String, Json)>;

/// Reads a policy; see [`Document::parse`].
pub(crate) fn document(text: &str, grammar: Grammar) -> Result<Document, PolicyError> {
    let Ok(Json::Object(members)) = serde_json::from_str(text) else {
        return Err(unreadable(grammar));
    };
    let mut version = VERSION_OLD.to_owned();
    let mut statements = None;
    for (name, value) in members {
        match (name.as_str(), value) {
            ("Version", Json::Text(text)) => version = text,
            ("Id", Json::Text(_)) => {}
            ("Statement", value) => statements = Some(value),
            _ => return Err(syntax()),
        }
    }
    validate::version(&version, grammar)?;
    let reader = Reader { grammar, variables: version == VERSION_NOW };
    let statements = match statements.ok_or_else(syntax)? {
        Json::List(list) if !list.is_empty() => {
            list.into_iter().map(|one| reader.statement(one)).collect::<Result<Vec<_>, _>>()?
        }
        one @ Json::Object(_) => vec![reader.statement(one)?],
        _ => return Err(syntax()),
    };
    refuse_equal_sids(&statements)?;
    Ok(Document { statements })
}

pub(crate) fn syntax() -> PolicyError {
    PolicyError("Syntax errors in policy.".to_owned())
}

fn unreadable(grammar: Grammar) -> PolicyError {
    match grammar {
        Grammar::Trust => PolicyError("This policy contains invalid Json".to_owned()),
        _ => syntax(),
    }
}

fn refuse_equal_sids(statements: &[Statement]) -> Result<(), PolicyError> {
    let mut seen = BTreeSet::new();
    for sid in statements.iter().filter_map(|statement| statement.sid.as_ref()) {
        if !sid.is_empty() && !seen.insert(sid) {
            let text = "Statement IDs (SID) in a single policy must be unique.";
            return Err(PolicyError(text.to_owned()));
        }
    }
    Ok(())
}

/// Reads statements of one policy.
struct Reader {
    grammar: Grammar,
    variables: bool,
}

/// A statement's elements as they are found.
#[derive(Default)]
struct Elements {
    sid: Option<String>,
    effect: Option<Effect>,
    principal: Option<Scope<Principals>>,
    action: Option<Scope<Vec<Vec<Glob>>>>,
    resource: Option<Scope<Vec<ResourcePattern>>>,
    condition: Vec<Clause>,
}

impl Reader {
    fn statement(&self, statement: Json) -> Result<Statement, PolicyError> {
        let Json::Object(members) = statement else { return Err(syntax()) };
        let mut elements = Elements::default();
        for (name, value) in members {
            self.element(&mut elements, &name, value)?;
        }
        validate::elements(
            self.grammar,
            elements.principal.is_some(),
            elements.action.is_some(),
            elements.resource.is_some(),
            elements.effect.is_some(),
        )?;
        Ok(Statement {
            sid: elements.sid,
            effect: elements.effect.ok_or_else(syntax)?,
            principal: elements.principal,
            action: elements.action.ok_or_else(syntax)?,
            resource: elements.resource,
            condition: elements.condition,
        })
    }

    fn element(&self, found: &mut Elements, name: &str, value: Json) -> Result<(), PolicyError> {
        match name {
            "Sid" => found.sid = Some(self.sid(value)?),
            "Effect" => found.effect = Some(effect(value)?),
            "Principal" => once(&mut found.principal, Scope::Listed(self.principals(value)?))?,
            "NotPrincipal" => once(&mut found.principal, Scope::Unlisted(self.principals(value)?))?,
            "Action" => once(&mut found.action, Scope::Listed(self.actions(value)?))?,
            "NotAction" => once(&mut found.action, Scope::Unlisted(self.actions(value)?))?,
            "Resource" => once(&mut found.resource, Scope::Listed(self.resources(value)?))?,
            "NotResource" => once(&mut found.resource, Scope::Unlisted(self.resources(value)?))?,
            "Condition" => found.condition = self.conditions(value)?,
            _ => return Err(syntax()),
        }
        Ok(())
    }

    fn sid(&self, value: Json) -> Result<String, PolicyError> {
        let Json::Text(sid) = value else { return Err(syntax()) };
        validate::sid(&sid, self.grammar)?;
        Ok(sid)
    }

    fn actions(&self, value: Json) -> Result<Vec<Vec<Glob>>, PolicyError> {
        let actions = texts(value)?;
        validate::some(&actions, "actions")?;
        for action in &actions {
            validate::action(action, self.grammar)?;
        }
        Ok(actions.iter().map(|action| Glob::parse(action)).collect())
    }

    fn resources(&self, value: Json) -> Result<Vec<ResourcePattern>, PolicyError> {
        let resources = texts(value)?;
        validate::some(&resources, "resources")?;
        for resource in &resources {
            validate::resource(resource)?;
        }
        let pattern = |text: &String| ResourcePattern::parse(text, self.variables);
        Ok(resources.iter().map(pattern).collect())
    }

    fn principals(&self, value: Json) -> Result<Principals, PolicyError> {
        let mut principals = Principals::default();
        let members = match value {
            Json::Text(text) if text == "*" => {
                return Ok(Principals { anyone: true, ..principals });
            }
            Json::Object(members) if !members.is_empty() => members,
            _ => return Err(syntax()),
        };
        for (kind, value) in members {
            for text in texts(value)? {
                add_principal(&mut principals, &kind, text)?;
            }
        }
        Ok(principals)
    }

    fn conditions(&self, value: Json) -> Result<Vec<Clause>, PolicyError> {
        let Json::Object(operators) = value else { return Err(syntax()) };
        let mut clauses = Vec::new();
        for (name, tests) in operators {
            let (quantifier, operator, if_exists) = Clause::operator(&name)
                .ok_or_else(|| PolicyError(format!("Invalid Condition type : {name}")))?;
            let Json::Object(tests) = tests else { return Err(syntax()) };
            let head = (quantifier, operator, if_exists);
            clauses.extend(self.clauses(head, tests)?);
        }
        Ok(clauses)
    }

    fn clauses(
        &self,
        (quantifier, operator, if_exists): (Quantifier, Operator, bool),
        tests: Members,
    ) -> Result<Vec<Clause>, PolicyError> {
        let mut clauses = Vec::new();
        for (name, values) in tests {
            validate::condition_key(&name)?;
            let values = condition_values(values)?;
            let variables = self.variables && operator.has_variables();
            let read = |text: &String| Template::parse(text, operator.has_wildcards(), variables);
            let values = values.iter().map(read).collect();
            let key = name.to_lowercase();
            clauses.push(Clause { quantifier, operator, if_exists, name, key, values });
        }
        Ok(clauses)
    }
}

/// `Action` beside `NotAction` is one too many.
fn once<T>(place: &mut Option<T>, value: T) -> Result<(), PolicyError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(syntax()),
    }
}

fn effect(value: Json) -> Result<Effect, PolicyError> {
    match value {
        Json::Text(text) if text == "Allow" => Ok(Effect::Allow),
        Json::Text(text) if text == "Deny" => Ok(Effect::Deny),
        _ => Err(syntax()),
    }
}

fn add_principal(found: &mut Principals, kind: &str, text: String) -> Result<(), PolicyError> {
    match kind {
        "AWS" if text == "*" => found.anyone = true,
        "AWS" => {
            let entry = AwsPrincipal::parse(&text);
            found.aws.push(entry.ok_or_else(|| validate::principal("AWS", &text))?);
        }
        "Service" if validate::is_service(&text) => found.services.push(text),
        "Service" => return Err(validate::principal("SERVICE", &text)),
        "Federated" => found.federated.push(text),
        "CanonicalUser" => found.others.push(text),
        _ => return Err(syntax()),
    }
    Ok(())
}

/// One text or a list of them.
fn texts(value: Json) -> Result<Vec<String>, PolicyError> {
    match value {
        Json::Text(text) => Ok(vec![text]),
        Json::List(list) => {
            let text = |item| if let Json::Text(text) = item { Ok(text) } else { Err(syntax()) };
            list.into_iter().map(text).collect()
        }
        _ => Err(syntax()),
    }
}

/// Conditions also take bare numbers and booleans.
fn condition_values(value: Json) -> Result<Vec<String>, PolicyError> {
    let scalar = |item| match item {
        Json::Text(text) | Json::Number(text) => Ok(text),
        Json::Bool(value) => Ok(value.to_string()),
        Json::Null | Json::List(_) | Json::Object(_) => Err(syntax()),
    };
    match value {
        Json::List(list) => list.into_iter().map(scalar).collect(),
        one => Ok(vec![scalar(one)?]),
    }
}
