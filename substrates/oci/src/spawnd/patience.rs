//! How long to leave off what could not be done: it may be possible again, and is not tried at
//! every turn.

/// Turns that are left out at most.
const REST_MAX: u32 = 64;

/// Counts failures one after another, and the turns to leave out for them.
#[derive(Debug, Default)]
pub(super) struct Patience {
    failures: u32,
    rest: u32,
}

impl Patience {
    /// Another turn for what is lacking: whether it is to be tried.
    pub(super) fn tries(&mut self, is_lacking: bool) -> bool {
        is_lacking && !self.rests()
    }

    /// Another turn: whether it is to be left out.
    fn rests(&mut self) -> bool {
        let rests = self.rest > 0;
        self.rest = self.rest.saturating_sub(1);
        rests
    }

    pub(super) fn failed(&mut self) {
        self.failures += 1;
        self.rest = 1_u32.checked_shl(self.failures).map_or(REST_MAX, |rest| rest.min(REST_MAX));
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns until one is not left out.
    fn turns(patience: &mut Patience) -> u32 {
        (0..).find(|_| !patience.rests()).unwrap_or_default()
    }

    #[test]
    fn what_fails_rests_for_longer_each_time_but_never_for_good() {
        let mut patience = Patience::default();
        assert_eq!(turns(&mut patience), 0);
        let mut rests = Vec::new();
        for _ in 0..40 {
            patience.failed();
            rests.push(turns(&mut patience));
        }
        assert_eq!(rests[..7], [2, 4, 8, 16, 32, 64, 64]);
        assert!(rests[7..].iter().all(|rest| *rest == 64));
        patience.succeeded();
        patience.failed();
        assert_eq!(turns(&mut patience), 2);
    }
}
