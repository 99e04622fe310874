//! A secret's rotation.

use haar_types::Timestamp;
use serde::{Deserialize, Serialize};

use crate::rules::schedule::Rules;

/// How a secret is rotated. Writer: operations; `going`, `rotated_at` and `next_at` also
/// `controllers::rotations`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rotation {
    /// False once it was cancelled.
    pub(crate) is_enabled: bool,
    /// The function that rotates.
    pub(crate) function_arn: String,
    pub(crate) rules: Rules,
    pub(crate) rotated_at: Option<Timestamp>,
    /// When the next one begins by itself.
    pub(crate) next_at: Option<Timestamp>,
    pub(crate) going: Option<Going>,
}

/// A rotation that has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Going {
    /// The version that is to become the current one; `AWSPENDING` stands at it.
    pub(crate) version: String,
    /// What the function is asked for next.
    pub(crate) step: RotationStep,
    /// Only whether the function answers is found out.
    pub(crate) is_trial: bool,
    /// How often it failed.
    pub(crate) failure_count: u32,
    /// When it is tried again.
    pub(crate) due_at: Option<Timestamp>,
    /// It failed too often, and waits for its schedule or for somebody to ask.
    pub(crate) is_given_up: bool,
}

/// What a rotation function is asked for, in this order. AWS docs: *Secrets Manager User Guide >
/// Lambda rotation functions*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RotationStep {
    /// Make a new value.
    Create,
    /// Tell it to the service that it is for.
    Set,
    /// Try it there.
    Test,
    /// Make it the current one.
    Finish,
}

impl RotationStep {
    /// As functions are told.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "createSecret",
            Self::Set => "setSecret",
            Self::Test => "testSecret",
            Self::Finish => "finishSecret",
        }
    }

    /// What comes after it.
    pub(crate) fn next(self) -> Option<Self> {
        match self {
            Self::Create => Some(Self::Set),
            Self::Set => Some(Self::Test),
            Self::Test => Some(Self::Finish),
            Self::Finish => None,
        }
    }
}

impl Going {
    /// A rotation's begin.
    pub(crate) fn begin(version: String, is_trial: bool) -> Self {
        let step = if is_trial { RotationStep::Test } else { RotationStep::Create };
        Self { version, step, is_trial, failure_count: 0, due_at: None, is_given_up: false }
    }
}

impl Rotation {
    /// A new value counts as a rotation for the schedule.
    pub(crate) fn reckon(&mut self, now: Timestamp) {
        if self.is_enabled {
            self.next_at = self.rules.next(now);
        }
    }
}
