//! Requests of librdkafka that rust-rdkafka doesn't offer, or of whose answers it drops a part: the sentence in which a
//! broker refuses something, the id of a topic, groups of the newer protocol (KIP-848) and their kinds. And the way of a
//! message out of librdkafka's memory, which is shorter here.
//!
//! # Invariants
//! * Every object that librdkafka hands out is freed once, by [`Owned`](request::Owned), and is borrowed from only while that
//!   lives.
//! * No pointer into librdkafka's memory leaves this folder; names are copied.

#![allow(unsafe_code)]

pub(super) mod groups;
pub(super) mod message;
pub(super) mod queue;
pub(super) mod request;
pub(super) mod topics;
