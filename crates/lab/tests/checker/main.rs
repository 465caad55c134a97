//! The checker, on histories in which everything is right, and on histories in which one thing is wrong.
#![allow(missing_docs)]

mod damage;
mod doubts;
mod incremental;
mod live;
mod mall;
mod model;
mod mutations;
mod named;
mod observed;
mod random;
mod stories;
mod survey;
mod timeline;
