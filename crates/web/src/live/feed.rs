//! The last frames, numbered, for clients that go on where they were.
//!
//! # Invariants
//! * Numbers go up by one. A client that is not behind what is kept gets every frame behind its number.
//! * Frames and bytes have a bound; the oldest give way.

use std::collections::VecDeque;

use super::picture::Frame;

/// How many frames are kept, and how many bytes of them.
const FRAMES: usize = 2048;
const BYTES: usize = 8 << 20;

/// The frames that are kept.
#[derive(Debug, Default)]
pub struct Feed {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// The number of the last frame; 0 before the first.
    last: u64,
}

impl Feed {
    /// Adds a frame.
    pub fn push(&mut self, frame: Frame) {
        self.last += 1;
        self.bytes += frame.data.len();
        self.frames.push_back(frame);
        // The newest is kept however long it is.
        while self.frames.len() > FRAMES || (self.bytes > BYTES && self.frames.len() > 1) {
            if let Some(oldest) = self.frames.pop_front() {
                self.bytes -= oldest.data.len();
            }
        }
    }

    /// The number of the last frame.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The frames behind the one with this number, each with its own, about so many bytes at most; none if some of them are
    /// gone, or that number was never given out.
    pub fn after(&self, number: u64, bytes: usize) -> Option<Vec<(u64, Frame)>> {
        let first = self.last + 1 - self.frames.len() as u64;
        if number > self.last || number + 1 < first {
            return None;
        }
        let mut room = bytes;
        let behind = (number + 1..).zip(self.frames.iter().skip((number + 1 - first) as usize));
        let fitting = behind.take_while(|(at, frame)| {
            let fits = room > 0 || *at == number + 1;
            room = room.saturating_sub(frame.data.len());
            fits
        });
        Some(fitting.map(|(at, frame)| (at, frame.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(frames: usize, length: usize) -> Feed {
        let mut feed = Feed::default();
        for _ in 0..frames {
            feed.push(Frame {
                kind: "seen",
                data: "x".repeat(length).into(),
            });
        }
        feed
    }

    fn numbers(feed: &Feed, after: u64, bytes: usize) -> Option<Vec<u64>> {
        feed.after(after, bytes)
            .map(|frames| frames.iter().map(|(at, _)| *at).collect())
    }

    #[test]
    fn a_client_goes_on_behind_its_number() {
        let feed = feed(5, 10);
        assert_eq!(numbers(&feed, 0, 1000), Some(vec![1, 2, 3, 4, 5]));
        assert_eq!(numbers(&feed, 3, 1000), Some(vec![4, 5]));
        assert_eq!(numbers(&feed, 5, 1000), Some(vec![]));
        assert_eq!(numbers(&feed, 6, 1000), None, "it was never given out");
        assert_eq!(numbers(&feed, 0, 15), Some(vec![1, 2]));
        assert_eq!(numbers(&feed, 0, 0), Some(vec![1]), "one at least");
    }

    #[test]
    fn the_oldest_give_way_to_the_newest() {
        let many = feed(FRAMES + 3, 1);
        assert_eq!(numbers(&many, 2, 1), None);
        assert_eq!(numbers(&many, 3, 1), Some(vec![4]));
        let long = feed(20, BYTES / 10);
        assert!(long.bytes <= BYTES);
        assert_eq!(numbers(&long, 9, 1), None);
        assert_eq!(numbers(&long, 10, 1), Some(vec![11]));
        let huge = feed(2, 2 * BYTES);
        assert_eq!(numbers(&huge, 1, 1), Some(vec![2]));
        assert_eq!(numbers(&huge, 0, 1), None);
    }
}
