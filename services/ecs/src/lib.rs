//! Amazon ECS: clusters, task definitions, tasks and services, on Fargate.
//!
//! A request never starts a container. `RunTask` writes task rows and answers; the
//! [`Tasks`](controllers::Tasks) controller sees the rows and asks the substrate. Whatever
//! crashes in between is found again by reading the rows. Exits and losses come back through the
//! observer ([`Ecs::observe`]), which writes what it hears into the rows. Commands of ECS Exec run
//! beside all that, as long as somebody sits at them ([`exec`]).
//!
//! **Invariant:** `last_status` is written by controllers alone, what is wanted by operations and
//! by the [`Services`](controllers::Services) controller. **Invariant:** a stopped task never
//! runs again; it is replaced.
//!
//! Source of behaviour: *Amazon ECS Developer Guide > Task lifecycle*. Begin reading at `ops/task.rs`,
//! then `controllers/tasks/plan.rs`.

mod announce;
mod conditions;
pub mod controllers;
pub mod doors;
pub mod exec;
mod lanes;
mod lookup;
mod ops;
mod order;
mod refusal;
mod render;
mod resources;
mod rollout;
mod room;
mod rules;
mod run;
pub mod state;
mod target;

pub use room::Ecs;
