//! The web console: view models, live updates, embedded web assets.
