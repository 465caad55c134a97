//! The queues of all lanes, in one memory: a queue of one record, as most are, needs no memory of its own, and a place
//! that has just become free is used again first.

use std::iter;

/// The items of many queues.
#[derive(Debug)]
pub(super) struct Places<T> {
    places: Vec<Place<T>>,
    /// The free places; the last is used next.
    free: Vec<u32>,
}

#[derive(Debug)]
struct Place<T> {
    /// The place of the next item of the queue; [`NONE`] behind the last.
    next: u32,
    /// `None` in a free place.
    item: Option<T>,
}

/// Where the items of one queue are.
#[derive(Debug)]
pub(super) struct Queue {
    first: u32,
    last: u32,
    len: u32,
}

/// Stands where there is no place.
const NONE: u32 = u32::MAX;

impl Queue {
    pub(super) const EMPTY: Self = Self {
        first: NONE,
        last: NONE,
        len: 0,
    };

    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the first item is, if there is one.
    pub(super) fn first(&self) -> u32 {
        self.first
    }
}

impl<T> Places<T> {
    pub(super) fn new() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(super) fn push_back(&mut self, queue: &mut Queue, item: T) {
        let place = self.occupy(item, NONE);
        match queue.is_empty() {
            true => queue.first = place,
            false => self.places[queue.last as usize].next = place,
        }
        queue.last = place;
        queue.len += 1;
    }

    pub(super) fn push_front(&mut self, queue: &mut Queue, item: T) {
        let place = self.occupy(item, queue.first);
        if queue.is_empty() {
            queue.last = place;
        }
        queue.first = place;
        queue.len += 1;
    }

    pub(super) fn front(&self, queue: &Queue) -> Option<&T> {
        self.peek(queue.first)
    }

    /// The item at a place.
    pub(super) fn peek(&self, place: u32) -> Option<&T> {
        self.places.get(place as usize)?.item.as_ref()
    }

    pub(super) fn pop_front(&mut self, queue: &mut Queue) -> Option<T> {
        let freed = queue.first;
        let place = self.places.get_mut(freed as usize)?;
        queue.first = place.next;
        queue.len -= 1;
        self.free.push(freed);
        place.item.take()
    }

    /// Takes all items out of a queue.
    pub(super) fn take(&mut self, queue: &mut Queue) -> Vec<T> {
        iter::from_fn(|| self.pop_front(queue)).collect()
    }

    /// Reads the next `count` free places.
    pub(super) fn look_ahead(&self, count: usize) {
        for free in self.free.iter().rev().take(count) {
            std::hint::black_box(self.places[*free as usize].next);
        }
    }

    /// Puts an item into a free place, before the place `next`.
    fn occupy(&mut self, item: T, next: u32) -> u32 {
        let place = Place { next, item: Some(item) };
        match self.free.pop() {
            Some(free) => {
                self.places[free as usize] = place;
                free
            }
            None => {
                self.places.push(place);
                self.places.len() as u32 - 1
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    #[test]
    fn queues_that_share_their_memory_do_what_queues_do() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut places = Places::new();
        let mut queues = [const { Queue::EMPTY }; 3];
        let mut models = [const { VecDeque::new() }; 3];
        for item in 0..10_000 {
            let at = random.usize(..3);
            let (queue, model) = (&mut queues[at], &mut models[at]);
            match random.usize(..9) {
                0..3 => {
                    places.push_back(queue, item);
                    model.push_back(item);
                }
                3 => {
                    places.push_front(queue, item);
                    model.push_front(item);
                }
                4..8 => assert_eq!(places.pop_front(queue), model.pop_front()),
                _ => assert_eq!(places.take(queue), Vec::from(std::mem::take(model))),
            }
            assert_eq!((queue.len(), queue.is_empty()), (model.len(), model.is_empty()));
            assert_eq!(places.front(queue), model.front());
        }
        assert!(places.places.len() < 100, "free places are used again");
    }
}
