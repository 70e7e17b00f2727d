//! The web console: view models, live updates, embedded web assets.
//!
//! The console asks everything through one port, [`Platform`], which the binary implements; it knows no stage.
//! [`router`] turns a platform into routes: the page, a JSON API, live updates, `/metrics` and `/health`.
//!
//! *Invariant:* nothing that is served can be changed by a page of another origin, and no answer is unbounded.

mod api;
mod assets;
mod bounds;
mod failure;
mod live;
mod platform;
mod prometheus;
mod security;
pub mod views;

pub use api::{Login, Options, Person, Rule, login_page, router, router_behind, rule, rules};
pub use failure::Failure;
pub use platform::Platform;
