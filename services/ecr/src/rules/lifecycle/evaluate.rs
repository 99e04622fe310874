//! Applying a policy.

use std::collections::BTreeSet;

use haar_blobs::Digest;
use haar_types::Timestamp;

use super::{ARCHIVE_DAYS_MIN, Action, Candidate, DAY, Deed, Limit, Policy, Rule};

/// What a policy wants done at a time. An image is judged by the first rule alone whose tags it
/// fits; later rules count it, but leave it alone.
pub(crate) fn evaluate(policy: &Policy, images: &[Candidate], now: Timestamp) -> Vec<Deed> {
    let mut judged: BTreeSet<Digest> = BTreeSet::new();
    let mut deeds = Vec::new();
    for rule in &policy.rules {
        let selected = rule.select(images);
        let beyond = rule.beyond(&selected, now);
        for image in beyond.into_iter().filter(|image| !judged.contains(&image.digest)) {
            if !image.is_held && !is_too_early(rule, image, now) {
                let Rule { action, priority, .. } = *rule;
                deeds.push(Deed { digest: image.digest, action, priority });
            }
        }
        judged.extend(selected.iter().map(|image| image.digest));
    }
    deeds
}

fn is_too_early(rule: &Rule, image: &Candidate, now: Timestamp) -> bool {
    let since = image.archived_at.filter(|_| image.is_archived);
    rule.action == Action::Expire && since.is_some_and(|at| now.since(at) < DAY * ARCHIVE_DAYS_MIN)
}

impl Rule {
    /// Images that the rule is about, the newest first.
    fn select<'a>(&self, images: &'a [Candidate]) -> Vec<&'a Candidate> {
        let mut selected: Vec<&Candidate> = images
            .iter()
            .filter(|image| image.is_archived == self.in_archive)
            .filter(|image| self.tags.selects(&image.tags))
            .collect();
        selected.sort_by_key(|image| std::cmp::Reverse((image.came_at(), image.digest)));
        selected
    }

    /// Those of them that are more, or older, than may stay.
    fn beyond<'a>(&self, selected: &[&'a Candidate], now: Timestamp) -> Vec<&'a Candidate> {
        let older = |age, at: fn(&Candidate) -> Timestamp| {
            selected.iter().copied().filter(|image| now.since(at(image)) >= age).collect()
        };
        match self.limit {
            Limit::Count(count) => selected.iter().copied().skip(count).collect(),
            Limit::SincePushed(age) => older(age, |image| image.activated_or_pushed_at()),
            Limit::SincePulled(age) => older(age, |image| {
                let came_at = image.activated_or_pushed_at();
                image.pulled_at.map_or(came_at, |at| at.max(came_at))
            }),
            Limit::SinceTransitioned(age) => older(age, Candidate::came_at),
        }
    }
}

impl Candidate {
    /// When it came to where it is.
    fn came_at(&self) -> Timestamp {
        let archived_at = self.archived_at.filter(|_| self.is_archived);
        archived_at.unwrap_or_else(|| self.activated_or_pushed_at())
    }

    fn activated_or_pushed_at(&self) -> Timestamp {
        self.activated_at.unwrap_or(self.pushed_at)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn image(name: &str, tags: &[&str], days_ago: u32) -> Candidate {
        Candidate {
            digest: Digest::of(name.as_bytes()),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            pushed_at: NOW - DAY * days_ago,
            pulled_at: None,
            archived_at: None,
            activated_at: None,
            is_archived: false,
            is_held: false,
        }
    }

    fn rule(priority: i32, selection: Value) -> Value {
        json!({ "rulePriority": priority, "selection": selection, "action": { "type": "expire" } })
    }

    /// Names of the images that go, with the priorities of the rules.
    fn gone(rules: Value, images: &[(&str, Candidate)]) -> Vec<(String, i32)> {
        let policy = Policy::parse(&json!({ "rules": rules }).to_string()).unwrap();
        let all: Vec<Candidate> = images.iter().map(|(_, image)| image.clone()).collect();
        let name = |digest: Digest| {
            images.iter().find(|(_, image)| image.digest == digest).unwrap().0.to_owned()
        };
        evaluate(&policy, &all, NOW).into_iter().map(|it| (name(it.digest), it.priority)).collect()
    }

    fn keep_one(tag: &str) -> Value {
        json!({
            "tagStatus": "tagged", "tagPrefixList": [tag], "countType": "imageCountMoreThan",
            "countNumber": 1,
        })
    }

    #[test]
    fn a_later_rule_counts_but_spares_what_an_earlier_one_is_about() {
        let images = [
            ("a", image("a", &["beta-1", "alpha-1"], 10)),
            ("b", image("b", &["beta-2", "alpha-2"], 9)),
            ("c", image("c", &["beta-3"], 8)),
        ];
        let rules = json!([rule(1, keep_one("alpha")), rule(2, keep_one("beta"))]);
        assert_eq!(gone(rules, &images), [("a".to_owned(), 1)]);
    }

    #[test]
    fn images_go_by_age_and_all_patterns_must_fit() {
        let images = [
            ("old", image("old", &["prod-1", "web"], 15)),
            ("half", image("half", &["prod-2"], 15)),
            ("new", image("new", &["prod-3", "web"], 13)),
            ("bare", image("bare", &[], 15)),
        ];
        let rules = json!([rule(
            1,
            json!({
                "tagStatus": "tagged", "tagPatternList": ["prod*", "w*b"],
                "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14,
            })
        )]);
        assert_eq!(gone(rules, &images), [("old".to_owned(), 1)]);
    }

    #[test]
    fn a_pull_keeps_an_image_and_an_index_holds_its_images() {
        let mut pulled = image("pulled", &[], 40);
        pulled.pulled_at = Some(NOW - DAY * 2);
        let mut held = image("held", &[], 40);
        held.is_held = true;
        let images = [("never", image("never", &[], 40)), ("pulled", pulled), ("held", held)];
        let rules = json!([rule(
            1,
            json!({
                "tagStatus": "untagged", "countType": "sinceImagePulled", "countUnit": "days", "countNumber": 30,
            })
        )]);
        assert_eq!(gone(rules, &images), [("never".to_owned(), 1)]);
    }

    #[test]
    fn images_move_to_the_archive_and_leave_it_after_ninety_days() {
        let archived = |name: &str, days: u32| Candidate {
            is_archived: true,
            archived_at: Some(NOW - DAY * days),
            ..image(name, &[], 400)
        };
        let images = [
            ("idle", image("idle", &[], 40)),
            ("young", archived("young", 80)),
            ("old", archived("old", 120)),
        ];
        let rules = json!([
            {
                "rulePriority": 1, "action": { "type": "transition", "targetStorageClass": "archive" },
                "selection": { "tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 30 },
            },
            rule(2, json!({
                "tagStatus": "any", "storageClass": "archive", "countType": "sinceImageTransitioned",
                "countUnit": "days", "countNumber": 100,
            })),
        ]);
        assert_eq!(gone(rules, &images), [("idle".to_owned(), 1), ("old".to_owned(), 2)]);
    }
}
