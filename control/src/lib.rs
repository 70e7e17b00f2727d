//! Applications: desired and actual state, KPUs, runners, signals.
