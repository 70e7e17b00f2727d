//! The result index and its Elasticsearch door.
