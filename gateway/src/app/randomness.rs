//! The operating system's randomness, asked for in blocks where little is wanted at a time.
//!
//! An attempt needs a few bytes for its trace and its jitter, and a system call costs as much as
//! signing does. Keys and nonces are asked for one by one and never wait in memory.

use std::cell::RefCell;

use crate::domain::random::Random;

const BLOCK_BYTES: usize = 512;
/// Less than any key or nonce has.
const MAX_SMALL_BYTES: usize = 16;

/// Bytes that nobody has seen yet.
struct Block {
    bytes: [u8; BLOCK_BYTES],
    used: usize,
}

thread_local! {
    static BLOCK: RefCell<Block> = const {
        RefCell::new(Block { bytes: [0; BLOCK_BYTES], used: BLOCK_BYTES })
    };
}

/// # Panics
/// Where the operating system has no randomness.
pub(super) fn system_random() -> Random {
    Random::new(|bytes| {
        if bytes.len() <= MAX_SMALL_BYTES {
            BLOCK.with_borrow_mut(|block| block.hand_out(bytes));
        } else {
            fill(bytes);
        }
    })
}

impl Block {
    fn hand_out(&mut self, bytes: &mut [u8]) {
        if BLOCK_BYTES - self.used < bytes.len() {
            fill(&mut self.bytes);
            self.used = 0;
        }
        let fresh = &mut self.bytes[self.used..][..bytes.len()];
        bytes.copy_from_slice(fresh);
        // What was handed out once is never seen again.
        fresh.fill(0);
        self.used += bytes.len();
    }
}

fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system has randomness");
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nothing_is_handed_out_twice() {
        let random = system_random();
        let mut seen = HashSet::new();
        for _ in 0..1_000 {
            assert!(seen.insert(random.bytes::<16>()));
            assert!(seen.insert({
                let mut padded = [0; 16];
                padded[..13].copy_from_slice(&random.bytes::<13>());
                padded
            }));
        }
        assert_ne!(random.bytes::<32>(), random.bytes::<32>());
    }
}
