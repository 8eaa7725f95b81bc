//! Which node serves which bucket of parked rows.
//!
//! Rendezvous hashing: each bucket goes to the living node that draws the highest number for it, so
//! a node that comes or goes moves only its own share. Every node computes the same; where two see
//! different neighbours for a moment, the bucket's lock decides.

use crate::domain::clock::Timestamp;
use crate::domain::ids::{BucketId, NodeId};

/// What the beat asks about for the keeper of parked rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Interest {
    pub(super) buckets: Vec<i16>,
    /// Rows due before this are known already.
    pub(super) from: Timestamp,
}

impl Default for Interest {
    fn default() -> Self {
        Self {
            buckets: Vec::new(),
            from: Timestamp::from_ms(0),
        }
    }
}

/// The buckets that are `me`'s among `peers`.
pub(super) fn share(me: NodeId, peers: &[NodeId]) -> Vec<BucketId> {
    (0..=u8::MAX)
        .map(BucketId::new)
        .filter(|bucket| {
            let mine = draw(*bucket, me);
            peers.iter().all(|peer| draw(*bucket, *peer) <= mine)
        })
        .collect()
}

/// What a node draws for a bucket; equal draws are told apart by the node's id.
fn draw(bucket: BucketId, node: NodeId) -> (u64, i32) {
    let mut hash =
        u64::from(node.get().cast_unsigned()) << 16 | u64::from(bucket.get().cast_unsigned());
    // SplitMix64's finaliser.
    hash = hash.wrapping_add(0x9E37_79B9_7F4A_7C15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (hash ^ (hash >> 31), node.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_has_one_node_and_few_move() {
        let nodes: Vec<NodeId> = (1..=4).map(NodeId::new).collect();
        let peers = |me: NodeId, of: &[NodeId]| -> Vec<NodeId> {
            of.iter().copied().filter(|node| *node != me).collect()
        };
        let shares: Vec<Vec<BucketId>> = nodes
            .iter()
            .map(|me| share(*me, &peers(*me, &nodes)))
            .collect();
        let mut all: Vec<BucketId> = shares.iter().flatten().copied().collect();
        all.sort();
        assert_eq!(all.len(), 256);
        all.dedup();
        assert_eq!(all.len(), 256);
        assert!(shares.iter().all(|share| (32..=100).contains(&share.len())));
        // Without the fourth the others keep what they had.
        for (me, before) in nodes[..3].iter().zip(&shares) {
            let after = share(*me, &peers(*me, &nodes[..3]));
            assert!(before.iter().all(|bucket| after.contains(bucket)));
        }
    }
}
