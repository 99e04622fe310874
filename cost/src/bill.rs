//! What AWS would charge for a month's use.
//!
//! AWS docs: *AWS Lambda Pricing*. Tiers and free tier hold for an account as a whole; here
//! they are shared out among its functions so that the parts add up to the whole exactly: the
//! free tier in proportion to use, tiers (by region) in the order of the functions' names (*Ours*).

use std::collections::BTreeMap;

use haar_types::Region;

use crate::money::Dollars;
use crate::prices::LambdaPrices;
use crate::usage::{Architecture, Usage};

/// A month's charges of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// By region and name.
    pub functions: BTreeMap<FunctionName, FunctionBill>,
}

/// A function, by where it is and what it is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FunctionName {
    /// Where it ran; tiers count by region.
    pub region: Region,
    /// The function's name.
    pub name: String,
}

/// One function's use and what it costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionBill {
    /// What was used.
    pub usage: Usage,
    /// As if there were no free tier.
    pub full: Charges,
    /// After the free tier.
    pub net: Charges,
}

/// Money by what it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charges {
    /// Invocations.
    pub requests: Dollars,
    /// Time on demand.
    pub duration: Dollars,
    /// `/tmp` beyond what is free.
    pub ephemeral_storage: Dollars,
    /// Concurrency held ready, and invocations on it.
    pub provisioned: Dollars,
}

impl Charges {
    /// All of them.
    pub fn total(&self) -> Dollars {
        self.requests + self.duration + self.ephemeral_storage + self.provisioned
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.duration += other.duration;
        self.ephemeral_storage += other.ephemeral_storage;
        self.provisioned += other.provisioned;
    }
}

impl Bill {
    /// Charges a month's use of one account.
    pub fn of(usage: &BTreeMap<FunctionName, Usage>, prices: &LambdaPrices) -> Self {
        let free_requests = u128::from(prices.free_requests_per_month);
        let mut full = Month::new(prices, usage, (0, 0));
        let mut net = Month::new(prices, usage, (free_requests, prices.free_mib_ms_per_month()));
        let charge = |(name, used): (&FunctionName, &Usage)| {
            let (full, net) = (full.charge(&name.region, used), net.charge(&name.region, used));
            (name.clone(), FunctionBill { usage: used.clone(), full, net })
        };
        Self { functions: usage.iter().map(charge).collect() }
    }

    /// The account's use and charges over all functions.
    pub fn total(&self) -> FunctionBill {
        let mut total = FunctionBill::default();
        for function in self.functions.values() {
            total.usage.add(&function.usage);
            total.full.add(&function.full);
            total.net.add(&function.net);
        }
        total
    }
}

/// A month's charges in the making: how far functions have come in free tier and tiers.
struct Month<'a> {
    prices: &'a LambdaPrices,
    requests: FreeShare,
    duration: FreeShare,
    /// Charged so far.
    charged_mib_ms: BTreeMap<(Region, Architecture), u128>,
}

/// Shares out a free quantity in proportion to use, in whole units.
pub(crate) struct FreeShare {
    free: u128,
    total: u128,
    seen: u128,
}

impl FreeShare {
    /// Shares out `free` of `total`.
    pub(crate) fn new(free: u128, total: u128) -> Self {
        Self { free, total, seen: 0 }
    }

    /// What remains to be paid of `used`.
    pub(crate) fn payable(&mut self, used: u128) -> u128 {
        if self.total <= self.free {
            return 0;
        }
        let share = |seen: u128| self.free * seen / self.total;
        let free = share(self.seen + used) - share(self.seen);
        self.seen += used;
        used - free
    }
}

impl<'a> Month<'a> {
    fn new(
        prices: &'a LambdaPrices,
        usage: &BTreeMap<FunctionName, Usage>,
        (free_requests, free_mib_ms): (u128, u128),
    ) -> Self {
        let requests = usage.values().map(|used| u128::from(used.requests)).sum();
        let mib_ms = usage.values().map(Usage::duration_mib_ms).sum();
        Self {
            prices,
            requests: FreeShare::new(free_requests, requests),
            duration: FreeShare::new(free_mib_ms, mib_ms),
            charged_mib_ms: BTreeMap::new(),
        }
    }

    fn charge(&mut self, region: &Region, used: &Usage) -> Charges {
        let requests = self.requests.payable(u128::from(used.requests));
        let mut charges = Charges {
            requests: self.prices.request.times(requests),
            ephemeral_storage: self
                .prices
                .ephemeral_storage_gb_second
                .times_mib_ms(used.ephemeral_storage_mib_ms),
            ..Charges::default()
        };
        for architecture in Architecture::ALL {
            let mib_ms = self.duration.payable(used.duration_on(architecture));
            charges.duration += self.charge_tiers((region.clone(), architecture), mib_ms);
        }
        for (architecture, used) in &used.compute {
            let prices = self.prices.compute(*architecture);
            charges.provisioned +=
                prices.provisioned_gb_second.times_mib_ms(used.provisioned_mib_ms);
            charges.provisioned += prices
                .provisioned_duration_gb_second
                .times_mib_ms(used.provisioned_duration_mib_ms);
        }
        charges
    }

    fn charge_tiers(&mut self, place: (Region, Architecture), mib_ms: u128) -> Dollars {
        let architecture = place.1;
        let charged = self.charged_mib_ms.entry(place).or_default();
        let end = *charged + mib_ms;
        let mut sum = Dollars::default();
        for tier in &self.prices.compute(architecture).tiers {
            let within = end.min(tier.end_mib_ms()).saturating_sub(*charged);
            sum += tier.gb_second.times_mib_ms(within);
            *charged += within;
        }
        sum
    }
}

#[cfg(test)]
mod tests;
