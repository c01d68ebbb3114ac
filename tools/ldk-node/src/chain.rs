//! The chain as this node sees it: blocks come in as commands, transactions go out as events.

use bitcoin::Transaction;
use bitcoin::consensus::encode::serialize_hex;
use lightning::bitcoin;
use lightning::chain::chaininterface::{BroadcasterInterface, ConfirmationTarget, FeeEstimator};
use serde_json::json;

use crate::lines::say;

/// 10 sat/vB, what lnd takes at most for a commitment with anchors, and takes where its chain has no estimate.
const FEE_SAT_PER_KW: u32 = 2_500;
/// The least that a transaction needs to be relayed (1 sat/vB).
const LEAST_SAT_PER_KW: u32 = 253;

pub struct Fees;

impl FeeEstimator for Fees {
    fn get_est_sat_per_1000_weight(&self, target: ConfirmationTarget) -> u32 {
        match target {
            ConfirmationTarget::MinAllowedAnchorChannelRemoteFee
            | ConfirmationTarget::MinAllowedNonAnchorChannelRemoteFee => LEAST_SAT_PER_KW,
            _ => FEE_SAT_PER_KW,
        }
    }
}

/// Whoever drives the node sends its transactions to the chain.
pub struct Broadcaster;

impl BroadcasterInterface for Broadcaster {
    fn broadcast_transactions(&self, transactions: &[&Transaction]) {
        for transaction in transactions {
            say(&json!({ "event": "broadcast", "transaction": serialize_hex(*transaction) }));
        }
    }
}
