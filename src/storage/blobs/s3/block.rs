//! Memory for bytes that TLS is going to encrypt. TLS copies them to a few bytes behind the beginning of a page, and processors copy very
//! slowly between two places of which one is a few bytes behind the other, modulo a page: a block begins in the middle of one.

use bytes::{Buf, BytesMut};

/// What the place where a block begins takes up at most.
pub(super) const PAGE: usize = 4096;
const PHASE: usize = 2048;

/// An empty block with room for at least so many bytes.
pub(super) fn block(length: usize) -> BytesMut {
    let mut block = BytesMut::with_capacity(length + PAGE);
    let start = (block.as_ptr().align_offset(PAGE) + PHASE) % PAGE;
    block.resize(start, 0);
    block.advance(start);
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_begins_in_the_middle_of_a_page_and_has_the_room() {
        for length in [0, 1, 5000, 1 << 20] {
            let mut block = block(length);
            let first = block.as_ptr();
            assert_eq!(first.addr() % PAGE, PHASE);
            assert!(block.is_empty() && block.capacity() >= length);
            block.extend_from_slice(&vec![1; length]);
            assert_eq!(block.as_ptr(), first, "it is not moved");
        }
    }
}
