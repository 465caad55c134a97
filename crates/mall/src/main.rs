//! mall
fn main() {}
