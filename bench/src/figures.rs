//! The figures, each beside its peer or its limit.

mod churn;
mod cold;
mod commits;
mod crowd;
mod footprint;
mod idle;
mod objects;
mod pipelines;
mod registry;
mod requests;
mod tasks;
mod unpack;
mod warm;
mod writes;

use futures_util::future::BoxFuture;

use crate::Bench;

/// One measurement.
type Measure = for<'a> fn(&'a mut Bench) -> BoxFuture<'a, Result<(), String>>;

/// All measurements, by name.
pub(crate) const ALL: &[(&str, Measure)] = &[
    ("cold", |bench| Box::pin(cold::measure(bench))),
    ("warm", |bench| Box::pin(warm::measure(bench))),
    ("commits", |bench| Box::pin(commits::measure(bench))),
    ("writes", |bench| Box::pin(writes::measure(bench))),
    ("footprint", |bench| Box::pin(footprint::measure(bench))),
    ("registry", |bench| Box::pin(registry::measure(bench))),
    ("unpack", |bench| Box::pin(unpack::measure(bench))),
    ("tasks", |bench| Box::pin(tasks::measure(bench))),
    ("idle", |bench| Box::pin(idle::measure(bench))),
    ("churn", |bench| Box::pin(churn::measure(bench))),
    ("requests", |bench| Box::pin(requests::measure(bench))),
    ("objects", |bench| Box::pin(objects::measure(bench))),
    ("pipelines", |bench| Box::pin(pipelines::measure(bench))),
    ("crowd", |bench| Box::pin(crowd::measure(bench))),
];
