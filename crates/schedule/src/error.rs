//! What is no schedule.

/// Why a schedule was refused. Each service has words of its own for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSchedule {
    /// The expression cannot be read, or is never due.
    #[error("invalid schedule expression")]
    Expression,
    /// The tz database knows no such time zone.
    #[error("invalid time zone")]
    Zone,
}
