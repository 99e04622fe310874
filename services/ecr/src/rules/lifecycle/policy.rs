//! Reading a policy's document. AWS docs: *Amazon ECR User Guide > Lifecycle policy properties*.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{ARCHIVE_DAYS_MIN, Action, DAY, Limit, Policy, Rule, TagSelection};

/// Rules of one policy at most. AWS docs: *Amazon ECR User Guide > Service quotas*.
const RULES_MAX: usize = 50;
/// Stars in one pattern at most.
const WILDCARDS_MAX: usize = 4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    rules: Vec<RuleDocument>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RuleDocument {
    rule_priority: i32,
    #[serde(default, rename = "description")]
    _description: Option<String>,
    selection: Selection,
    action: ActionDocument,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Selection {
    tag_status: TagStatus,
    tag_pattern_list: Option<Vec<String>>,
    tag_prefix_list: Option<Vec<String>>,
    #[serde(default)]
    storage_class: StorageClass,
    count_type: CountType,
    count_unit: Option<CountUnit>,
    count_number: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ActionDocument {
    #[serde(rename = "type")]
    kind: ActionKind,
    target_storage_class: Option<StorageClass>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum TagStatus {
    Tagged,
    Untagged,
    Any,
}

#[derive(Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum StorageClass {
    #[default]
    Standard,
    Archive,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum CountType {
    ImageCountMoreThan,
    SinceImagePushed,
    SinceImagePulled,
    SinceImageTransitioned,
}

#[derive(Clone, Copy, Deserialize)]
enum CountUnit {
    #[serde(rename = "days", alias = "day")]
    Days,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum ActionKind {
    Expire,
    Transition,
}

pub(super) fn parse(text: &str) -> Result<Policy, String> {
    let document: Document = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if document.rules.is_empty() || document.rules.len() > RULES_MAX {
        return Err(format!("a policy has 1 to {RULES_MAX} rules"));
    }
    let mut rules =
        document.rules.into_iter().map(RuleDocument::read).collect::<Result<Vec<_>, _>>()?;
    rules.sort_by_key(|rule| rule.priority);
    check_together(&rules)?;
    Ok(Policy { rules })
}

impl RuleDocument {
    fn read(self) -> Result<Rule, String> {
        let priority = self.rule_priority;
        let said = |text: &str| format!("rule {priority}: {text}");
        if priority < 1 {
            return Err(said("rulePriority must be at least 1"));
        }
        let in_archive = self.selection.storage_class == StorageClass::Archive;
        let limit = self.selection.limit().map_err(|text| said(&text))?;
        let action = self.action.read(in_archive).map_err(said)?;
        if let Limit::SinceTransitioned(_) = limit
            && (!in_archive || action != Action::Expire)
        {
            let text = "sinceImageTransitioned is for images of the storage class archive that \
                        expire";
            return Err(said(text));
        }
        let tags = self.selection.tags().map_err(|text| said(&text))?;
        Ok(Rule { priority, tags, in_archive, limit, action })
    }
}

impl Selection {
    fn limit(&self) -> Result<Limit, String> {
        let number = self.count_number;
        if number == 0 {
            return Err("countNumber must be at least 1".to_owned());
        }
        let is_count = self.count_type == CountType::ImageCountMoreThan;
        if is_count == self.count_unit.is_some() {
            let text = "countUnit must be given for all count types but imageCountMoreThan";
            return Err(text.to_owned());
        }
        let days = DAY * number;
        Ok(match self.count_type {
            CountType::ImageCountMoreThan => Limit::Count(number as usize),
            CountType::SinceImagePushed => Limit::SincePushed(days),
            CountType::SinceImagePulled => Limit::SincePulled(days),
            CountType::SinceImageTransitioned if number < ARCHIVE_DAYS_MIN => {
                return Err(format!("countNumber must be at least {ARCHIVE_DAYS_MIN}"));
            }
            CountType::SinceImageTransitioned => Limit::SinceTransitioned(days),
        })
    }

    fn tags(self) -> Result<TagSelection, String> {
        match (self.tag_status, self.tag_pattern_list, self.tag_prefix_list) {
            (TagStatus::Any, None, None) => Ok(TagSelection::Any),
            (TagStatus::Untagged, None, None) => Ok(TagSelection::Untagged),
            (TagStatus::Tagged, Some(patterns), None) if !patterns.is_empty() => {
                let many = |pattern: &String| pattern.matches('*').count() > WILDCARDS_MAX;
                match patterns.iter().any(many) {
                    true => Err(format!("a pattern has at most {WILDCARDS_MAX} wildcards")),
                    false => Ok(TagSelection::Patterns(patterns)),
                }
            }
            (TagStatus::Tagged, None, Some(prefixes)) if !prefixes.is_empty() => {
                let patterns = prefixes.into_iter().map(|prefix| prefix + "*");
                Ok(TagSelection::Patterns(patterns.collect()))
            }
            (TagStatus::Tagged, _, _) => {
                Err("tagged needs one of tagPatternList and tagPrefixList".to_owned())
            }
            (TagStatus::Any | TagStatus::Untagged, _, _) => {
                Err("tagPatternList and tagPrefixList are for tagged images".to_owned())
            }
        }
    }
}

impl ActionDocument {
    fn read(self, in_archive: bool) -> Result<Action, &'static str> {
        match (self.kind, self.target_storage_class) {
            (ActionKind::Expire, None) => Ok(Action::Expire),
            (ActionKind::Transition, Some(StorageClass::Archive)) if !in_archive => {
                Ok(Action::Archive)
            }
            (ActionKind::Expire, Some(_)) => Err("targetStorageClass is for transitions"),
            (ActionKind::Transition, _) => Err("a transition goes from standard to archive"),
        }
    }
}

/// What holds between rules: of each storage class, one rule for all images that comes last,
/// one for untagged ones, and no pattern twice.
fn check_together(rules: &[Rule]) -> Result<(), String> {
    if rules.windows(2).any(|pair| pair[0].priority == pair[1].priority) {
        return Err("each rule must have a rulePriority of its own".to_owned());
    }
    for in_archive in [false, true] {
        let class: Vec<&Rule> = rules.iter().filter(|rule| rule.in_archive == in_archive).collect();
        let any = class.iter().position(|rule| rule.tags == TagSelection::Any);
        if any.is_some_and(|at| at + 1 < class.len()) {
            return Err("a rule with the tagStatus any must have the highest rulePriority".into());
        }
        if class.iter().filter(|rule| rule.tags == TagSelection::Untagged).count() > 1 {
            return Err("only one rule may select untagged images".to_owned());
        }
        let mut seen = BTreeSet::new();
        let mut patterns = class.iter().filter_map(|rule| match &rule.tags {
            TagSelection::Patterns(patterns) => Some(patterns),
            _ => None,
        });
        if !patterns.all(|patterns| seen.insert(patterns)) {
            return Err("two rules select the same tags".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rule(priority: i32, selection: Value) -> Value {
        json!({ "rulePriority": priority, "selection": selection, "action": { "type": "expire" } })
    }

    fn refused(rules: Value) -> String {
        parse(&json!({ "rules": rules }).to_string()).unwrap_err()
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let untagged =
            json!({ "tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 1 });
        let any =
            json!({ "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1 });
        for (rules, why) in [
            (json!([]), "1 to 50"),
            (json!([rule(0, any.clone())]), "at least 1"),
            (json!([rule(1, any.clone()), rule(2, untagged.clone())]), "highest"),
            (json!([rule(1, untagged.clone()), rule(1, any.clone())]), "of its own"),
            (json!([rule(1, untagged.clone()), rule(2, untagged.clone())]), "only one"),
            (
                json!([rule(
                    1,
                    json!({ "tagStatus": "tagged", "countType": "imageCountMoreThan", "countNumber": 1 })
                )]),
                "tagPatternList",
            ),
            (
                json!([rule(
                    1,
                    json!({ "tagStatus": "any", "countType": "sinceImagePushed", "countNumber": 1 })
                )]),
                "countUnit",
            ),
            (
                json!([rule(
                    1,
                    json!({
                        "tagStatus": "tagged", "tagPatternList": ["a*b*c*d*e*"],
                        "countType": "imageCountMoreThan", "countNumber": 1,
                    })
                )]),
                "wildcards",
            ),
            (
                json!([rule(
                    1,
                    json!({
                        "tagStatus": "any", "storageClass": "archive", "countUnit": "days",
                        "countType": "sinceImageTransitioned", "countNumber": 89,
                    })
                )]),
                "at least 90",
            ),
            (
                json!([rule(
                    1,
                    json!({
                        "tagStatus": "any", "countUnit": "days", "countType": "sinceImageTransitioned", "countNumber": 90,
                    })
                )]),
                "storage class archive",
            ),
        ] {
            let said = refused(rules);
            assert!(said.contains(why), "{said} / {why}");
        }
    }
}
