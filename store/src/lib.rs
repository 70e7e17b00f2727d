//! The durable, sharded stream store and its Kinesis door.
