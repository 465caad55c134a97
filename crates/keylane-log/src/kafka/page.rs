//! Memory for the bytes of several records, which then need no allocation each.

use bytes::{Bytes, BytesMut};

/// How many bytes a page has. As long as one record of a page is kept, all of it is.
const PAGE: usize = 16 << 10;
/// From how many bytes on a text gets memory of its own.
const LARGE: usize = PAGE / 8;

/// The page that is written now.
#[derive(Default)]
pub(super) struct Page(BytesMut);

impl Page {
    /// Copies `bytes` into the page, or into another one if it is full.
    pub(super) fn copy(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.len() >= LARGE {
            return Bytes::copy_from_slice(bytes);
        }
        if self.0.capacity() < bytes.len() {
            self.0 = BytesMut::with_capacity(PAGE);
        }
        self.0.extend_from_slice(bytes);
        self.0.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_stay_as_they_were_when_pages_follow_each_other() {
        let mut page = Page::default();
        let texts: Vec<Vec<u8>> = (0..100).map(|size| vec![size as u8; size * 40]).collect();
        let copies: Vec<Bytes> = texts.iter().map(|text| page.copy(text)).collect();
        assert_eq!(copies, texts);
    }
}
