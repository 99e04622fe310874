//! How an account's concurrency is shared out.

use haar_kernel::Quota;

use crate::refusal::Refusal;

/// `ConcurrentExecutions` of an account in a region.
pub const ACCOUNT_CONCURRENCY: Quota =
    Quota { service: "lambda", code: "L-B99A9384", name: "Concurrent executions", default: 1000 };

/// What must be left for functions that reserve none.
pub const UNRESERVED_MIN: u32 = 100;

/// Refuses a reservation that leaves too little of the account's concurrency for others.
///
/// # Errors
/// When less than [`UNRESERVED_MIN`] would be left, or fewer than the function provisions.
pub fn check_reservation(
    account: u32,
    asked: u32,
    reserved_by_others: u32,
    provisioned: u32,
) -> Result<(), Refusal> {
    let left = account.saturating_sub(reserved_by_others);
    if u64::from(asked) + u64::from(UNRESERVED_MIN) > u64::from(left) {
        return Err(Refusal::invalid(format!(
            "Specified ReservedConcurrentExecutions for function decreases account's \
             UnreservedConcurrentExecution below its minimum value of [{UNRESERVED_MIN}]."
        )));
    }
    if asked < provisioned {
        return Err(Refusal::invalid(format!(
            "Requested ReservedConcurrentExecutions for function is less than \
             ProvisionedConcurrentExecutions of [{provisioned}]"
        )));
    }
    Ok(())
}

/// Refuses provisioned concurrency that the account or the function's reservation cannot bear.
/// `elsewhere` is what the function's other qualifiers provision, `account_elsewhere` what the
/// account has promised to others: reservations and provisions outside of them.
///
/// # Errors
/// When more is asked for than there is.
pub fn check_provision(
    account: u32,
    asked: u32,
    elsewhere: u32,
    reserved: Option<u32>,
    account_elsewhere: u32,
) -> Result<(), Refusal> {
    let sum = u64::from(asked) + u64::from(elsewhere);
    if let Some(reserved) = reserved {
        if sum > u64::from(reserved) {
            return Err(Refusal::invalid(
                "Requested Provisioned Concurrency should not be greater than the \
                 reservedConcurrentExecution for function",
            ));
        }
        return Ok(());
    }
    let left = account.saturating_sub(account_elsewhere);
    if sum + u64::from(UNRESERVED_MIN) > u64::from(left) {
        return Err(Refusal::invalid(format!(
            "Specified ConcurrentExecutions for function is greater than account's unreserved \
             concurrency [{}].",
            left.saturating_sub(UNRESERVED_MIN)
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_executions_stay_unreserved() {
        assert_eq!(check_reservation(1000, 900, 0, 0), Ok(()));
        let text = "Specified ReservedConcurrentExecutions for function decreases account's \
                    UnreservedConcurrentExecution below its minimum value of [100].";
        assert_eq!(check_reservation(1000, 901, 0, 0), Err(Refusal::invalid(text)));
        assert_eq!(check_reservation(1000, 401, 500, 0), Err(Refusal::invalid(text)));
        assert_eq!(check_reservation(1000, 0, 900, 0), Ok(()));
    }

    #[test]
    fn a_smaller_account_has_less_to_reserve() {
        assert_eq!(check_reservation(150, 50, 0, 0), Ok(()));
        assert!(check_reservation(150, 51, 0, 0).is_err());
        assert!(check_provision(150, 51, 0, None, 0).is_err());
    }

    #[test]
    fn a_reservation_bears_what_is_provisioned() {
        assert!(check_reservation(1000, 4, 0, 5).is_err());
        assert!(check_provision(1000, 5, 1, Some(5), 0).is_err());
        assert_eq!(check_provision(1000, 4, 1, Some(5), 0), Ok(()));
        assert_eq!(check_provision(1000, 900, 0, None, 0), Ok(()));
        assert!(check_provision(1000, 900, 1, None, 0).is_err());
    }
}
