//! What is taken out of lanes.

/// The number of one assignment of one partition. No two assignments in the life of a runner have the same number, and
/// a later one has a higher number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// The number of a lane. It is used again for another key once the lane is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LaneId(pub(super) u32);

/// Records of one lane and one epoch that were taken together, in order.
#[derive(Debug)]
pub(crate) struct Run<T> {
    /// The lane, to be passed to [`Scheduler::finish`] or [`Scheduler::postpone`].
    pub(crate) lane: LaneId,
    /// The assignment under which the records came.
    pub(crate) epoch: Epoch,
    /// How many runs had been taken before this one.
    pub(crate) number: u64,
    /// Which try of these records it is, from 1.
    pub(crate) attempt: u32,
    /// The records; at least one.
    pub(crate) items: Items<T>,
}

/// One or several items. A single item is by far the most frequent case and needs no allocation.
#[derive(Debug)]
pub(crate) enum Items<T> {
    /// A single item.
    One(T),
    /// Several items in order.
    Many(Vec<T>),
}

impl<T> Items<T> {
    pub(super) fn push(&mut self, item: T) {
        match std::mem::replace(self, Self::Many(Vec::new())) {
            Self::One(first) => *self = Self::Many(vec![first, item]),
            Self::Many(mut items) => {
                items.push(item);
                *self = Self::Many(items);
            }
        }
    }

    /// The items as a vector.
    pub(crate) fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(item) => vec![item],
            Self::Many(items) => items,
        }
    }
}

impl<T> std::ops::Deref for Items<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::One(item) => std::slice::from_ref(item),
            Self::Many(items) => items,
        }
    }
}

impl LaneId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}
