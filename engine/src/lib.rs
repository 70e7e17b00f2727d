//! Flink SQL on event time: SQL, state, windows, exchange.
